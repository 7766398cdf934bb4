"""What is kept of each resource between reconciles: little, since there may be ten thousand."""

import sys
import zlib
from dataclasses import dataclass
from typing import Final

from netbird_streaming.api.status import Status
from netbird_streaming.api.timestamps import parse_time
from netbird_streaming.api.types import RECONCILE_ANNOTATION, ConnectionKind, EventStreamingIntegration, ObjectKey
from netbird_streaming.core.inputs import LIST_LAG, AccountSnapshot
from netbird_streaming.core.memory import Memory
from netbird_streaming.core.netbird.payload import secret_names
from netbird_streaming.core.netbird.types import Integration, Priority
from netbird_streaming.core.status.conditions import NOT_REPORTED, Readiness, readiness
from netbird_streaming.core.status.events import Reported
from netbird_streaming.reconciler.connection.account import Account
from netbird_streaming.reconciler.connection.resolved import connection_key
from netbird_streaming.reconciler.gate import Turn, give_back
from netbird_streaming.reconciler.ownership import NOWHERE, Owner, Place
from netbird_streaming.reconciler.versions import Known, version_of

EMPTY_MEMORY = Memory()
MAX_PACKED: Final = 4 * 1024
"""Bytes. A resource that takes more is read again from the API server when its turn comes."""

_WINDOW: Final = 12
_MEMORY: Final = 5
"""zlib's own (15 and 8) make ready 268 KB for each text, which takes five times as long as packing 2 KB does."""


@dataclass(slots=True)
class ResourceRecord:
    """One resource: the newest version known, and what this process remembers of it.

    `resource` is kept only while there is something to do; one that `may_be_stale` may be older than what its user
    wants by now, whatever the watches tell: it is good for a look, and no PUT. `unwritten_status` is a status that
    NetBird's answers call for and that did not reach the API server, behind the status that it replaces.
    `in_sync_digest` is the digest of the integration as it was when last found in order. `create_pending` says that a
    create of it has no known outcome. `origin` is the account that the id, or else the intent, is of. `last_notified`
    is how it stood when a status was last written, `readiness` what the newest version known says. `account` is where
    the way leads that was last taken, `create_account` where its POST went. `refused` is the last
    published refusal of a status write. `drifted` says that a change by another client is counted and not corrected,
    `releasing` that the operator removes the finalizer now. `turn` is what a wait for the rate limit came to, until the
    next reconcile.
    """

    key: ObjectKey
    uid: str
    known: Known
    connection: ObjectKey
    secrets: tuple[str, ...]
    resource: EventStreamingIntegration | None
    may_be_stale: bool = False
    memory: Memory = EMPTY_MEMORY
    id: int | None = None
    create_pending: bool = False
    deleting: bool = False
    origin: Place = NOWHERE
    account: Account | None = None
    create_account: Account | None = None
    unwritten_status: tuple[Status, Status] | None = None
    in_sync_digest: int | None = None
    failures: int = 0
    compressed: bytes | None = None
    last_notified: Reported | None = None
    refused: str | None = None
    readiness: Readiness = NOT_REPORTED
    drifted: bool = False
    releasing: bool = False
    turn: Turn = None

    def at(self, authority: str | None, account_id: str | None, created_at: str | None = None) -> Owner:
        """Return the resource as one that acts in this account, and owns an integration that was created then."""
        shared = self.connection.kind == ConnectionKind.CLUSTER
        return Owner(self.uid, self.key, Place(authority, account_id), shared, parse_time(created_at))

    def is_missed(self, snapshot: AccountSnapshot, shown_since: float) -> bool:
        """Return whether a LIST lacks the integration, which it would show if it were there."""
        written = self.memory.write.at
        since = shown_since if written is None else written + LIST_LAG
        return (
            self.id is not None and not self.deleting and self.id not in snapshot.by_id and snapshot.started_at >= since
        )

    def set_turn(self, turn: Turn) -> None:
        """Replace what the resource got for its wait. An unused slot is returned."""
        before, self.turn = self.turn, turn
        give_back(before)

    def take_turn(self) -> Turn:
        """Return what the resource got for its wait, once."""
        turn, self.turn = self.turn, None
        return turn

    def compress(self) -> None:
        """Keep the version known as a tenth of its size, and none that is large: ten thousand may wait for their turn.

        The objects of a parsed one take 8 KB, and the pages that they leave behind would stay half empty. The largest
        one that the API server takes has more than a megabyte.
        """
        if self.resource is not None:
            deflate = zlib.compressobj(1, wbits=_WINDOW, memLevel=_MEMORY)
            packed = deflate.compress(self.resource.model_dump_json().encode()) + deflate.flush()
            self.compressed, self.resource = packed if len(packed) <= MAX_PACKED else None, None

    def decompress(self) -> EventStreamingIntegration | None:
        """Return the version known, while there is something to do and it is not a large one."""
        if self.compressed is not None:
            self.resource = EventStreamingIntegration.model_validate_json(zlib.decompress(self.compressed))
            self.compressed = None
        return self.resource

    def use_version(self, resource: EventStreamingIntegration, now: float) -> None:
        """Take another version of the resource, which is known since now."""
        self.known = Known(version_of(resource), now)
        self.resource, self.compressed, self.may_be_stale = resource, None, False
        self.connection = connection_key(resource)
        self.secrets = tuple(sorted(secret_names(resource.spec)))
        self.id = resource.status.id
        self.readiness = readiness(resource.status.conditions)
        internal = resource.status.internal
        self.origin = _origin(resource.status)
        self.create_pending = internal.creation is not None or bool(internal.unresolved_creations or internal.former)
        self.deleting = resource.deleting


def _origin(status: Status) -> Place:
    intent = status.internal.creation or next(iter(status.internal.unresolved_creations), None)
    if status.id is None and intent is not None:
        return Place(intent.authority, intent.account_id).interned()
    return Place(status.internal.authority, status.account_id).interned()


def lane_of(key: ObjectKey) -> str:
    """Return the lane of a key: its namespace, however many resources and connections it has."""
    return key.namespace or key.kind


def priority_of(resource: EventStreamingIntegration) -> Priority:
    """Return USER while the status does not answer what the user asked for last, NEW if it never answered, or CLOCK."""
    metadata, status = resource.metadata, resource.status
    if resource.deleting:
        return Priority.HIGH
    if status.observed_generation is None and status.id is None:
        return Priority.NEW
    asked = metadata.annotations.get(RECONCILE_ANNOTATION)
    is_answered = metadata.generation == status.observed_generation and asked in (
        None,
        status.last_handled_reconcile_at,
    )
    return Priority.LOW if is_answered else Priority.HIGH


def record_for(resource: EventStreamingIntegration, now: float) -> ResourceRecord:
    """A new entry."""
    kind, namespace, name = resource.key
    key = ObjectKey(kind, None if namespace is None else sys.intern(namespace), name)
    record = ResourceRecord(key, resource.metadata.uid, Known(0, now), connection_key(resource), (), None)
    record.use_version(resource, now)
    return record


def integration_digest(item: Integration) -> int:
    """A digest of all that a resync compares."""
    config = tuple(sorted(item.config.items())) if item.config is not None else None
    return hash((item.platform, item.enabled, item.updated_at, config))
