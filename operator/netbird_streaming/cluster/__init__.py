"""The Kubernetes API: the only importer of `kubernetes` and aiohttp."""
