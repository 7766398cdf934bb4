"""A temporary Kubernetes cluster with a node that runs pods; see cluster.py."""

from tests.harness.node.cluster import Cluster, ClusterError, check, cluster

__all__ = ["Cluster", "ClusterError", "check", "cluster"]
