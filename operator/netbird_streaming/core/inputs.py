"""The inputs of a decision: the desired, the observed and the recorded state. All of it is frozen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final, Protocol

from netbird_streaming.api.status import Status, own
from netbird_streaming.api.timestamps import CREATED_ROUNDING, is_apart
from netbird_streaming.api.types import EventStreamingIntegration
from netbird_streaming.core.memory import Memory
from netbird_streaming.core.netbird import compare
from netbird_streaming.core.netbird.destinations import COMPARABLE
from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from netbird_streaming.core.netbird.payload import Payload
from netbird_streaming.core.netbird.types import UNKNOWN_ID, Integration, Listing
from netbird_streaming.core.status.documentation import NO_DOCUMENTATION, Documentation
from netbird_streaming.errors import OperatorError

_EMPTY: Final = Status()
LIST_LAG: Final = 5.0
"""Seconds for which a LIST may not show what NetBird's other answers do."""


class Owners(Protocol):
    """The owners of integrations."""

    def other(self, item: Integration) -> str | None:
        """Return the name of another resource that owns this integration, or may own it; None where there is none."""
        ...

    def owner(self, item: Integration) -> str | None:
        """Return the name of another resource that owns this integration of just this account; None otherwise."""
        ...


class AccountSnapshot:
    """The integrations of one LIST of an account, indexed. `started_at` is the monotonic second at which it was sent.

    `unreadable` holds the elements that can't be read: those with an id are in `by_id` too.

    The index by id is made at once; that by identity on first use, which a resync of unchanged resources never
    needs.
    """

    __slots__ = (
        "_by_natural_key",
        "_unmanaged",
        "account_ids",
        "by_id",
        "date",
        "started_at",
        "unreadable",
    )

    def __init__(self, listing: Listing, begun: float) -> None:
        self.started_at = begun
        self.date = listing.date
        self.account_ids = frozenset(item.account_id for item in listing.items if item.account_id is not None)
        self.by_id = {item.id: item for item in listing.items if item.id != UNKNOWN_ID}
        self.unreadable = tuple(item for item in listing.items if item.unreadable is not None)
        self._by_natural_key: dict[tuple[str, str | None], list[Integration]] | None = None
        self._unmanaged: dict[str, list[Integration]] = {}

    def unidentified(self, platform: str) -> int:
        """Return how many elements have no readable id, and may be of this platform."""
        return sum(item.id == UNKNOWN_ID and item.platform in (None, platform) for item in self.unreadable)

    def identical(self, platform: str, config: Mapping[str, str]) -> list[Integration]:
        """Return the items that nothing tells from one made with this configuration."""
        return compare.identical(platform, config, self._near(platform, config))

    def alike(self, platform: str, config: Mapping[str, str]) -> list[Integration]:
        """Return the items that a server may show for this configuration, in forms of its own."""
        return compare.alike(platform, config, self._near(platform, config))

    def unmanaged(self, platform: str, unowned: Callable[[list[Integration]], list[Integration]]) -> list[Integration]:
        """Return the items of a platform without an owner.

        Owners are asked once for each platform, because there may be a create for each of ten thousand items.
        """
        if platform not in self._unmanaged:
            self._unmanaged[platform] = unowned([item for item in self.by_id.values() if item.platform == platform])
        return self._unmanaged[platform]

    def _near(self, platform: str, config: Mapping[str, str]) -> list[Integration]:
        if self._by_natural_key is None:
            self._by_natural_key = self._index()
        values = dict.fromkeys((_first_value(platform, config), None))
        return [item for value in values for item in self._by_natural_key.get((platform, value), ())]

    def _index(self) -> dict[tuple[str, str | None], list[Integration]]:
        index: dict[tuple[str, str | None], list[Integration]] = {}
        first_value = cache(_looked_up_by)
        for item in self.by_id.values():
            if item.platform is not None and item.config is not None:
                index.setdefault(
                    (item.platform, first_value(item.platform, _first_text(item.platform, item.config))), []
                ).append(item)
        return index


def _first_value(platform: str, config: Mapping[str, str]) -> str | None:
    """Return the value that an integration is looked up by; None if NetBird masks it, or if the platform is unknown."""
    return _looked_up_by(platform, _first_text(platform, config))


def _first_text(platform: str, config: Mapping[str, str]) -> str:
    names = COMPARABLE.get(platform)
    return "" if names is None else config.get(names[0], "")


def _looked_up_by(platform: str, text: str) -> str | None:
    names = COMPARABLE.get(platform)
    if names is None or compare.is_masked(text) or compare.has_masked_part(text):
        return None
    return compare.identifying(names[0], text)


@dataclass(frozen=True, slots=True)
class Target:
    """The way to NetBird that the resource's connection gives it.

    `authority` is the verified server: ids and accounts mean something only together with it. `endpoint_digest` is a
    keyed digest of connection, URL and tenant, `credential_digest` one of URL, token and tenant: what an intent can be
    held against. `account` is the confirmed account's id, an error where confirming failed in this reconcile, None
    where it was not tried; `account_checked` says that NetBird was asked for it before and did not tell.
    `observe_only` says that nothing may be written to NetBird.
    """

    authority: str
    endpoint_digest: str
    credential_digest: str
    account: str | OperatorError | None
    allow_adoption: bool
    tenant_id: str | None = None
    account_checked: bool = False
    observe_only: bool = False


