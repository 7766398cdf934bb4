"""The chart grants exactly the list of tests/harness/rights.py, in each scope, to its ServiceAccount only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.harness.controlplane import Binaries
from tests.harness.rights import Granted, Place, granted_by, needed
from tools.chart import Manifest, of_kind, render

NAMESPACE = "netbird-system"
KINDS = needed(Place.KINDS)
CLUSTER = needed(Place.CLUSTER) | KINDS
SCOPE = needed(Place.SCOPE)
OWN = needed(Place.OWN)
DEFAULT = needed(Place.DEFAULT)
WATCH = {("", "secrets", "list"), ("", "secrets", "watch")}
SECRETS = {("", "secrets", "get"), *WATCH}
CONFIG_MAPS = {("", "configmaps", "get")}
NAMESPACES = {("", "namespaces", "get")}
LEASES = {granted for granted in OWN if granted[0] == "coordination.k8s.io"}
LEASE = {("coordination.k8s.io", "leases=netbird-streaming-operator", "get")}
KEY = {("", "secrets=netbird-streaming-operator-fingerprint-key", "get")}
"""The verb `patch` on it is among the operator's own rights in each scope."""


@pytest.fixture(scope="module")
def helm() -> Path:
    return Binaries().find("helm")


def granted(manifests: list[Manifest]) -> dict[str, set[Granted]]:
    """Return the rights of the ServiceAccount, by namespace; `*` is the cluster. No right is granted twice."""
    found: dict[str, set[Granted]] = {}
    (account,) = of_kind(manifests, "ServiceAccount")
    bindings = of_kind(manifests, "ClusterRoleBinding", "RoleBinding")
    for binding in bindings:
        subject = {"kind": "ServiceAccount", "name": account["metadata"]["name"], "namespace": NAMESPACE}
        assert binding["subjects"] == [subject]
        place = binding["metadata"].get("namespace", "*")
        (role,) = (
            each
            for each in of_kind(manifests, binding["roleRef"]["kind"])
            if each["metadata"]["name"] == binding["roleRef"]["name"]
            and each["metadata"].get("namespace", "*") == place
        )
        already = found.get(place, set()) | found.get("*", set())
        assert granted_by(role) & already == set()
        found[place] = found.get(place, set()) | granted_by(role)
    aggregated = [each for each in of_kind(manifests, "ClusterRole") if aggregates(each)]
    assert len(of_kind(manifests, "ClusterRole", "Role")) == len(bindings) + len(aggregated)
    return found


def aggregates(role: Manifest) -> bool:
    return any("rbac.authorization.k8s.io/aggregate-to-" in label for label in role["metadata"]["labels"])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"*": CLUSTER | SCOPE, NAMESPACE: OWN}),
        ({"secretWatch": False}, {"*": CLUSTER | SCOPE - WATCH, NAMESPACE: OWN}),
        ({"leaderElection": False, "replicaCount": 1}, {"*": CLUSTER | SCOPE, NAMESPACE: OWN - LEASES}),
        ({"scope": {"clusterConnections": False}}, {"*": KINDS - NAMESPACES | SCOPE, NAMESPACE: OWN}),
        (
            {"secretNamespaces": ["team-a"]},
            {"*": CLUSTER | SCOPE - SECRETS, "team-a": SECRETS, NAMESPACE: OWN | SECRETS},
        ),
        (
            {"secretNamespaces": [NAMESPACE], "secretWatch": False},
            {"*": CLUSTER | SCOPE - SECRETS, NAMESPACE: OWN | SECRETS - WATCH},
        ),
        (
            {"secretNamespaces": ["team-a"], "scope": {"clusterConnections": False}},
            {"*": KINDS - NAMESPACES | SCOPE - SECRETS, "team-a": SECRETS, NAMESPACE: OWN | KEY},
        ),
        (
            {"scope": {"namespaces": ["team-a", "team-b"]}},
            {
                "*": CLUSTER,
                "team-a": SCOPE,
                "team-b": SCOPE,
                "default": DEFAULT,
                NAMESPACE: OWN | SECRETS | CONFIG_MAPS,
            },
        ),
        (
            {"scope": {"namespaces": ["default"]}},
            {"*": CLUSTER, "default": SCOPE, NAMESPACE: OWN | SECRETS | CONFIG_MAPS},
        ),
        (
            {"scope": {"namespaces": ["team-a", "team-b"]}, "secretNamespaces": ["team-b"]},
            {
                "*": CLUSTER,
                "team-a": SCOPE - SECRETS,
                "team-b": SCOPE,
                "default": DEFAULT,
                NAMESPACE: OWN | SECRETS | CONFIG_MAPS,
            },
        ),
        (
            {"scope": {"namespaces": [NAMESPACE]}, "secretWatch": False},
            {"*": CLUSTER, "default": DEFAULT, NAMESPACE: OWN | SCOPE - WATCH},
        ),
        (
            {"scope": {"namespaces": ["team-a"], "clusterConnections": False}},
            {"team-a": KINDS - NAMESPACES | SCOPE, NAMESPACE: OWN | KEY | LEASE},
        ),
        (
            {"scope": {"namespaces": [NAMESPACE], "clusterConnections": False}},
            {NAMESPACE: OWN | KINDS - NAMESPACES | SCOPE},
        ),
    ],
    ids=[
        "cluster",
        "without secret watch",
        "without a lease",
        "without cluster connections",
        "secrets of a namespace",
        "secrets of its own namespace",
        "secrets of a namespace, without cluster connections",
        "namespaces",
        "the namespace of cluster connections' Events",
        "namespaces, secrets of one",
        "its own namespace",
        "a namespace, without cluster connections",
        "its own namespace, without cluster connections",
    ],
)
def test_granted_rights_are_the_needed_ones(
    helm: Path, values: Mapping[str, Any], expected: dict[str, set[Granted]]
) -> None:
    assert granted(render(helm, NAMESPACE, values)) == expected


def test_users_roles_exist_unless_cluster_roles_are_disabled(helm: Path) -> None:
    values: Mapping[str, Any]
    for values in ({}, {"scope": {"namespaces": ["team-a"]}}):
        roles = [each for each in of_kind(render(helm, NAMESPACE, values), "ClusterRole") if aggregates(each)]
        assert [each["metadata"]["name"].rpartition("-")[2] for each in roles] == ["view", "edit"]
    alone = {"scope": {"namespaces": ["team-a"], "clusterConnections": False}}
    for values in ({"userRoles": {"enabled": False}}, alone):
        rendered = of_kind(render(helm, NAMESPACE, values), "ClusterRole")
        assert [each["metadata"]["name"] for each in rendered if aggregates(each)] == []


def test_users_never_write_a_status_or_a_cluster_connection(helm: Path) -> None:
    roles = [each for each in of_kind(render(helm, NAMESPACE), "ClusterRole") if aggregates(each)]
    for _, resource, verb in set().union(*(granted_by(each) for each in roles)):
        assert resource in {"eventstreamingintegrations", "netbirdconnections"} or verb in {"get", "list", "watch"}
        assert "/" not in resource
