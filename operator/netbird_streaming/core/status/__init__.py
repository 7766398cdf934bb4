"""The status of the resources: conditions, updates and Events."""
