"""The operator while Kubernetes fails it: the API server, etcd, rights, admission, other writers, restored backups."""
