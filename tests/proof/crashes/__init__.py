"""The operator under a fault at every point: each request and each event of each flow, on a real API server."""
