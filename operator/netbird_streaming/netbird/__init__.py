"""The client of the NetBird API: `ClientFactory` makes clients that share budgets and connections."""
