"""The records of resources between reconciles. They are small, since there may be ten thousand."""

import sys
import zlib
from dataclasses import dataclass
from typing import Final, NamedTuple

from netbird_streaming.api.status import Status
from netbird_streaming.api.timestamps import parse_time
from netbird_streaming.api.types import RECONCILE_ANNOTATION, ConnectionKind, EventStreamingIntegration, ObjectKey
from netbird_streaming.core.inputs import LIST_LAG, AccountSnapshot
from netbird_streaming.core.memory import Memory
from netbird_streaming.core.netbird.payload import secret_names
from netbird_streaming.core.netbird.types import Integration, Priority
from netbird_streaming.core.status.conditions import Readiness, readiness
from netbird_streaming.reconciler.connection.account import Account
from netbird_streaming.reconciler.connection.resolved import connection_key
from netbird_streaming.reconciler.gate import Turn, give_back
from netbird_streaming.reconciler.ownership import Owner, Place
from netbird_streaming.reconciler.reporting import Published
from netbird_streaming.reconciler.versions import Known, version_of

EMPTY_MEMORY = Memory()
MAX_PACKED: Final = 4 * 1024
"""Bytes. A larger resource is read again from the API server when it is reconciled."""

_WINDOW: Final = 12
_MEMORY: Final = 5
"""zlib's defaults (15 and 8) allocate 268 KB for each text, which takes five times as long as compressing 2 KB."""


class ResourceSummary(NamedTuple):
    """The parts of the newest known version that are needed between reconciles.

    `create_pending` says that a create has no known outcome. `origin` is the account of the id, or else of the intent.
    """

    connection: ObjectKey
    secrets: tuple[str, ...]
    id: int | None
    create_pending: bool
    deleting: bool
    origin: Place
    readiness: Readiness


class ResourceCache:
    """The newest known version of a resource, kept only while there is something to do, and compressed until then.

    `may_be_stale` says that it was cached since the last success. It is enough to compare, and read again before a PUT.
    """

    __slots__ = ("_compressed", "_resource", "may_be_stale")

    def __init__(self) -> None:
        self._resource: EventStreamingIntegration | None = None
        self._compressed: bytes | None = None
        self.may_be_stale = False

    @property
    def size(self) -> int | None:
        """The bytes of the compressed version; None if there is none."""
        return None if self._compressed is None else len(self._compressed)

    @property
    def is_empty(self) -> bool:
        """Return whether the version has to be read from the API server."""
        return self._resource is None and self._compressed is None

    def put(self, resource: EventStreamingIntegration | None) -> None:
        """Keep this version, or none."""
        self._resource, self._compressed = resource, None

    def compress(self) -> None:
        """Compress the version to a tenth of its size, and drop a large one: ten thousand resources may be queued.

        The parsed objects of a resource take 8 KB, and leave half-empty pages behind. The largest resource that the API
        server accepts has more than a megabyte.
        """
        if self._resource is not None:
            deflate = zlib.compressobj(1, wbits=_WINDOW, memLevel=_MEMORY)
            packed = deflate.compress(self._resource.model_dump_json().encode()) + deflate.flush()
            self._compressed, self._resource = packed if len(packed) <= MAX_PACKED else None, None

    def get(self) -> EventStreamingIntegration | None:
        """Return the version, if it is kept."""
        if self._compressed is not None:
            self._resource = EventStreamingIntegration.model_validate_json(zlib.decompress(self._compressed))
            self._compressed = None
        return self._resource