@dataclass(frozen=True, slots=True)
class Desired:
    """The desired state: the resource, and the payload with the values of its Secrets or why there is none."""

    resource: EventStreamingIntegration
    payload: Payload | OperatorError

    @property
    def uid(self) -> str:
        """The resource's uid: a namesake has another."""
        return self.resource.metadata.uid

    @property
    def requested(self) -> str | None:
        """The value by which a user asked for a reconcile now."""
        return self.resource.metadata.reconcile_request


@dataclass(frozen=True, slots=True)
class Observed:
    """The observed state at `now` (monotonic seconds; `wall` is the same moment in UTC).

    `awaited_at` is when the LIST began that this reconcile waited for, if it did.

    `owners` says whether another resource holds an id of the account; `conflicting_owner` names the resource that has
    the better claim to this configuration in the same account, if any; `account_since` is when this process came to
    know the account, and `deleted_at` when that last accepted our DELETE; `server_now` is `now` by NetBird's clock, as
    far as a LIST's `Date` shows. `unlisted` names resources that Kubernetes has not let us list: any of them may own
    an integration. `vanished` holds the ids whose absence from the LIST is not believed, since too many are absent at
    once; `partial` says that a LIST left out what NetBird shows by id.
    """

    now: float
    wall: datetime
    target: Target | OperatorError
    owners: Owners
    snapshot: AccountSnapshot | None = None
    awaited_at: float | None = None
    conflicting_owner: str | None = None
    account_since: float = 0.0
    deleted_at: float = 0.0
    server_now: datetime | None = None
    unlisted: str | None = None
    vanished: frozenset[int] = frozenset()
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Recorded:
    """The recorded state: the resource's own status, and what this process remembers.

    `restored_id` is an id that a status written for another uid names: a backup's, to be adopted and never a fact.
    """

    status: Status
    memory: Memory
    restored_id: int | None = None


def own_status_of(resource: EventStreamingIntegration, memory: Memory) -> Recorded:
    """Return the status if it is the resource's own, and not restored or copied from another resource."""
    status = own(resource.status)
    if status.internal.owner_uid == resource.metadata.uid or status == _EMPTY:
        return Recorded(status, memory, restored_id=status.internal.claimed_id)
    return Recorded(_EMPTY, memory, restored_id=status.id)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that the decisions keep: assumptions about NetBird and the network.

    `late_commit`: how long after its end a POST may still be applied. `post`: how long one may take in all.
    `intent_age`: how old the LIST before a POST may be. `list_lag`: how far a LIST may be behind NetBird's other
    answers, as one of a read replica is. `absence`: how long between the two observations that prove an absence.
    """

    late_commit: float
    post: float
    absence: float = 60.0
    intent_age: float = 20.0
    list_lag: float = LIST_LAG


@dataclass(frozen=True, slots=True)
class DecisionInput:
    """All that one decision rests on."""

    desired: Desired
    observed: Observed
    recorded: Recorded
    key: FingerprintKey
    timeouts: Timeouts
    documentation: Documentation = NO_DOCUMENTATION

    @property
    def status(self) -> Status:
        """Our own status."""
        return self.recorded.status

    @property
    def memory(self) -> Memory:
        """The memory of this process."""
        return self.recorded.memory

    @property
    def list_reliable_after(self) -> float:
        """A LIST that began since then shows the last write of ours, however it lags; one that began before may not.

        Where this process has written nothing, the one before it may have done so just before its end.
        """
        written = self.memory.write.at
        return (self.observed.account_since if written is None else written) + self.timeouts.list_lag

    def unowned(self, items: list[Integration]) -> list[Integration]:
        """Return the items that no other resource owns."""
        return [item for item in items if self.observed.owners.other(item) is None]

    def is_ours(self, item: Integration) -> bool:
        """Return whether this is the integration that the status names: an id can be given to another one."""
        status = self.status
        return (
            item.id == status.id
            and item.platform in (None, status.platform)
            and not is_apart(item.created_at, status.created_at, by=CREATED_ROUNDING)
        )

    def held(self, snapshot: AccountSnapshot | None) -> Integration | None:
        """Return our integration as the LIST shows it, or as a later answer by id does; None where it is absent."""
        if snapshot is None or self.status.id is None:
            return None
        item = snapshot.by_id.get(self.status.id)
        if item is None and self.memory.absence.fetched_at >= snapshot.started_at:
            item = self.memory.absence.fetched
        return item if item is not None and self.is_ours(item) else None

    def recent(self, seconds: float) -> float:
        """Return since when a LIST counts as recent.

        The LIST that this reconcile waited for does so however long its turn took: a process that is starved of
        processor time would otherwise wait for one LIST after the other.
        """
        since, awaited = self.observed.now - seconds, self.observed.awaited_at
        return since if awaited is None else min(since, awaited)

    def list_since(self, moment: float | None) -> AccountSnapshot | None:
        """The LIST at hand, if it began at or after that moment."""
        snapshot = self.observed.snapshot
        return snapshot if snapshot is not None and (moment is None or snapshot.started_at >= moment) else None
