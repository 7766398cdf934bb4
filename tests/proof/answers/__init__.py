"""Every response to every call of the NetBird API, in every flow that makes the call, on a real API server."""
