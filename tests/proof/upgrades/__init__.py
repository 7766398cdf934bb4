"""Upgrades from former commits to the working tree and back, with live resources and a create in flight."""
