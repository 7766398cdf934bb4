"""The simulated NetBird API, without any I/O."""
