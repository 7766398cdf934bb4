"""What is kept of each resource between reconciles: little, since there may be ten thousand."""

import sys
import zlib
from dataclasses import dataclass
from typing import Final, NamedTuple

from netbird_streaming.core.conditions import UNTOLD, Readiness, readiness
from netbird_streaming.core.events import Told
from netbird_streaming.core.facts import Memory, Posted
from netbird_streaming.core.payload import secret_names
from netbird_streaming.core.remote import Integration, Priority
from netbird_streaming.core.resources import (
    RECONCILE_ANNOTATION,
    ConnectionKind,
    EventStreamingIntegration,
    Identity,
    Resource,
)
from netbird_streaming.core.status import Status
from netbird_streaming.reconciler.accounts import Account
from netbird_streaming.reconciler.claims import Holder, Place
from netbird_streaming.reconciler.ports import Clock
from netbird_streaming.reconciler.way import identity_for

BLANK = Memory()
STRAY: Final = "Stray"
"""The kind of a key for an integration of our making whose resource was gone before its id could be written."""

GONE_LIFETIME: Final = 600.0
"""Seconds after which nothing tells of a resource that is gone: a watch that lives, and a list, are quicker."""

MAX_PACKED: Final = 4 * 1024
"""Bytes. A resource that takes more is read again from the API server when its turn comes."""

_WINDOW: Final = 12
_MEMORY: Final = 5
"""zlib's own (15 and 8) make ready 268 KB for each text, which takes five times as long as packing 2 KB does."""


@dataclass(slots=True)
class Entry:
    """One resource: the newest version known, and what this process remembers of it.

    `resource` is kept only while there is something to do; one that `rested` may be older than what its user wants by
    now, whatever the watches tell: it is good for a look, and no PUT. `unsaved` is a status that NetBird's answers call
    for and that did not reach the API server, behind the status that it replaces. `seen` is the digest of the
    integration as it was when last found in order. `open` says that a create of it has no known outcome. `told` is how
    it stood when a status was last written, `readiness` what the newest version known says. `account` is where the way
    leads that was last taken, `maker` where the POST of `memory.posted` went. `refused` is the last published refusal
    of a status write.
    """

    identity: Identity
    uid: str
    version: int
    connection: Identity
    secrets: tuple[str, ...]
    resource: EventStreamingIntegration | None
    rested: bool = False
    memory: Memory = BLANK
    id: int | None = None
    open: bool = False
    account: Account | None = None
    maker: Account | None = None
    unsaved: tuple[Status, Status] | None = None
    seen: int | None = None
    failures: int = 0
    packed: bytes | None = None
    told: Told | None = None
    refused: str | None = None
    readiness: Readiness = UNTOLD

    def at(self, authority: str | None, account_id: str | None) -> Holder:
        """Return the resource as one that acts in this account."""
        return Holder(
            self.uid, self.identity, Place(authority, account_id), self.connection.kind == ConnectionKind.CLUSTER
        )

    def pack(self) -> None:
        """Keep the version known as a tenth of its size, and none that is large: ten thousand may wait for their turn.

        The objects of a parsed one take 8 KB, and the pages that they leave behind would stay half empty. The largest
        one that the API server takes has more than a megabyte.
        """
        if self.resource is not None:
            deflate = zlib.compressobj(1, wbits=_WINDOW, memLevel=_MEMORY)
            packed = deflate.compress(self.resource.model_dump_json().encode()) + deflate.flush()
            self.packed, self.resource = packed if len(packed) <= MAX_PACKED else None, None

    def unpack(self) -> EventStreamingIntegration | None:
        """Return the version known, while there is something to do and it is not a large one."""
        if self.packed is not None:
            self.resource = EventStreamingIntegration.model_validate_json(zlib.decompress(self.packed))
            self.packed = None
        return self.resource

    def take(self, resource: EventStreamingIntegration) -> None:
        """Take a newer version of the resource."""
        self.version = version_of(resource)
        self.resource, self.packed, self.rested = resource, None, False
        self.connection = identity_for(resource)
        self.secrets = tuple(sorted(secret_names(resource.spec)))
        self.id = resource.status.id
        self.readiness = readiness(resource.status.conditions)
        internal = resource.status.internal
        self.open = internal.creation is not None or bool(internal.unresolved_creations)


class Gone:
    """The uids of resources that are gone, for as long as a watch or a list may still show them as they were."""

    def __init__(self, clock: Clock) -> None:
        """Start empty."""
        self._clock = clock
        self._since: dict[str, float] = {}

    def __contains__(self, uid: str) -> bool:
        return uid in self._since

    def add(self, uid: str) -> None:
        """It is gone, and never comes back: a namesake has another uid."""
        self._since[uid] = self._clock.monotonic()

    def let_go(self) -> None:
        """Keep no longer what nothing can tell of any more."""
        oldest = self._clock.monotonic() - GONE_LIFETIME
        self._since = {uid: since for uid, since in self._since.items() if since > oldest}


class Stray(NamedTuple):
    """Such an integration, and the account that its POST went to."""

    account: Account
    posted: Posted

    @property
    def is_in_reach(self) -> bool:
        """Whether that account is where the connection leads still: another token may be another account's."""
        posted = self.posted
        return self.account.leads_to(posted.authority, posted.proof, posted.item.account_id)


def version_of(resource: Resource) -> int:
    """The resource's version as a number."""
    return number(resource.metadata.resource_version)


def lane_of(key: Identity) -> str:
    """Return the lane of a key: its namespace, however many resources and connections it has."""
    return key.namespace or key.kind


def priority_of(resource: EventStreamingIntegration) -> Priority:
    """Return USER while the status does not answer what the user asked for last, NEW if it never answered, or CLOCK."""
    metadata, status = resource.metadata, resource.status
    if resource.deleting:
        return Priority.USER
    if status.observed_generation is None and status.id is None:
        return Priority.NEW
    asked = metadata.annotations.get(RECONCILE_ANNOTATION)
    is_answered = metadata.generation == status.observed_generation and asked in (
        None,
        status.last_handled_reconcile_at,
    )
    return Priority.CLOCK if is_answered else Priority.USER


def number(version: str) -> int:
    """A resource version as a number: comparable since Kubernetes 1.35 (KEP-5504), and in fact before."""
    return int(version) if version.isdigit() else 0


def entry_for(resource: EventStreamingIntegration) -> Entry:
    """A new entry."""
    kind, namespace, name = resource.identity
    identity = Identity(kind, None if namespace is None else sys.intern(namespace), name)
    entry = Entry(identity, resource.metadata.uid, 0, identity_for(resource), (), None)
    entry.take(resource)
    return entry


def digest(item: Integration) -> int:
    """A digest of all that a sweep compares."""
    config = tuple(sorted(item.config.items())) if item.config is not None else None
    return hash((item.platform, item.enabled, item.updated_at, config))
