"""The policies of the decision: each returns an action, or None to pass."""
