"""A simulated NetBird API: a state machine without I/O, failures on command, and a real HTTP server around both.

It is no kinder than reality. Where public sources leave NetBird's behaviour open, the defaults are the harder variant
for a client, and `Behaviour` offers the others.
"""