@dataclass(slots=True)
class ResourceRecord:
    """The record of a resource.

    - `known`, `summary`, `cache`: the newest version.
    - `memory`: what the decisions remember.
    - `account`: where the last resolved connection leads; `create_account`: where the POST of `memory.create` went.
    - `unwritten_status`: a status that did not reach the API server, behind the status that it replaces.
    - `in_sync_digest`: the digest of the integration when it was last in sync.
    - `failures`: the number of failures since the last success.
    - `backing_off`: the last reconcile failed, and its retry is queued.
    - `resync_digest`: the digest of what the last resync showed that found the resource not in sync.
    - `published`: what was last published about the resource.
    - `drifted`: a change by another client is counted, and not corrected yet.
    - `releasing`: the operator removes the finalizer now.
    - `turn`: the result of a wait for the rate limit, until the next reconcile.
    """

    key: ObjectKey
    uid: str
    known: Known
    summary: ResourceSummary
    cache: ResourceCache
    published: Published
    memory: Memory = EMPTY_MEMORY
    account: Account | None = None
    create_account: Account | None = None
    unwritten_status: tuple[Status, Status] | None = None
    in_sync_digest: int | None = None
    failures: int = 0
    backing_off: bool = False
    resync_digest: int | None = None
    drifted: bool = False
    releasing: bool = False
    turn: Turn = None

    def at(self, authority: str | None, account_id: str | None, created_at: str | None = None) -> Owner:
        """Return the resource as an owner in this account, of an integration that was created then."""
        shared = self.summary.connection.kind == ConnectionKind.CLUSTER
        return Owner(self.uid, self.key, Place(authority, account_id), shared, parse_time(created_at))

    def is_missed(self, snapshot: AccountSnapshot, place: Place, shown_since: float) -> bool:
        """Return whether the LIST of an account lacks the integration, which it would show if it were there.

        An id of another account is not one that this account can show, although the connection leads here now.
        """
        written, summary = self.memory.write.at, self.summary
        if not summary.origin.may_be(place):
            return False
        since = shown_since if written is None else written + LIST_LAG
        return (
            summary.id is not None
            and not summary.deleting
            and summary.id not in snapshot.by_id
            and snapshot.started_at >= since
        )

    def set_turn(self, turn: Turn) -> None:
        """Replace the result of the wait for the rate limit. An unused slot is returned."""
        before, self.turn = self.turn, turn
        give_back(before)

    def take_turn(self) -> Turn:
        """Return the result of the wait for the rate limit, once."""
        turn, self.turn = self.turn, None
        return turn

    def use_version(self, resource: EventStreamingIntegration, now: float) -> None:
        """Replace the known version by one that is known since now."""
        self.known, self.summary = Known(version_of(resource), now), _summary(resource)
        self.cache.put(resource)
        self.cache.may_be_stale = False


def _summary(resource: EventStreamingIntegration) -> ResourceSummary:
    status, internal = resource.status, resource.status.internal
    return ResourceSummary(
        connection=connection_key(resource),
        secrets=tuple(sorted(secret_names(resource.spec))),
        id=status.id,
        create_pending=internal.creation is not None or bool(internal.unresolved_creations or internal.former),
        deleting=resource.deleting,
        origin=_origin(status),
        readiness=readiness(status.conditions),
    )


def _origin(status: Status) -> Place:
    intent = status.internal.creation or next(iter(status.internal.unresolved_creations), None)
    if status.id is None and intent is not None:
        return Place(intent.authority, intent.account_id).interned()
    return Place(status.internal.authority, status.account_id).interned()


def lane_of(key: ObjectKey) -> str:
    """Return the lane of a key: its namespace, however many resources and connections it has."""
    return key.namespace or key.kind


def priority_of(resource: EventStreamingIntegration) -> Priority:
    """Return HIGH while a change or request by a user is unanswered, NEW if nothing was answered yet, or else LOW."""
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
    """Return the record of a resource that is known since now."""
    kind, namespace, name = resource.key
    key = ObjectKey(kind, None if namespace is None else sys.intern(namespace), name)
    known, cache = Known(version_of(resource), now), ResourceCache()
    cache.put(resource)
    return ResourceRecord(key, resource.metadata.uid, known, _summary(resource), cache, Published())


def integration_digest(item: Integration) -> int:
    """Return a digest of all that a resync compares."""
    config = tuple(sorted(item.config.items())) if item.config is not None else None
    return hash((item.platform, item.enabled, item.updated_at, config))
