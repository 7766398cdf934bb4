"""Checks of the promises that take longer than `make test`. `make proof` runs all of them."""
