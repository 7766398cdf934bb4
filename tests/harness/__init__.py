"""Shared parts of several kinds of tests: simulated services and the tools around them."""
