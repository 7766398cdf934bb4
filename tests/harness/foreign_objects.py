"""Objects of other users in the cluster of a reader, which no command of a page may change.

A command of a page runs in a cluster that others use too. Other programs have objects in every namespace that the pages
use, created in each usual way. A second team uses the same connection, and the reader's own Secrets hold keys that
other programs use. The reader compares all of this before and after each block.
"""

import os
import re
import subprocess
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

from netbird_streaming.api.types import GROUP, VERSION
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import Objects
from tests.harness.manifests import Manifest, integration

OTHER_TEAM: Final = "team-b"
OTHER_KEY: Final = "another-program"
"""A key in the reader's Secrets that no page names."""
_VALUE: Final = "must-not-change"
_OWNER: Final = {"example.com/owner": "another-program"}
_SELECTOR: Final = "labelSelector=example.com/owner"
NOT_OTHERS: Final = "labelSelector=!example.com/owner"
_OURS: Final = f"/apis/{GROUP}/{VERSION}"
_CONNECTION: Final = f"{_OURS}/clusternetbirdconnections/default"
_LISTS: Final = (
    "/api/v1/secrets",
    "/api/v1/configmaps",
    "/api/v1/serviceaccounts",
    "/apis/apps/v1/deployments",
    "/apis/policy/v1/poddisruptionbudgets",
    "/apis/coordination.k8s.io/v1/leases",
    "/apis/rbac.authorization.k8s.io/v1/roles",
    "/apis/rbac.authorization.k8s.io/v1/rolebindings",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    f"{_OURS}/eventstreamingintegrations",
    f"{_OURS}/clusternetbirdconnections",
)
_OF_THE_SERVER: Final = {"resourceVersion", "managedFields", "generation"}

Snapshot = dict[str, Any]


def with_other_key(secret: Manifest) -> Manifest:
    """Return the Secret with one more key, which another program of its owner uses."""
    data = {**secret.get("data", {}), OTHER_KEY: b64encode(_VALUE.encode()).decode()}
    return {**secret, "data": data}


def client_side(plane: ControlPlane, manifests: list[Manifest], _folder: Path) -> None:
    """Create objects with `kubectl apply`."""
    plane.kubectl("apply", "--filename=-", input=yaml.safe_dump_all(manifests))


def server_side(plane: ControlPlane, manifests: list[Manifest], _folder: Path) -> None:
    """Create objects with `kubectl apply --server-side`, as Argo CD and Flux do."""
    plane.kubectl("apply", "--server-side", "--filename=-", input=yaml.safe_dump_all(manifests))


def create(plane: ControlPlane, manifests: list[Manifest], _folder: Path) -> None:
    """Create objects with `kubectl create`."""
    plane.kubectl("create", "--filename=-", input=yaml.safe_dump_all(manifests))


def helm(plane: ControlPlane, manifests: list[Manifest], folder: Path) -> None:
    """Create objects as a release of a chart in this folder."""
    chart = folder / "theirs"
    (chart / "templates").mkdir(parents=True, exist_ok=True)
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: theirs, version: 1.0.0}")
    (chart / "templates" / "objects.yaml").write_text(yaml.safe_dump_all(manifests))
    namespace = f"--namespace={manifests[0]['metadata']['namespace']}"
    command = [str(plane.binaries.find("helm")), "upgrade", "--install", "theirs", str(chart), namespace]
    environment = {"HOME": str(folder), "KUBECONFIG": str(plane.kubeconfig), "PATH": os.defpath}
    subprocess.run(command, env=environment, check=True, capture_output=True)


WAYS: Final[dict[str, Callable[[ControlPlane, list[Manifest], Path], None]]] = {
    "client-side apply": client_side,
    "server-side apply": server_side,
    "create": create,
    "Helm": helm,
}
"""Each usual way to create an object. They differ in the field managers, and so in what a later change removes."""


