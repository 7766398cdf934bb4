"""All that one process knows of its resources, and the triggers that make it look again."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from netbird_streaming.core.facts import Limits, View, recall
from netbird_streaming.core.remote import Priority, Slot
from netbird_streaming.core.resources import Connection, EventStreamingIntegration, Identity
from netbird_streaming.errors import ConflictError, ObjectGoneError, OperatorError, WaitError
from netbird_streaming.pieces import in_pieces
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.accounts import Account
from netbird_streaming.reconciler.claims import Claims
from netbird_streaming.reconciler.connections import Connections
from netbird_streaming.reconciler.entries import (
    BLANK,
    STRAY,
    Entry,
    Gone,
    Stray,
    digest,
    entry_for,
    lane_of,
    number,
    priority_of,
    version_of,
)
from netbird_streaming.reconciler.gate import Turn
from netbird_streaming.reconciler.listing import Lists
from netbird_streaming.reconciler.ports import ControllerSettings, Ports
from netbird_streaming.reconciler.queue import KeyQueue
from netbird_streaming.reconciler.way import Link

K = TypeVar("K")
log = logging.getLogger(__name__)

MAX_CONFLICTS: Final = 5


class World:
    """Resources, connections, claims and the queue of one process."""

    def __init__(self, ports: Ports, settings: ControllerSettings) -> None:
        """Start empty."""
        self.ports = ports
        self.settings = settings
        self.limits = Limits(late_commit=settings.late_commit_window, post=settings.request_timeout)
        self.entries: dict[Identity, Entry] = {}
        self.strays: dict[Identity, Stray] = {}
        self.gone = Gone(ports.clock)
        self.releasing: set[str] = set()
        """The uids of resources that go because we let them."""
        self.drifted: set[Identity] = set()
        self.queue: KeyQueue[Identity] = KeyQueue(ports.clock, settings.workers, lane_of)
        self.claims = Claims(self.queue.add)
        self.lists = Lists(ports.cluster)
        self.connections = Connections(ports, self, self.lists, settings)
        self.turns: dict[Identity, Slot | OperatorError] = {}
        """What resources that waited for the rate limit got, until they are reconciled."""
        self._at_rest = BLANK
        self._seen_meanwhile: dict[str, EventStreamingIntegration | None] = {}
        self._by_secret: dict[tuple[str, str], dict[Identity, None]] = {}
        self._by_connection: dict[Identity, dict[Identity, None]] = {}

    def is_news(self, identity: Identity, uid: str, version: str) -> bool:
        """Whether `observe` would do something with this version of a resource; of a connection it may."""
        entry = self.entries.get(identity)
        return uid not in self.gone and (entry is None or entry.uid != uid or number(version) > entry.version)

    def observe(self, resource: EventStreamingIntegration) -> None:
        """Take a version of a resource, unless it is not newer than what is known."""
        if resource.metadata.uid in self.gone:
            return
        identity = resource.identity
        entry = self.entries.get(identity)
        if entry is not None and entry.uid != resource.metadata.uid:
            if version_of(resource) < entry.version:
                return
            self.forget(identity, entry.uid)
            entry = None
        if entry is None:
            entry = entry_for(resource)
            self.entries[entry.identity] = entry
            self._index(entry)
            self._claim(entry, resource)
        elif version_of(resource) <= entry.version:
            return
        elif entry.uid in self._seen_meanwhile:
            self._seen_meanwhile[entry.uid] = resource
            return
        else:
            self._retake(entry, resource)
        entry.pack()
        self.queue.add(identity, priority_of(resource))

    @contextmanager
    def writing(self, entry: Entry) -> Iterator[None]:
        """While the block writes to the resource and takes the answer: a watch may tell of the write before that.

        Somebody else's change would be tried at once, whatever failed. What is newer than the answer still is.
        """
        self._seen_meanwhile[entry.uid] = None
        try:
            yield
        finally:
            seen = self._seen_meanwhile.pop(entry.uid)
            if seen is not None and self.entries.get(entry.identity) is entry:
                self.observe(seen)

    def took(self, entry: Entry, resource: EventStreamingIntegration) -> None:
        """Take what the API server answered to a write or a read of our own, unless more is known: newer, or gone."""
        if version_of(resource) < entry.version or self.entries.get(entry.identity) is not entry:
            return
        self._retake(entry, resource)

    def _claim(self, entry: Entry, resource: EventStreamingIntegration) -> None:
        """What a status says that this very resource wrote is claimed before any work is begun."""
        status = recall(resource, entry.memory).status
        intent = status.internal.creation
        self.claims.hold(entry.at(status.internal.authority, status.account_id), status.id)
        if intent is not None:
            self.claims.announce(entry.at(intent.authority, intent.account_id), intent)

    def _retake(self, entry: Entry, resource: EventStreamingIntegration) -> None:
        before = entry.connection
        self._unindex(entry)
        entry.take(resource)
        self._index(entry)
        if entry.connection != before:
            self._left(before)

    def _left(self, identity: Identity) -> None:
        """A resource needs this connection no more: one that is being deleted may be let go."""
        link = self.connections.get(identity)
        if link is not None and link.connection.deleting:
            self.queue.add(identity)

    def forget(self, identity: Identity, uid: str) -> None:
        """The resource is gone."""
        self.gone.add(uid)
        entry = self.entries.get(identity)
        if entry is None or entry.uid != uid:
            return
        del self.entries[identity]
        if entry.id is not None and not entry.memory.deleted and uid not in self.releasing:
            # Its finalizer was removed by hand. Whether somebody wants the integration nobody knows: it stays.
            fields = {"kind": identity.kind, "resource": identity.label, "integration": entry.id}
            log.warning("gone without us: its integration may be left in NetBird", extra=fields)
        self._unindex(entry)
        self.drifted.discard(identity)
        self.unqueue(identity)
        self.bury(entry)
        link = self.connections.get(entry.connection)
        for account in link.accounts.values() if link is not None else ():
            account.forget(identity)
        self._left(entry.connection)

    def resume(self, identity: Identity, priority: Priority, turn: Turn) -> None:
        """Reconcile a resource that waited for the rate limit, with what it got."""
        self._drop_turn(identity)
        if identity not in self.entries:
            _give_back(turn)
            self.unqueue(identity)
            return
        if turn is not None:
            self.turns[identity] = turn
        self.queue.add(identity, priority, ahead=True)

    def unqueue(self, identity: Identity) -> None:
        """Cancel what is queued for a resource."""
        self.queue.discard(identity)
        self._drop_turn(identity)

    def _drop_turn(self, identity: Identity) -> None:
        _give_back(self.turns.pop(identity, None))

    def bury(self, entry: Entry) -> None:
        """The resource is gone: others may have what it held, and what is written nowhere is deleted by its id."""
        self.claims.withdraw(entry.uid)
        posted = entry.memory.posted
        if posted is None or entry.maker is None:
            return
        entry.memory = entry.memory.having(posted=None)
        stray = Identity(STRAY, None, str(posted.item.id))
        self.strays[stray] = Stray(entry.maker, posted)
        self.queue.add(stray, Priority.USER)

    def observe_connection(self, connection: Connection) -> None:
        """Take a version of a connection; its resources look again when what it says changed."""
        identity = connection.identity
        known = self.connections.get(identity)
        same = known is not None and known.connection.metadata.uid == connection.metadata.uid
        if known is not None and same and version_of(connection) <= version_of(known.connection):
            return
        before = None if known is None else (known.connection.spec, known.connection.deleting)
        self.connections.observe(connection)
        self.queue.add(identity, Priority.USER)
        if before != (connection.spec, connection.deleting):
            self.wake_users(identity)

    def forget_connection(self, identity: Identity, uid: str) -> None:
        """The connection is gone."""
        known = self.connections.get(identity)
        if known is not None and known.connection.metadata.uid == uid:
            self.connections.forget(identity)
            self.wake_users(identity)
            for link in self.connections.beyond_quota(identity.namespace):
                self.queue.add(link.connection.identity)
                self.wake_users(link.connection.identity)

    def secret_changed(self, namespace: str, name: str) -> None:
        """Requeue the dependents of a Secret. They may be many, so that users' changes go first."""
        for identity in list(self._by_secret.get((namespace, name), ())):
            self.queue.add(identity)
        for link in self.connections.secret_changed(namespace, name):
            self.queue.add(link.connection.identity, Priority.USER)
            self.wake_users(link.connection.identity)

    def users(self, connection: Identity) -> list[Entry]:
        """The resources that refer to a connection."""
        return [self.entries[each] for each in self._by_connection.get(connection, ())]

    def wake_users(self, connection: Identity) -> None:
        """The resources of a connection look again."""
        for entry in self.users(connection):
            self.queue.add(entry.identity)

    async def sweep(self, link: Link, account: Account, view: View) -> None:
        """Compare a fresh LIST with what was in order at the last look; whoever differs looks again."""
        async for entry in in_pieces(self.users(link.connection.identity)):
            if entry.account is not account:
                continue
            item = view.by_id.get(entry.id) if entry.id is not None else None
            if item is None or entry.seen != digest(item) or entry.open:
                self.queue.add(entry.identity)

    def rest(self, entry: Entry, *, looked: float) -> None:
        """It is in order, as the LIST that began at `looked` shows: what is remembered of all of these is one object.

        When the finalizer was seen matters only to a creation, and a later moment is as good there.
        """
        late = entry.memory.late_until
        late = late if late is not None and looked < late else None
        memory = entry.memory.having(looked=looked, missing=None, finalizer_seen=None, late_until=late, stamp=None)
        if memory != self._at_rest:
            self._at_rest = memory
        entry.memory = self._at_rest

    def found_drift(self, entry: Entry) -> None:
        """Somebody else changed or deleted its integration; that counts once, until it is in order again."""
        if entry.identity not in self.drifted:
            self.drifted.add(entry.identity)
            self.ports.meter.drift_found()

    def accepted(self, entry: Entry) -> None:
        """NetBird accepted what the resource says: a drift is corrected by that."""
        if entry.identity in self.drifted:
            self.drifted.discard(entry.identity)
            self.ports.meter.drift_corrected()

    def retry(self, entry: Entry, *, first: float, last: float, at_least: float = 0.0) -> None:
        """Look again after a pause that doubles with each failure, and is never the same for all."""
        pause = min(last, first * 2 ** min(entry.failures, 16)) * self.ports.random.uniform(0.75, 1.25)
        entry.failures += 1
        self.queue.add(entry.identity, at=self.ports.clock.monotonic() + max(pause, at_least))

    async def secure(self, link: Link) -> None:
        """Put our finalizer on a connection that is about to be used, so that its token outlives its resources."""
        async with link.lock:
            for _ in range(MAX_CONFLICTS):
                if link.connection.has_finalizer or not await self._try_to_secure(link):
                    break
        if not link.connection.has_finalizer:
            message = f"{link.connection.identity.label} is being deleted. {Reason.CONNECTION_NOT_FOUND.cure}"
            raise WaitError(Reason.CONNECTION_NOT_FOUND, message)

    async def _try_to_secure(self, link: Link) -> bool:
        """One try; answers whether another one makes sense."""
        connection = link.connection
        if connection.deleting:
            return False
        try:
            link.connection = await self.ports.cluster.add_finalizer(connection)
        except ConflictError:
            fresh = await self.ports.cluster.read(connection.identity)
            if not isinstance(fresh, type(connection)):
                return False
            link.connection = fresh
        except ObjectGoneError:
            return False
        return True

    def on_known(self, before: str, account: Account) -> None:
        """Claims that were made while the account was not known are the account's."""
        self.claims.rename(before, account.scope)

    def on_view(self, account: Account) -> None:
        """A LIST arrived or failed: the connection looks at it."""
        for link in self.connections:
            if account in link.accounts.values():
                self.queue.add(link.connection.identity)

    def _index(self, entry: Entry) -> None:
        namespace = entry.identity.namespace or ""
        for name in entry.secrets:
            self._by_secret.setdefault((namespace, name), {})[entry.identity] = None
        self._by_connection.setdefault(entry.connection, {})[entry.identity] = None

    def _unindex(self, entry: Entry) -> None:
        namespace = entry.identity.namespace or ""
        for name in entry.secrets:
            _drop(self._by_secret, (namespace, name), entry.identity)
        _drop(self._by_connection, entry.connection, entry.identity)


def _give_back(turn: Turn) -> None:
    if turn is not None and not isinstance(turn, OperatorError):
        turn.give_back()


def _drop(index: dict[K, dict[Identity, None]], key: K, identity: Identity) -> None:
    users = index.get(key, {})
    users.pop(identity, None)
    if not users:
        index.pop(key, None)
