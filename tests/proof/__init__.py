"""The promises, tried harder than `make test` has time for; `make proof` runs all of it."""
