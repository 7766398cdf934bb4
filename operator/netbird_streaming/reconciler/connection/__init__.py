"""The reconcile of a connection, and the accounts behind it."""
