"""The reconciler's `Cluster` port for one process, over the simulated API server and a faulty network."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, TypeVar

from netbird_streaming.api.connection_status import ConnectionStatus
from netbird_streaming.api.status import Status
from netbird_streaming.api.types import (
    ClusterNetBirdConnection,
    Connection,
    EventStreamingIntegration,
    ObjectKey,
    Resource,
)
from netbird_streaming.core.status.events import EventNote
from netbird_streaming.errors import Effect, ObjectGoneError, OperatorError, RetryError, WaitError
from netbird_streaming.reasons import Reason
from tests.simulation.apiserver import ApiServer
from tests.simulation.network import Network, Process, RequestSpec
from tests.simulation.random_faults import RequestFault

R = TypeVar("R", bound=Resource)
T = TypeVar("T")

TIMEOUT: Final = 10.0
FATES: Final = frozenset(
    {RequestFault.DROPPED, RequestFault.UNANSWERED, RequestFault.BROKEN, RequestFault.BROKEN_APPLIED}
)
"""A late write to the API server counts as lost, because it names a version."""


class SimCluster:
    """The API server as one process sees it.

    `acting` receives the process whose write is being applied, and None afterwards.
    """

    def __init__(
        self,
        api: ApiServer,
        network: Network,
        process: Process,
        acting: Callable[[Process | None], None],
        published: Callable[[Resource, EventNote], None],
    ) -> None:
        self._api = api
        self._network = network
        self._process = process
        self._acting = acting
        self._published = published
        self.writes: list[str] = []
        """The answered writes, by name, as an audit log counts them."""
        self.secrets: list[str] = []
        """The names of the Secrets that were read."""

    async def read(self, key: ObjectKey) -> Resource | None:
        return await self._read(f"GET {key.label}", lambda: self._api.objects.get(key))

    def scopes(self, kind: str) -> Sequence[str | None]:
        """Return each watched namespace for a namespaced kind, or the whole cluster."""
        return (None,) if kind == ClusterNetBirdConnection.__name__ else self._api.scope

    async def list_resources(
        self,
        kind: str,
        namespace: str | None,
        is_newer: Callable[[ObjectKey, str, str], bool],
        handle: Callable[[Resource], None],
    ) -> str:
        """List all objects of one kind in a namespace, or in all."""
        version, listed = await self._read(f"LIST {kind}", lambda: (self._api.version, self._listed(kind, namespace)))
        for each in listed:
            is_reported = is_newer(each.key, each.metadata.uid, each.metadata.resource_version)
            if is_reported and each.key not in self._api.unreadable:
                handle(each)
        return str(version)

    async def add_finalizer(self, resource: R) -> R:
        """Add the operator's finalizer, without a request if it is present."""
        if resource.has_finalizer:
            return resource
        return await self._write("ADD FINALIZER", resource, lambda: self._api.add_finalizer(resource))

    async def remove_finalizer(self, resource: Resource) -> None:
        """Remove the operator's finalizer. Send no request if it is absent, and succeed if the object is gone."""
        if resource.has_finalizer:
            with suppress(ObjectGoneError):
                await self._write("REMOVE FINALIZER", resource, lambda: self._api.remove_finalizer(resource))

    async def write_status(self, resource: EventStreamingIntegration, status: Status) -> EventStreamingIntegration:
        """Replace the status, without a request if it is unchanged."""
        if status == resource.status:
            return resource
        return await self._write("WRITE STATUS", resource, lambda: self._api.write_status(resource, status))

    async def write_connection_status(self, resource: Connection, status: ConnectionStatus) -> Connection:
        if status == resource.status:
            return resource
        return await self._write("WRITE STATUS", resource, lambda: self._api.write_status(resource, status))

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        self.secrets.append(name)
        return await self._read(f"GET secret {namespace}/{name}", lambda: self._data(namespace, name))

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str] | None:
        return await self._read(
            f"GET configmap {namespace}/{name}", lambda: self._api.config_maps.get((namespace, name))
        )

    async def lease_version(self, namespace: str, name: str) -> str | None:
        """Return the value that each renewal changes."""
        return await self._read(f"GET lease {namespace}/{name}", lambda: self._lease(f"{namespace}/{name}"))

    async def namespace_labels(self, name: str) -> Mapping[str, str]:
        """Return the labels of a namespace; none unless a scenario sets them."""
        return await self._read(f"GET namespace {name}", lambda: dict(self._api.labels.get(name, {})))

    def publish(self, resource: Resource, notes: Sequence[EventNote]) -> None:
        """Report the Events to the observers of the scenario."""
        for note in notes:
            self._published(resource, note)

    def _listed(self, kind: str, namespace: str | None) -> list[Resource]:
        if namespace in self._api.unlistable or kind in self._api.refused_kinds:
            raise WaitError(Reason.KUBERNETES_REFUSED, f"the list of {kind} of namespace {namespace}: denied (403).")
        return [each for each in self._api.of_kind(kind) if namespace in (None, each.metadata.namespace)]

    def _lease(self, name: str) -> str | None:
        if self._api.refused_leases:
            raise WaitError(Reason.KUBERNETES_REFUSED, f"Lease {name}: denied (403).")
        return self._api.leases.get(name)

    def _data(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        known = self._api.secrets.get((namespace, name))
        return None if known is None else known.data

    async def _read(self, label: str, apply: Callable[[], T]) -> T:
        request_spec = RequestSpec(f"k8s {label}", possible=FATES, timeout=TIMEOUT, fail=_read_failure)
        return await self._network.call(self._process, request_spec, apply)

    async def _write(self, what: str, resource: Resource, apply: Callable[[], T]) -> T:
        def acted() -> T:
            self._acting(self._process)
            try:
                return apply()
            finally:
                self._acting(None)

        label = f"{what} {resource.key.label}"
        self._process.guard()
        request_spec = RequestSpec(f"k8s {label}", possible=FATES, timeout=TIMEOUT, fail=_write_failure)
        answer = await self._network.call(self._process, request_spec, acted)
        self.writes.append(label)
        return answer


def _read_failure(fault: RequestFault, _: float) -> OperatorError:
    return RetryError(
        Reason.UNAVAILABLE, f"the Kubernetes API server did not answer ({fault.name}); the operator retries."
    )


def _write_failure(fault: RequestFault, _: float) -> OperatorError:
    message = f"the Kubernetes API server did not answer ({fault.name}); the operator retries."
    return RetryError(Reason.UNAVAILABLE, message, effect=Effect.UNKNOWN)
