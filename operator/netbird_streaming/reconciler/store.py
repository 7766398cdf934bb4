"""The known resources, with indexes by the Secrets and the connection that they refer to."""

from collections.abc import Iterator
from typing import TypeVar

from netbird_streaming.api.types import EventStreamingIntegration, ObjectKey
from netbird_streaming.clock import Clock
from netbird_streaming.core.memory import Memory
from netbird_streaming.reconciler.records import EMPTY_MEMORY, ResourceRecord, record_for
from netbird_streaming.reconciler.versions import Tombstones

K = TypeVar("K")
_Index = dict[K, dict[ObjectKey, None]]


class ResourceStore:
    """Holds one record for each resource."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.tombstones = Tombstones(clock)
        self._records: dict[ObjectKey, ResourceRecord] = {}
        self._by_secret: _Index[tuple[str, str]] = {}
        self._by_connection: _Index[ObjectKey] = {}
        self._shared_memory = EMPTY_MEMORY

    def get(self, key: ObjectKey) -> ResourceRecord | None:
        """Return the record of a resource that exists."""
        return self._records.get(key)

    def __iter__(self) -> Iterator[ResourceRecord]:
        """Iterate over a copy, so that records may be added and removed meanwhile."""
        return iter(list(self._records.values()))

    def holds(self, record: ResourceRecord) -> bool:
        """Return whether this record is current: its resource exists and was not replaced by a namesake."""
        return self._records.get(record.key) is record

    def dependents(self, connection: ObjectKey) -> list[ResourceRecord]:
        """Return the resources that refer to a connection."""
        return [self._records[each] for each in self._by_connection.get(connection, ())]

    def users_of_secret(self, namespace: str, name: str) -> list[ResourceRecord]:
        """Return the resources that refer to a Secret."""
        return [self._records[each] for each in self._by_secret.get((namespace, name), ())]

    def add(self, resource: EventStreamingIntegration) -> ResourceRecord:
        """Add a resource that is not known."""
        record = record_for(resource, self._clock.monotonic())
        self._records[record.key] = record
        self._index(record)
        return record

    def replace(self, record: ResourceRecord, resource: EventStreamingIntegration) -> None:
        """Replace the known version of a resource."""
        self._unindex(record)
        record.use_version(resource, self._clock.monotonic())
        self._index(record)

    def remove(self, record: ResourceRecord) -> None:
        """Remove a resource that is gone."""
        del self._records[record.key]
        self._unindex(record)

    def shared(self, memory: Memory) -> Memory:
        """Return one object for equal memories: those of resources in sync are equal."""
        if memory != self._shared_memory:
            self._shared_memory = memory
        return self._shared_memory

    def _index(self, record: ResourceRecord) -> None:
        namespace = record.key.namespace or ""
        for name in record.summary.secrets:
            self._by_secret.setdefault((namespace, name), {})[record.key] = None
        self._by_connection.setdefault(record.summary.connection, {})[record.key] = None

    def _unindex(self, record: ResourceRecord) -> None:
        namespace = record.key.namespace or ""
        for name in record.summary.secrets:
            _drop(self._by_secret, (namespace, name), record.key)
        _drop(self._by_connection, record.summary.connection, record.key)


def _drop(index: _Index[K], key: K, resource: ObjectKey) -> None:
    users = index.get(key, {})
    users.pop(resource, None)
    if not users:
        index.pop(key, None)
