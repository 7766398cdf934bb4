"""A simulated NetBird API: a state machine without I/O, failures on command, and a real HTTP server around both.

It is no kinder than reality: where public sources leave open how NetBird behaves, the defaults take the answer that is
harder on a client, and `Behaviour` offers the others.
"""
