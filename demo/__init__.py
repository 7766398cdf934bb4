"""The operator's main job in two minutes, on a real Kubernetes API server: `python -m demo`."""
