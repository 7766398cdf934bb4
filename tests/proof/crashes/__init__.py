"""The operator struck at every point: each request and each event of each flow, on a real API server."""
