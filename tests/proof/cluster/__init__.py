"""The operator under faults of Kubernetes: API server, etcd, rights, admission, other writers, restored backups."""
