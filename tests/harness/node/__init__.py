"""A Kubernetes cluster whose pods really run, made in seconds and thrown away; see cluster.py."""

from tests.harness.node.cluster import Cluster, ClusterError, check, cluster

__all__ = ["Cluster", "ClusterError", "check", "cluster"]
