"""All that one process knows of its resources, and the triggers that make it look again."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from netbird_streaming.api.types import Connection, EventStreamingIntegration, ObjectKey
from netbird_streaming.cooperative import yielding_every
from netbird_streaming.core.inputs import AccountSnapshot, Timeouts, own_status_of
from netbird_streaming.core.netbird.types import Priority, Slot
from netbird_streaming.core.status.conditions import readiness
from netbird_streaming.errors import ConflictError, ObjectGoneError, OperatorError, WaitError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.connection.account import Account
from netbird_streaming.reconciler.connection.registry import ConnectionRegistry
from netbird_streaming.reconciler.connection.resolved import ConnectionState
from netbird_streaming.reconciler.gate import Turn
from netbird_streaming.reconciler.listing import Lists
from netbird_streaming.reconciler.ownership import Ownership
from netbird_streaming.reconciler.ports import ControllerSettings, Ports
from netbird_streaming.reconciler.queue import KeyQueue
from netbird_streaming.reconciler.records import (
    EMPTY_MEMORY,
    UNOWNED,
    ResourceRecord,
    UnownedIntegration,
    integration_digest,
    lane_of,
    priority_of,
    record_for,
)
from netbird_streaming.reconciler.versions import Gone, number, version_of

K = TypeVar("K")
logger = logging.getLogger(__name__)

MAX_CONFLICTS: Final = 5


class Store:
    """Resources, connections, claims and the queue of one process."""

    def __init__(self, ports: Ports, settings: ControllerSettings) -> None:
        """Start empty."""
        self.ports = ports
        self.settings = settings
        self.timeouts = Timeouts(
            late_commit=settings.late_commit_window,
            post=settings.request_timeout,
            absence=settings.absence_window,
        )
        self.records: dict[ObjectKey, ResourceRecord] = {}
        self.unowned: dict[ObjectKey, UnownedIntegration] = {}
        self.tombstones = Gone(ports.clock)
        self.newest_version = 0
        self.is_rewound = False
        """Whether a consistent read showed an older version of an object than the known one."""
        self.releasing: set[str] = set()
        """The uids of resources that go because we let them."""
        self.drifted: set[ObjectKey] = set()
        self.queue: KeyQueue[ObjectKey] = KeyQueue(ports.clock, settings.workers, lane_of)
        self.ownership = Ownership(self.queue.add)
        self.lists = Lists(ports.cluster)
        self.connections = ConnectionRegistry(ports, self, self.lists, settings)
        self.turns: dict[ObjectKey, Slot | OperatorError] = {}
        """What resources that waited for the rate limit got, until they are reconciled."""
        self._shared_memory = EMPTY_MEMORY
        self._held_events: dict[str, EventStreamingIntegration | None] = {}
        self._by_secret: dict[tuple[str, str], dict[ObjectKey, None]] = {}
        self._by_connection: dict[ObjectKey, dict[ObjectKey, None]] = {}

    def is_newer(self, key: ObjectKey, uid: str, version: str, since: float | None) -> bool:
        """Return whether `apply_event` would use this version of a resource; of a connection it may."""
        record = self.records.get(key)
        if self.tombstones.hides(uid, since):
            return False
        return record is None or record.uid != uid or record.known.is_replaced_by(number(version), since)

    def apply_event(self, resource: EventStreamingIntegration, since: float | None) -> None:
        """Take a version of a resource, unless what is known is newer. `since` is when the read of it began."""
        uid, version = resource.metadata.uid, version_of(resource)
        if self.tombstones.hides(uid, since):
            return
        key = resource.key
        record = self.records.get(key)
        if record is not None and not record.known.is_replaced_by(version, since):
            return
        if record is not None and record.uid != uid:
            self.forget(key, record.uid)
            record = None
        self.is_rewound |= record is not None and version < record.known.version
        self.tombstones.discard(uid)
        if record is None:
            record = record_for(resource, self.ports.clock.monotonic())
            self.newest_version = max(self.newest_version, version)
            self.records[record.key] = record
            self._index(record)
            self._own(record, resource)
        elif record.uid in self._held_events:
            self._held_events[record.uid] = resource
            return
        else:
            self._replace(record, resource)
        record.compress()
        self.queue.add(key, priority_of(resource))

    @contextmanager
    def hold_events(self, record: ResourceRecord) -> Iterator[None]:
        """While the block writes to the resource and takes the answer: a watch may tell of the write before that.

        Somebody else's change would be tried at once, whatever failed. What is newer than the answer still is.
        """
        self._held_events[record.uid] = None
        try:
            yield
        finally:
            seen = self._held_events.pop(record.uid)
            if seen is not None and self.records.get(record.key) is record:
                self.apply_event(seen, None)

    def apply_response(
        self, record: ResourceRecord, resource: EventStreamingIntegration, since: float | None = None
    ) -> None:
        """Take the API server's answer to a write, or to a read that began at `since`, unless more is known.

        What a watch reports during a write waits for the answer, see `hold_events`.
        """
        if self.records.get(record.key) is not record:
            return
        if since is None or version_of(resource) >= record.known.version or record.known.at < since:
            self.is_rewound |= version_of(resource) < record.known.version
            self._replace(record, resource)

    def _own(self, record: ResourceRecord, resource: EventStreamingIntegration) -> None:
        """What a status says that this very resource wrote is claimed before any work is begun."""
        status = own_status_of(resource, record.memory).status
        intent = status.internal.creation
        self.ownership.own(record.at(status.internal.authority, status.account_id, status.created_at), status.id)
        if intent is not None:
            self.ownership.add_restored_create(record.at(intent.authority, intent.account_id), intent)

    def _replace(self, record: ResourceRecord, resource: EventStreamingIntegration) -> None:
        before = record.connection
        self._unindex(record)
        record.use_version(resource, self.ports.clock.monotonic())
        self.newest_version = max(self.newest_version, record.known.version)
        self._index(record)
        if record.connection != before:
            self._connection_released(before)

    def _connection_released(self, key: ObjectKey) -> None:
        """A resource needs this connection no more: one that is being deleted may be let go."""
        state = self.connections.get(key)
        if state is None:
            return
        if state.connection.deleting or readiness(state.connection.status.conditions).reason is Reason.ACCOUNT_MISMATCH:
            self.queue.add(key)

    def forget(self, key: ObjectKey, uid: str) -> None:
        """The resource is gone."""
        self.tombstones.add(uid)
        record = self.records.get(key)
        if record is None or record.uid != uid:
            return
        del self.records[key]
        if record.id is not None and not record.memory.write.deleted and uid not in self.releasing:
            # Its finalizer was removed by hand. Whether somebody wants the integration nobody knows: it stays.
            fields = {"kind": key.kind, "resource": key.label, "integration": record.id}
            logger.warning("gone without us: its integration may be left in NetBird", extra=fields)
        self._unindex(record)
        self.drifted.discard(key)
        self.unqueue(key)
        self.clean_up_deleted(record)
        state = self.connections.get(record.connection)
        for account in state.accounts.values() if state is not None else ():
            account.forget(key)
        self._connection_released(record.connection)

    def resume(self, key: ObjectKey, priority: Priority, turn: Turn) -> None:
        """Reconcile a resource that waited for the rate limit, with what it got."""
        self._drop_turn(key)
        if key not in self.records:
            _give_back(turn)
            self.unqueue(key)
            return
        if turn is not None:
            self.turns[key] = turn
        self.queue.add(key, priority, front=True)

    def unqueue(self, key: ObjectKey) -> None:
        """Cancel what is queued for a resource."""
        self.queue.discard(key)
        self._drop_turn(key)

    def _drop_turn(self, key: ObjectKey) -> None:
        _give_back(self.turns.pop(key, None))

    def clean_up_deleted(self, record: ResourceRecord) -> None:
        """The resource is gone: others may have what it held, and what is written nowhere is deleted by its id."""
        self.ownership.release_all(record.uid)
        created = record.memory.create.created
        if created is None or record.create_account is None:
            return
        record.memory = record.memory.created_handled()
        stray = ObjectKey(UNOWNED, None, str(created.item.id))
        self.unowned[stray] = UnownedIntegration(record.create_account, created)
        self.queue.add(stray, Priority.HIGH)

    def apply_connection_event(self, connection: Connection, since: float | None) -> None:
        """Take a version of a connection; its resources look again when what it says changed."""
        key = connection.key
        known = self.connections.get(key)
        same = known is not None and known.connection.metadata.uid == connection.metadata.uid
        if known is not None and same and not known.known.is_replaced_by(version_of(connection), since):
            return
        before = None if known is None else (known.connection.spec, known.connection.deleting)
        self.is_rewound |= known is not None and same and version_of(connection) < known.known.version
        self.connections.apply_event(connection)
        self.newest_version = max(self.newest_version, version_of(connection))
        self.queue.add(key, Priority.HIGH)
        if before != (connection.spec, connection.deleting):
            self.requeue_dependents(key)

    def forget_connection(self, key: ObjectKey, uid: str) -> None:
        """The connection is gone."""
        known = self.connections.get(key)
        if known is not None and known.connection.metadata.uid == uid:
            self.connections.forget(key)
            self.requeue_dependents(key)
            for state in self.connections.beyond_quota(key.namespace):
                self.queue.add(state.connection.key)
                self.requeue_dependents(state.connection.key)

    def secret_changed(self, namespace: str, name: str) -> None:
        """Requeue the dependents of a Secret. They may be many, so that users' changes go first."""
        for key in list(self._by_secret.get((namespace, name), ())):
            self.queue.add(key)
        for state in self.connections.secret_changed(namespace, name):
            self.queue.add(state.connection.key, Priority.HIGH)
            self.requeue_dependents(state.connection.key)

    def dependents(self, connection: ObjectKey) -> list[ResourceRecord]:
        """The resources that refer to a connection."""
        return [self.records[each] for each in self._by_connection.get(connection, ())]

    def requeue_dependents(self, connection: ObjectKey) -> None:
        """The resources of a connection look again."""
        for record in self.dependents(connection):
            self.queue.add(record.key)

    async def resync(self, state: ConnectionState, account: Account, snapshot: AccountSnapshot) -> None:
        """Compare a fresh LIST with what was in order at the last look; whoever differs looks again."""
        async for record in yielding_every(self.dependents(state.connection.key)):
            if record.account is not account:
                continue
            item = snapshot.by_id.get(record.id) if record.id is not None else None
            if item is None or record.in_sync_digest != integration_digest(item) or record.create_pending:
                self.queue.add(record.key)

    def mark_in_sync(self, record: ResourceRecord, *, compared_at: float) -> None:
        """It is in order, as the LIST that began at `compared_at` shows.

        What is remembered of all of these is one object.

        When the finalizer was seen matters only to a creation, and a later moment is as good there.
        """
        memory = record.memory.in_sync(compared_at)
        if memory != self._shared_memory:
            self._shared_memory = memory
        record.memory = self._shared_memory

    def mark_drift(self, record: ResourceRecord) -> None:
        """Somebody else changed or deleted its integration; that counts once, until it is in order again."""
        if record.key not in self.drifted:
            self.drifted.add(record.key)
            self.ports.recorder.drift_found()

    def clear_drift(self, record: ResourceRecord) -> None:
        """NetBird accepted what the resource says: a drift is corrected by that."""
        if record.key in self.drifted:
            self.drifted.discard(record.key)
            self.ports.recorder.drift_corrected()

    def retry(self, record: ResourceRecord, *, first: float, last: float, at_least: float = 0.0) -> None:
        """Look again after a pause that doubles with each failure, and is never the same for all."""
        pause = min(last, first * 2 ** min(record.failures, 16)) * self.ports.random.uniform(0.75, 1.25)
        record.failures += 1
        self.queue.add(record.key, at=self.ports.clock.monotonic() + max(pause, at_least))

    async def ensure_finalizer(self, state: ConnectionState) -> None:
        """Put our finalizer on a connection that is about to be used, so that its token outlives its resources."""
        async with state.lock:
            for _ in range(MAX_CONFLICTS):
                if state.connection.has_finalizer or not await self._try_add_finalizer(state):
                    break
        if not state.connection.has_finalizer:
            message = f"{state.connection.key.label} is being deleted. {Reason.CONNECTION_NOT_FOUND.remedy}"
            raise WaitError(Reason.CONNECTION_NOT_FOUND, message)

    async def _try_add_finalizer(self, state: ConnectionState) -> bool:
        """One try; answers whether another one makes sense."""
        connection = state.connection
        if connection.deleting:
            return False
        try:
            state.take(await self.ports.cluster.add_finalizer(connection), self.ports.clock.monotonic())
        except ConflictError:
            fresh = await self.ports.cluster.read(connection.key)
            if not isinstance(fresh, type(connection)):
                return False
            state.take(fresh, self.ports.clock.monotonic())
        except ObjectGoneError:
            return False
        return True

    def on_list(self, account: Account, snapshot: AccountSnapshot) -> None:
        """A LIST arrived: find the owned integrations whose absence from it is not believed."""
        absent = frozenset(
            record.id or 0
            for state in self.connections
            if account in state.accounts.values()
            for record in self.dependents(state.connection.key)
            if record.account is account and record.is_missed(snapshot, account.known_since + self.timeouts.list_lag)
        )
        account.missed(absent)

    def on_account_identified(self, before: str, account: Account) -> None:
        """Claims that were made while the account was not known are the account's."""
        self.ownership.rename_account(before, account.ownership_scope)

    def on_list_done(self, account: Account) -> None:
        """A LIST arrived or failed: the connection looks at it."""
        for state in self.connections:
            if account in state.accounts.values():
                self.queue.add(state.connection.key)

    def is_preparing(self, keys: Iterable[ObjectKey]) -> bool:
        """Return whether new resources of these namespaces are queued or reconciled now."""
        return any(self.queue.is_busy(lane, Priority.NEW) for lane in {lane_of(key) for key in keys})

    def _index(self, record: ResourceRecord) -> None:
        namespace = record.key.namespace or ""
        for name in record.secrets:
            self._by_secret.setdefault((namespace, name), {})[record.key] = None
        self._by_connection.setdefault(record.connection, {})[record.key] = None

    def _unindex(self, record: ResourceRecord) -> None:
        namespace = record.key.namespace or ""
        for name in record.secrets:
            _drop(self._by_secret, (namespace, name), record.key)
        _drop(self._by_connection, record.connection, record.key)


def _give_back(turn: Turn) -> None:
    if turn is not None and not isinstance(turn, OperatorError):
        turn.give_back()


def _drop(index: dict[K, dict[ObjectKey, None]], key: K, identity: ObjectKey) -> None:
    users = index.get(key, {})
    users.pop(identity, None)
    if not users:
        index.pop(key, None)
