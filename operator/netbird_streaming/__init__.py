"""A Kubernetes operator for the event-streaming integrations of NetBird accounts."""
