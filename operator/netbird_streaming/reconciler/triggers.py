"""The triggers of reconciles: each reported change is applied to what is known, and what it concerns is queued."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from netbird_streaming.api.types import Connection, EventStreamingIntegration, ObjectKey
from netbird_streaming.core.inputs import own_status_of
from netbird_streaming.core.netbird.types import Priority
from netbird_streaming.core.status.conditions import readiness
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.connection.registry import ConnectionRegistry
from netbird_streaming.reconciler.gate import Turn
from netbird_streaming.reconciler.ownership import Ownership
from netbird_streaming.reconciler.queue import KeyQueue
from netbird_streaming.reconciler.records import ResourceRecord, priority_of
from netbird_streaming.reconciler.store import ResourceStore
from netbird_streaming.reconciler.unowned import UnownedIntegrations
from netbird_streaming.reconciler.versions import SeenVersions, number, version_of

logger = logging.getLogger(__name__)


class Triggers:
    """Applies versions of objects to the store and the registry, and adds to the queue what has to be reconciled."""

    def __init__(
        self,
        store: ResourceStore,
        connections: ConnectionRegistry,
        queue: KeyQueue[ObjectKey],
        ownership: Ownership,
        unowned: UnownedIntegrations,
    ) -> None:
        self.versions = SeenVersions()
        self._store = store
        self._connections = connections
        self._queue = queue
        self._ownership = ownership
        self._unowned = unowned
        self._held_events: dict[str, EventStreamingIntegration | None] = {}

    def is_newer(self, key: ObjectKey, uid: str, version: str, since: float | None) -> bool:
        """Return whether `apply_event` would use this version of a resource. For a connection, it may be ignored."""
        if self._store.tombstones.hides(uid, since):
            return False
        record = self._store.get(key)
        return record is None or record.uid != uid or record.known.is_replaced_by(number(version), since)

    def apply_event(self, resource: EventStreamingIntegration, since: float | None) -> None:
        """Apply a version of a resource unless a newer one is known. `since` is as in `Known.is_replaced_by`."""
        key, metadata = resource.key, resource.metadata
        if not self.is_newer(key, metadata.uid, metadata.resource_version, since):
            return
        record = self._store.get(key)
        if record is not None and record.uid != metadata.uid:
            self.forget(key, record.uid)
            record = None
        self.versions.compare(version_of(resource), None if record is None else record.known.version)
        self._store.tombstones.discard(metadata.uid)
        if record is None:
            record = self._add(resource)
        elif record.uid in self._held_events:
            self._held_events[record.uid] = resource
            return
        else:
            self._replace(record, resource)
        record.cache.compress()
        self._queue.add(key, priority_of(resource))

    @contextmanager
    def hold_events(self, record: ResourceRecord) -> Iterator[None]:
        """Hold back the events of this resource until our own write has returned, so that it does not requeue itself.

        A version that is newer than the answer is applied afterwards.
        """
        self._held_events[record.uid] = None
        try:
            yield
        finally:
            seen = self._held_events.pop(record.uid)
            if seen is not None and self._store.holds(record):
                self.apply_event(seen, None)

    def apply_response(
        self, record: ResourceRecord, resource: EventStreamingIntegration, since: float | None = None
    ) -> None:
        """Apply the API server's answer to a write, or to a read that began at `since`, unless a newer one is known.

        A read may show a user's change before the watch does. It gets the priority of the watch's event.
        """
        if not self._store.holds(record):
            return
        if since is None or version_of(resource) >= record.known.version or record.known.at < since:
            self.versions.compare(version_of(resource), record.known.version)
            is_changed = since is not None and version_of(resource) != record.known.version
            if is_changed and priority_of(resource) is Priority.HIGH:
                self._queue.add(record.key, Priority.HIGH)
            self._replace(record, resource)

    def _add(self, resource: EventStreamingIntegration) -> ResourceRecord:
        """Add a resource, and claim what its own status names before any work begins."""
        record = self._store.add(resource)
        self.versions.add(record.known.version)
        status = own_status_of(resource, record.memory).status
        intent = status.internal.creation
        self._ownership.own(record.at(status.internal.authority, status.account_id, status.created_at), status.id)
        if intent is not None:
            self._ownership.add_restored_create(record.at(intent.authority, intent.account_id), intent)
        return record

    def _replace(self, record: ResourceRecord, resource: EventStreamingIntegration) -> None:
        before = record.summary.connection
        self._store.replace(record, resource)
        self.versions.add(record.known.version)
        if record.summary.connection != before:
            self._connection_released(before)

    def _connection_released(self, key: ObjectKey) -> None:
        """Requeue a connection that a resource does not refer to any more, if its deletion may have waited for that."""
        state = self._connections.get(key)
        if state is None:
            return
        if state.connection.deleting or readiness(state.connection.status.conditions).reason is Reason.ACCOUNT_MISMATCH:
            self._queue.add(key)

    def forget(self, key: ObjectKey, uid: str) -> None:
        """Remove a resource that is gone."""
        self._store.tombstones.add(uid)
        record = self._store.get(key)
        if record is None or record.uid != uid:
            return
        self._store.remove(record)
        if record.summary.id is not None and not record.memory.write.deleted and not record.releasing:
            # Its finalizer was removed by hand. Whether the integration is still wanted is unknown, so it stays.
            fields = {"kind": key.kind, "resource": key.label, "integration": record.summary.id}
            logger.warning("deleted without finalizer: its integration may be left in NetBird", extra=fields)
        self.cancel(record)
        self.clean_up_deleted(record)
        state = self._connections.get(record.summary.connection)
        for account in state.accounts.values() if state is not None else ():
            account.forget(key)
        self._connection_released(record.summary.connection)

    def clean_up_deleted(self, record: ResourceRecord) -> None:
        """Release what a deleted resource owned, and delete an integration whose id was never written."""
        self._ownership.release_all(record.uid)
        created = record.memory.create.created
        if created is not None and record.create_account is not None:
            record.memory = record.memory.created_handled()
            self._unowned.add(record.create_account, created)

    def resume(self, record: ResourceRecord, priority: Priority, turn: Turn) -> None:
        """Reconcile a resource that waited for the rate limit, with what it got."""
        record.set_turn(turn)
        if self._store.holds(record):
            self._queue.add(record.key, priority, front=True)
        else:
            self.cancel(record)

    def cancel(self, record: ResourceRecord) -> None:
        """Cancel what is queued for a resource, unless that is for a namesake."""
        record.set_turn(None)
        if self._store.get(record.key) in (None, record):
            self._queue.discard(record.key)

    def apply_connection_event(self, connection: Connection, since: float | None) -> None:
        """Apply a version of a connection, and requeue its dependents if its spec changed."""
        key = connection.key
        known = self._connections.get(key)
        same = known is not None and known.connection.metadata.uid == connection.metadata.uid
        if known is not None and same and not known.known.is_replaced_by(version_of(connection), since):
            return
        before = None if known is None else (known.connection.spec, known.connection.deleting)
        self.versions.compare(version_of(connection), known.known.version if known is not None and same else None)
        self.versions.add(version_of(connection))
        self._connections.apply_event(connection)
        self._queue.add(key, Priority.HIGH)
        if before != (connection.spec, connection.deleting):
            self.requeue_dependents(key)

    def forget_connection(self, key: ObjectKey, uid: str) -> None:
        """Remove a connection that is gone."""
        known = self._connections.get(key)
        if known is not None and known.connection.metadata.uid == uid:
            self._connections.forget(key)
            self.requeue_dependents(key)
            for state in self._connections.beyond_quota(key.namespace):
                self._queue.add(state.connection.key)
                self.requeue_dependents(state.connection.key)

    def secret_changed(self, namespace: str, name: str) -> None:
        """Requeue the dependents of a Secret. They may be many, so that users' changes go first."""
        for record in self._store.users_of_secret(namespace, name):
            self._queue.add(record.key)
        for state in self._connections.secret_changed(namespace, name):
            self._queue.add(state.connection.key, Priority.HIGH)
            self.requeue_dependents(state.connection.key)

    def requeue_dependents(self, connection: ObjectKey) -> None:
        """Requeue the resources that refer to a connection."""
        for record in self._store.dependents(connection):
            self._queue.add(record.key)
