"""The rights of the operator and their reasons, against which the chart's rules and its README are checked.

tests/controlplane/test_permissions.py compares the list with the operator's calls.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from netbird_streaming.api.types import GROUP

Granted = tuple[str, str, str]
"""(group, resource, verb). The resource is `leases=name` if the rule is limited to names."""


class Place(Enum):
    """The scope of a right."""

    SCOPE = "in scope"
    KINDS = "in scope; with cluster connections the whole cluster"
    CLUSTER = "whole cluster"
    OWN = "own namespace"
    DEFAULT = "`default`"


@dataclass(frozen=True, slots=True)
class Need:
    """The rights of one flow."""

    place: Place
    group: str
    resource: str
    verbs: tuple[str, ...]
    flow: str
    name: str = ""
    """The single object of the rule; empty for all."""

    def granted(self) -> Iterator[Granted]:
        """Return the single rights."""
        suffix = f"={self.name}" if self.name else ""
        return ((self.group, self.resource + suffix, verb) for verb in self.verbs)


_LEASE: Final = "netbird-streaming-operator"
_KEY: Final = "netbird-streaming-operator-fingerprint-key"
_INTEGRATIONS: Final = "eventstreamingintegrations"
_CONNECTIONS: Final = "netbirdconnections"
_CLUSTER_CONNECTIONS: Final = "clusternetbirdconnections"

NEEDS: Final = (
    Need(Place.KINDS, GROUP, _INTEGRATIONS, ("list", "watch"), "watches integrations"),
    Need(Place.KINDS, GROUP, _INTEGRATIONS, ("get",), "re-reads it after a conflict"),
    Need(Place.KINDS, GROUP, _INTEGRATIONS, ("patch",), "adds and removes its finalizer"),
    Need(Place.KINDS, GROUP, f"{_INTEGRATIONS}/status", ("patch",), "writes its status"),
    Need(Place.KINDS, GROUP, _CONNECTIONS, ("list", "watch"), "watches the connections of a namespace"),
    Need(Place.KINDS, GROUP, _CONNECTIONS, ("get",), "re-reads it after a conflict"),
    Need(Place.KINDS, GROUP, _CONNECTIONS, ("patch",), "adds its finalizer to one in use, and removes it"),
    Need(Place.KINDS, GROUP, f"{_CONNECTIONS}/status", ("patch",), "writes its status"),
    Need(Place.SCOPE, "", "secrets", ("get",), "reads tokens, keys and headers that a resource names"),
    Need(Place.SCOPE, "", "secrets", ("list", "watch"), "with `secretWatch`: watches Secrets, metadata only"),
    Need(Place.SCOPE, "", "configmaps", ("get",), "reads a connection's CA bundle"),
    Need(Place.KINDS, "coordination.k8s.io", "leases", ("get",), "reads its Lease, and another installation's", _LEASE),
    Need(Place.KINDS, "", "namespaces", ("get",), "reads labels for a cluster connection's `namespaceSelector`"),
    Need(
        Place.SCOPE,
        "events.k8s.io",
        "events",
        ("create",),
        "publishes Events",
    ),
    Need(Place.CLUSTER, GROUP, _CLUSTER_CONNECTIONS, ("list", "watch"), "watches cluster connections"),
    Need(Place.CLUSTER, GROUP, _CLUSTER_CONNECTIONS, ("get",), "re-reads it after a conflict"),
    Need(Place.CLUSTER, GROUP, _CLUSTER_CONNECTIONS, ("patch",), "adds its finalizer to one in use, and removes it"),
    Need(Place.CLUSTER, GROUP, f"{_CLUSTER_CONNECTIONS}/status", ("patch",), "writes its status"),
    Need(Place.DEFAULT, "events.k8s.io", "events", ("create",), "publishes Events about a cluster connection"),
    Need(Place.OWN, "coordination.k8s.io", "leases", ("create",), "creates its Lease at the first start"),
    Need(Place.OWN, "coordination.k8s.io", "leases", ("patch",), "acquires, renews and releases it", _LEASE),
    Need(Place.OWN, "", "secrets", ("patch",), "creates its fingerprint key at the first start", _KEY),
)
"""Cluster connections refer to Secrets and ConfigMaps of the operator's own namespace, which is always in scope."""


def needed(place: Place, *, secret_watch: bool = True, cluster_connections: bool = True) -> set[Granted]:
    """Return the rights in a scope."""
    found = {granted for need in NEEDS if need.place is place for granted in need.granted()}
    if not secret_watch:
        found -= {("", "secrets", "list"), ("", "secrets", "watch")}
    if not cluster_connections:
        found.discard(("", "namespaces", "get"))
    return found if cluster_connections or place not in {Place.CLUSTER, Place.DEFAULT} else set()


def granted_by(role: Mapping[str, Any]) -> set[Granted]:
    """Return the rights that a Role or ClusterRole grants."""
    found: set[Granted] = set()
    for rule in role["rules"]:
        names = rule.get("resourceNames")
        suffix = f"={','.join(names)}" if names else ""
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found |= {(group, resource + suffix, verb) for verb in rule["verbs"]}
    return found
