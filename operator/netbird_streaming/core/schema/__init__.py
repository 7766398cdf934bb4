"""The schema of the custom resources, as the API server is given it."""
