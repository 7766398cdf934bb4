"""Bugs of other programs, seeded into the operator one at a time. A test has to catch each."""
