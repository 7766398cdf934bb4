"""Plans: the shipped reconciler against the real cluster and NetBird, with every write kept in memory."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from netbird_streaming import background
from netbird_streaming.api.connection_status import ConnectionStatus
from netbird_streaming.api.status import Status
from netbird_streaming.api.types import FINALIZER, Connection, EventStreamingIntegration, ObjectKey, Resource
from netbird_streaming.core.actions import Action
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.plan import PlanEntry, entry_for, entry_for_problem
from netbird_streaming.core.status.events import EventNote
from netbird_streaming.errors import OperatorError, RetryError, WaitError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.controller import Controller
from netbird_streaming.reconciler.listing import INTEGRATION
from netbird_streaming.reconciler.ports import Cluster, ControllerSettings, Outcome, Ports

POLL_SECONDS: Final = 0.05
R = TypeVar("R", bound=Resource)


class PlanningCluster:
    """The `Cluster` port of a plan: reads are real, and a write changes only the object that the caller gets back.

    No method of `cluster` that writes is called.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def read(self, key: ObjectKey) -> Resource | None:
        """Return the object as it is now."""
        return await self._cluster.read(key)

    def scopes(self, kind: str) -> Sequence[str | None]:
        """Return the namespaces in which this kind is listed."""
        return self._cluster.scopes(kind)

    async def list_resources(
        self,
        kind: str,
        namespace: str | None,
        is_newer: Callable[[ObjectKey, str, str], bool],
        handle: Callable[[Resource], None],
    ) -> str:
        """List one kind."""
        return await self._cluster.list_resources(kind, namespace, is_newer, handle)

    async def add_finalizer(self, resource: R) -> R:
        """Return the object with our finalizer."""
        finalizers = tuple(dict.fromkeys((*resource.metadata.finalizers, FINALIZER)))
        metadata = resource.metadata.model_copy(update={"finalizers": finalizers})
        return resource.model_copy(update={"metadata": metadata})

    async def remove_finalizer(self, resource: Resource) -> None:
        """Do nothing: the reconcile ends with it."""

    async def write_status(self, resource: EventStreamingIntegration, status: Status) -> EventStreamingIntegration:
        """Return the object with this status."""
        return resource.model_copy(update={"status": status})

    async def write_connection_status(self, resource: Connection, status: ConnectionStatus) -> Connection:
        """Return the connection with this status."""
        return resource.model_copy(update={"status": status})

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return the decoded data of a Secret."""
        return await self._cluster.secret(namespace, name)

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Return the data of a ConfigMap."""
        return await self._cluster.config_map(namespace, name)

    async def lease_version(self, namespace: str, name: str) -> str | None:
        """Return the resourceVersion of a Lease."""
        return await self._cluster.lease_version(namespace, name)

    async def namespace_labels(self, name: str) -> Mapping[str, str]:
        """Return the labels of a namespace."""
        return await self._cluster.namespace_labels(name)

    def publish(self, resource: Resource, notes: Sequence[EventNote]) -> None:
        """Publish nothing."""


class Planner:
    """Reconciles each resource once, and returns what the reconciles would have done.

    The clients of `ports.netbird` must only read.
    """

    def __init__(self, ports: Ports, settings: ControllerSettings) -> None:
        self._entries: dict[ObjectKey, PlanEntry] = {}
        self._ended: set[ObjectKey] = set()
        self._clock = ports.clock
        ports = replace(ports, cluster=PlanningCluster(ports.cluster), observer=self)
        self._controller = Controller(ports, replace(settings, observe_only=True, shutdown_grace=0.0))

    def decided(self, key: ObjectKey, inputs: DecisionInput, action: Action) -> None:
        """Keep the entry for the action, unless the reconcile has ended before."""
        entry = entry_for(key, inputs, action)
        if entry is not None and key not in self._ended:
            self._entries[key] = entry

    def ended(self, key: ObjectKey, outcome: Outcome, problem: OperatorError | None) -> None:
        """Keep the problem that ended a reconcile; one that waits for a LIST has not ended."""
        if outcome is Outcome.WAITING or key in self._ended:
            return
        if problem is not None:
            self._entries[key] = entry_for_problem(key, problem)
        self._ended.add(key)

    async def plan(self, progress: Callable[[int, int], None] = lambda _done, _all: None) -> tuple[PlanEntry, ...]:
        """Return an entry for each resource, by namespace and name.

        Args:
            progress: Called with the number of resources that are planned, and of all.

        Raises:
            OperatorError: Kubernetes does not answer, or refuses every list of resources.
        """
        running = background.start(self._controller.run(), "plan")
        try:
            await self._wait(running, lambda: not self._pending_lists())
            keys = self._keys()
            await self._wait(running, lambda: self._is_planned(keys, progress))
            found = [self._entries.get(key) or self._undecided(key) for key in keys]
        finally:
            running.cancel()
            await asyncio.wait({running})
        return tuple(sorted(found, key=lambda entry: (entry.namespace or "", entry.name)))

    @property
    def refusals(self) -> tuple[OperatorError, ...]:
        """Return why some resources are not planned: Kubernetes refuses their lists."""
        return tuple(failure.problem for failure in self._controller.lists.failures.values())

    async def _wait(self, running: "asyncio.Task[None]", condition: Callable[[], bool]) -> None:
        while not condition():
            if running.done():
                error = running.exception()
                raise background.unexpected(error if isinstance(error, Exception) else RuntimeError(), "Planning")
            await self._clock.sleep(POLL_SECONDS)

    def _pending_lists(self) -> bool:
        """Return whether a list is not complete. Raises the error of one that failed and may succeed later."""
        lists = self._controller.lists
        for scope, failure in lists.failures.items():
            if not lists.is_refused(scope):
                raise failure.problem
        return any(not lists.is_refused(scope) for scope in lists.unlisted)

    def _keys(self) -> tuple[ObjectKey, ...]:
        lists = self._controller.lists
        scopes = [scope for scope in lists.scopes if scope.kind == INTEGRATION]
        if scopes and all(lists.is_refused(scope) for scope in scopes):
            raise lists.failures[scopes[0]].problem
        return tuple(key for scope in scopes for key in self._controller.known(scope))

    def _is_planned(self, keys: tuple[ObjectKey, ...], progress: Callable[[int, int], None]) -> bool:
        done = sum(key in self._ended for key in keys)
        progress(done, len(keys))
        return done == len(keys)

    def _undecided(self, key: ObjectKey) -> PlanEntry:
        """Return the entry for a resource of which no decision is taken, such as one of another installation."""
        message = self._controller.managed_elsewhere()
        if message is not None:
            return entry_for_problem(key, WaitError(Reason.OTHER_INSTALLATION, message))
        return entry_for_problem(key, RetryError(Reason.PROGRESSING, "The reconcile did not come to a decision."))