class ForeignObjects:
    """Other programs of the cluster, and a second team that uses the chart's connection."""

    def __init__(self, plane: ControlPlane, objects: Objects) -> None:
        self._plane: Final = plane
        self._objects: Final = objects

    def create(self, *namespaces: str) -> None:
        """Create the objects of other programs in these namespaces, in each usual way, and a definition of theirs."""
        for namespace in namespaces:
            for way, make in WAYS.items():
                objects = _objects(namespace, f"other-{way.split('-')[0].lower()}")
                make(self._plane, objects, self._plane.folder / f"theirs-{namespace}")
        server_side(self._plane, [_definition()], self._plane.folder)

    def share(self, url: str) -> None:
        """Create the second team's integration, with the chart's connection, and another administrator's connection."""
        declared = integration("datadog", "other", datadog={"site": "us5.datadoghq.com", "apiKeySecretRef": _REFERENCE})
        connection: Manifest = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "ClusterNetBirdConnection",
            "metadata": {"name": "other"},
            "spec": {"tokenSecretRef": {"name": "netbird", "key": "token"}, "url": url},
        }
        declared["metadata"]["namespace"] = OTHER_TEAM
        for each in (declared, connection):
            each["metadata"]["labels"] = _OWNER
        client_side(self._plane, [declared, connection], self._plane.folder)
        self._plane.kubectl("wait", "--for=condition=Ready", f"--namespace={OTHER_TEAM}", "esi/other", "--timeout=20s")

    def snapshot(self) -> Snapshot:
        """Return all objects of others, by kind and name, and what others have in objects of the reader."""
        found: Snapshot = {}
        for path in _LISTS:
            for each in (self._objects.read(f"{path}?{_SELECTOR}") or {"items": []})["items"]:
                found[f"{path.rpartition('/')[2]} {_place(each)}"] = _content(each)
        for each in (self._objects.read("/api/v1/secrets") or {"items": []})["items"]:
            if OTHER_KEY in each.get("data", {}):
                found[f"secrets {_place(each)}: {OTHER_KEY}"] = each["data"][OTHER_KEY]
        connection = self._objects.read(_CONNECTION)
        if connection is not None:
            entries = connection["spec"].get("access", [])
            granted = any(OTHER_TEAM in each.get("namespaces", ()) for each in entries)
            found[f"clusternetbirdconnections {_place(connection)}: access of {OTHER_TEAM}"] = granted
        return found


def _place(found: Manifest) -> str:
    return f"{found['metadata'].get('namespace', '')}/{found['metadata']['name']}"


def _content(found: Manifest) -> Any:
    """Return what a user wrote, and which integration a resource has."""
    written = {key: value for key, value in found.items() if key not in {"metadata", "status"}}
    metadata = {key: value for key, value in found["metadata"].items() if key not in _OF_THE_SERVER}
    return (written, metadata, found.get("status", {}).get("id"))


_REFERENCE: Final = {"name": "other-create", "key": "api-key"}


def _objects(namespace: str, name: str) -> list[Manifest]:
    """Return the objects of a program, of each kind that a command of a page names, in one namespace and beside it."""
    labels = {**_OWNER, "app.kubernetes.io/name": name}
    match = {"selector": {"matchLabels": labels}}
    container = {"name": "main", "image": "registry.example.com/other"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    rbac = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    cluster_wide = f"{namespace}-{name}"
    found: list[Manifest] = [
        _object("v1", "Secret", name, stringData={"api-key": "other-key"}),
        _object("v1", "ConfigMap", name, data={"key": "value"}),
        _object("v1", "ServiceAccount", name),
        _object("apps/v1", "Deployment", name, spec={**match, "replicas": 1, "template": template}),
        _object("policy/v1", "PodDisruptionBudget", name, spec={**match, "minAvailable": 1}),
        _object("coordination.k8s.io/v1", "Lease", name, spec={"holderIdentity": "other"}),
        _object(f"{rbac}/v1", "Role", name, rules=[_RULE]),
        _object(f"{rbac}/v1", "RoleBinding", name, roleRef=_role("Role", name), subjects=[subject]),
        _object(f"{rbac}/v1", "ClusterRole", cluster_wide, rules=[_RULE]),
        _object(
            f"{rbac}/v1",
            "ClusterRoleBinding",
            cluster_wide,
            roleRef=_role("ClusterRole", cluster_wide),
            subjects=[subject],
        ),
    ]
    for each in found:
        each["metadata"]["labels"] = labels
        if not each["kind"].startswith("Cluster"):
            each["metadata"]["namespace"] = namespace
    return found


_RULE: Final = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}


def _role(kind: str, name: str) -> Manifest:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}


def _object(version: str, kind: str, name: str, **content: Any) -> Manifest:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **content}


def _definition() -> Manifest:
    names = {"plural": "others", "singular": "other", "kind": "Other"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    found = _object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "others.example.com", spec=spec)
    found["metadata"]["labels"] = _OWNER
    return found


def changes(before: Snapshot, after: Snapshot, script: str = "") -> list[str]:
    """Return the names of objects that a script changed or removed, and did not announce.

    New objects belong to the page. A script announces what it removes by `kubectl delete KIND --all` and by `kubectl
    delete namespace NAME`.
    """
    announced = _announced(script)
    return [what for what, value in before.items() if after.get(what) != value and not announced(what)]


def _announced(script: str) -> Callable[[str], bool]:
    plain = script.replace("\\\n", " ")
    namespaces = " ".join(re.findall(r"kubectl delete namespace ([\w -]+)", plain)).split()
    kinds = re.findall(r"kubectl delete (\w+)[^\n]* --all\b", plain)
    kinds += re.findall(rf"(\w+)\.{re.escape(GROUP)}", " ".join(re.findall(r"kubectl delete customres.*", plain)))

    def is_announced(what: str) -> bool:
        kind, place = what.split(" ")[:2]
        return kind in kinds or place.split("/")[0] in namespaces

    return is_announced
