"""Every call of the NetBird API gets every answer, in every flow that makes the call, on a real API server."""
