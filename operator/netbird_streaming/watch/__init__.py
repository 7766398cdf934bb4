"""Watches of the resources (with kopf, imported nowhere else) and of Secrets."""
