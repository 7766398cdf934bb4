"""Do the tests bite? Bugs that others have had, put into the operator one at a time, each to be caught by a test."""
