"""Polling of what connections depend on and no watch reports: CA bundles in ConfigMaps, and labels of namespaces.

A watch would take the right to list all ConfigMaps and namespaces. Polling takes `get` alone, and its rate is bounded.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from netbird_streaming.api.types import ConnectionKind, ObjectKey
from netbird_streaming.core.netbird.types import Priority
from netbird_streaming.errors import OperatorError
from netbird_streaming.reconciler.connection.resolved import ConnectionState
from netbird_streaming.reconciler.context import Context

PERIOD: Final = 10.0
"""Seconds between two reads of one object, while there are few."""
MIN_GAP: Final = 0.1
"""Seconds between two reads: of more than a hundred objects, each is read less often."""

_Value = int | Mapping[str, str] | None
"""A hash of a bundle, which may be large, or labels."""


class Poller:
    """Reads one object after another, and requeues the dependents of one that has changed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._last: dict[ObjectKey | str, _Value] = {}

    async def run(self) -> None:
        """Poll until cancelled."""
        clock = self._context.ports.clock
        while True:
            states = [state for state in self._context.connections if _has_bundle(state)]
            namespaces = sorted(set(self._labelled_namespaces()))
            known = {*namespaces, *(state.connection.key for state in states)}
            self._last = {key: value for key, value in self._last.items() if key in known}
            gap = max(PERIOD / max(len(known), 1), MIN_GAP)
            for state in states:
                await self._poll_bundle(state)
                await clock.sleep(gap)
            for namespace in namespaces:
                await self._poll_labels(namespace)
                await clock.sleep(gap)
            if not known:
                await clock.sleep(gap)

    def _labelled_namespaces(self) -> Iterator[str]:
        """Yield the namespaces with dependents of a connection that judges labels."""
        for state in self._context.connections:
            if self._context.connections.namespaces.needs_labels(state):
                for record in self._context.store.dependents(state.connection.key):
                    yield record.key.namespace or ""

    async def _poll_bundle(self, state: ConnectionState) -> None:
        key, connections = state.connection.key, self._context.connections
        before = self._last.setdefault(key, hash(state.ca_bundle))
        with suppress(OperatorError):
            self._last[key] = hash(await connections.credentials.bundle(state.connection))
        if self._last[key] == before or connections.get(key) is not state:
            return
        state.invalidate()
        for account in state.accounts.values():
            account.due_at = self._context.ports.clock.monotonic()
        self._context.queue.add(key, Priority.HIGH)
        self._context.triggers.requeue_dependents(key)

    async def _poll_labels(self, namespace: str) -> None:
        connections = self._context.connections
        before = self._last.setdefault(namespace, connections.namespaces.labels(namespace))
        with suppress(OperatorError):
            self._last[namespace] = await connections.namespaces.read_labels(namespace)
        if self._last[namespace] == before:
            return
        for record in self._context.store:
            if record.key.namespace == namespace and record.summary.connection.kind == ConnectionKind.CLUSTER:
                self._context.queue.add(record.key, Priority.HIGH)


def _has_bundle(state: ConnectionState) -> bool:
    """Return whether the connection names a ConfigMap that was read, or looked for."""
    return state.connection.spec.ca_bundle_config_map_ref is not None and (state.loaded or state.problem is not None)
