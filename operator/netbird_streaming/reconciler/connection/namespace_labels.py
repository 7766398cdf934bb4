"""The access of namespaces to cluster connections, by their names and labels."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from netbird_streaming.api.types import (
    ClusterNetBirdConnection,
    ConnectionKind,
    EventStreamingIntegration,
)
from netbird_streaming.clock import Clock
from netbird_streaming.core.namespace_access import access_of, needs_labels
from netbird_streaming.errors import OperatorError, RetryError, WaitError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.connection.resolved import ConnectionState
from netbird_streaming.reconciler.ports import Cluster

LABELS_LIFETIME: Final = 30.0
"""Seconds for which a namespace's labels are taken to be unchanged."""


class NamespaceAccess(NamedTuple):
    """The access that a connection allows a namespace: the tenant to act in, and whether it may adopt."""

    tenant_id: str | None
    allow_adoption: bool


class NamespaceLabels:
    """Reads the labels of namespaces, and decides by them which namespaces may use a connection."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._labels: dict[str, tuple[float, Mapping[str, str]]] = {}

    async def serves(self, state: ConnectionState, namespace: str) -> bool:
        """Return whether a namespace may use a connection. It may if that is unknown at the moment."""
        if not isinstance(state.connection, ClusterNetBirdConnection):
            return True
        try:
            access = await self.access(state.connection, namespace)
        except RetryError:
            return True
        return not (isinstance(access, OperatorError) and access.reason is Reason.NAMESPACE_NOT_ALLOWED)

    async def access(self, connection: ClusterNetBirdConnection, namespace: str) -> NamespaceAccess | OperatorError:
        """Return what a connection allows a namespace, or why it allows nothing."""
        labels: Mapping[str, str] = {}
        if needs_labels(connection.spec):
            try:
                labels = await self._namespace_labels(namespace)
            except WaitError as problem:
                return problem
        access = access_of(connection.spec, namespace, labels)
        if access is None:
            name = connection.metadata.name
            message = f"{ConnectionKind.CLUSTER} {name} does not allow namespace {namespace}. "
            return WaitError(Reason.NAMESPACE_NOT_ALLOWED, message + Reason.NAMESPACE_NOT_ALLOWED.remedy)
        return NamespaceAccess(access.tenant_id, access.allow_adoption)

    def needs_labels(self, state: ConnectionState) -> bool:
        """Return whether the labels of namespaces decide who may use the connection."""
        return isinstance(state.connection, ClusterNetBirdConnection) and needs_labels(state.connection.spec)

    def labels(self, namespace: str) -> Mapping[str, str] | None:
        """Return the labels of a namespace as they were last read."""
        known = self._labels.get(namespace)
        return None if known is None else known[1]

    async def read_labels(self, namespace: str) -> Mapping[str, str]:
        """Read the labels of a namespace."""
        labels = dict(await self._cluster.namespace_labels(namespace))
        self._labels[namespace] = (self._clock.monotonic(), labels)
        return labels

    async def _namespace_labels(self, name: str) -> Mapping[str, str]:
        known = self._labels.get(name)
        is_old = known is None or self._clock.monotonic() - known[0] > LABELS_LIFETIME
        return await self.read_labels(name) if known is None or is_old else known[1]


def former_access(connection: ClusterNetBirdConnection, resource: EventStreamingIntegration) -> NamespaceAccess | None:
    """Return the tenant in which a resource may delete what it owns after its namespace lost access.

    A namespace and its entry in `access` are often removed in one commit. The account in the status identifies the
    tenant, and the decision proves it before anything is deleted.
    """
    status = resource.status
    ours = status.internal.owner_uid == resource.metadata.uid
    if not resource.deleting or not ours or status.id is None or status.account_id is None:
        return None
    tenants = [each.tenant_id for each in connection.status.accounts if each.account_id == status.account_id]
    return NamespaceAccess(tenants[0], allow_adoption=False) if tenants else None
