"""The rights of GitOps controllers in a cluster, and the definitions that they need."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from tests.harness.controlplane import ControlPlane
from tests.harness.manifests import Manifest


def define(plane: ControlPlane, files: Sequence[Path]) -> None:
    """Install resource definitions, and wait until the API server serves them."""
    names = [f"--filename={path}" for path in files]
    plane.kubectl("apply", "--server-side", *names)
    plane.wait_until_established(*names)


def cluster_admin(plane: ControlPlane, namespace: str, name: str) -> Path:
    """Create a namespace and a ServiceAccount that may do everything; return its kubeconfig."""
    apply(
        plane,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        },
    )
    return plane.service_account_kubeconfig(namespace, name)


def apply(plane: ControlPlane, *documents: Manifest) -> None:
    """Apply manifests as the administrator."""
    plane.kubectl("apply", "--filename=-", input=yaml.safe_dump_all(documents))
