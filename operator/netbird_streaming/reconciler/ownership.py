"""The ownership of integrations, and of configurations whose integrations can't be distinguished.

Claims are made before anything is awaited, so that two concurrent reconciles see each other's.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from typing import Final, NamedTuple, TypeVar

from netbird_streaming.api.status import Intent
from netbird_streaming.api.timestamps import CREATED_ROUNDING, parse_time
from netbird_streaming.api.types import ObjectKey
from netbird_streaming.core.netbird.types import Integration

ConfigKey = tuple[str, str]
"""An account (or, before it is known, an endpoint) and the digest of a configuration's signature."""


UNNAMED: Final = "in another namespace"
"""The name of a resource for users who do not share its account by a cluster connection."""


def account_key(authority: str, account_id: str) -> str:
    """Return the text by which an account is claimed."""
    return f"{authority}/{account_id}"


class Claim(IntEnum):
    """The claim of a resource on a configuration. The higher one goes first."""

    NONE = 0
    CREATING = 1
    OWNED = 2


@dataclass(frozen=True, slots=True)
class Contender:
    """A resource that wants a configuration; `created` is in seconds since the epoch."""

    uid: str
    key: ObjectKey
    created: float
    claim: Claim = Claim.NONE
    shared: bool = False

    @property
    def order(self) -> tuple[int, float, str]:
        """The order of contenders: the stronger claim first, then the older resource."""
        return (-self.claim, self.created, self.uid)

    def with_claim(self, claim: Claim) -> "Contender":
        """The same resource with another hold."""
        return replace(self, claim=claim)


class Place(NamedTuple):
    """An account as it is known: the authority that names it, and its id where that is known."""

    authority: str | None
    account_id: str | None

    def interned(self) -> "Place":
        """Return the same with shared texts: many resources name the same account, each in a text of its own."""
        return Place(*(None if each is None else sys.intern(each) for each in self))

    def may_be(self, other: "Place") -> bool:
        """Return whether both can be the same account, as far as known."""
        same = self.authority is not None and self.authority == other.authority
        return same and (None in (self.account_id, other.account_id) or self.account_id == other.account_id)

    def is_same(self, other: "Place") -> bool:
        """Return whether both are the same account. An unknown one equals none."""
        return None not in self and self == other


NOWHERE: Final = Place(None, None)


class Owner(NamedTuple):
    """A resource and where it acts; `shared` says that it does so by a cluster connection.

    `created` is when NetBird says that the integration was created that it owns.
    """

    uid: str
    key: ObjectKey
    place: Place
    shared: bool = False
    created: datetime | None = None

    def name_of(self, other: "Owner | Contender") -> str:
        """Return what this resource may learn of the other: its name, where they share a namespace or a connection."""
        together = self.shared and other.shared
        return other.key.label if together or self.key.namespace == other.key.namespace else UNNAMED


@dataclass(frozen=True, slots=True)
class OtherOwners:
    """The holders of ids of one account, as one resource sees them: without itself."""

    ids: Mapping[int, tuple[Owner, ...]]
    viewer: Owner

    def other(self, item: Integration) -> str | None:
        """Return the name of another resource that owns this integration of this account, or may."""
        return self._name(item, Place.may_be)

    def owner(self, item: Integration) -> str | None:
        """Return the name of another resource that owns this integration of just this account."""
        return self._name(item, Place.is_same)

    def _name(self, item: Integration, matches: Callable[[Place, Place], bool]) -> str | None:
        for owner in self.ids.get(item.id, ()):
            here = matches(owner.place, self.viewer.place)
            if owner.uid != self.viewer.uid and here and _may_be(item, owner.created):
                return self.viewer.name_of(owner)
        return None


class Ownership:
    """The registry; `requeue` is called with each resource whose rival is gone.

    Nearly every id has one holder and every configuration one claimant: tuples, since dictionaries take four times as
    much.
    """

    def __init__(self, requeue: Callable[[ObjectKey], None]) -> None:
        self._requeue = requeue
        self._ids: dict[int, tuple[Owner, ...]] = {}
        self._owned: dict[str, int] = {}
        self._contenders: dict[ConfigKey, tuple[Contender, ...]] = {}
        self._wanted: dict[str, tuple[ConfigKey, ...]] = {}
        self._intended: dict[str, str] = {}
        self._restored_creates: dict[str, tuple[Owner, Intent]] = {}

    def own(self, owner: Owner, integration_id: int | None) -> None:
        """The resource holds this id and no other."""
        uid, before = owner.uid, self._owned.get(owner.uid)
        if before is not None and before != integration_id:
            self._drop(uid, before)
        if integration_id is None:
            return
        owner = owner._replace(place=owner.place.interned())
        owners = self._ids.get(integration_id, ())
        if owner not in owners:
            self._owned[uid] = integration_id
            self._ids[integration_id] = (*_without(uid, owners), owner)

    def place_of(self, uid: str) -> Place | None:
        """Return the account of the id that the resource holds; None where it holds none."""
        integration_id = self._owned.get(uid)
        owners = self._ids.get(integration_id, ()) if integration_id is not None else ()
        return next((each.place for each in owners if each.uid == uid), None)

    def has(self, integration_id: int) -> bool:
        """Return whether a resource owns an integration with this id, in any account."""
        return integration_id in self._ids

    def other_owners(self, viewer: Owner) -> OtherOwners:
        """The others' ids."""
        return OtherOwners(self._ids, viewer)

    def add_restored_create(self, owner: Owner, intent: Intent) -> None:
        """Add the open create of a resource's status at the start, until its reconcile resolves it."""
        self._restored_creates[owner.uid] = (owner, intent)

    def resolve_restored_create(self, uid: str) -> None:
        """The resource was reconciled, and claims by itself what it may have created."""
        self._restored_creates.pop(uid, None)

    def find_restored_create(
        self, viewer: Owner, endpoint_digest: str, signature_for: Callable[[str], Mapping[str, str]]
    ) -> str | None:
        """Return the name of a resource with a restored create of this configuration that is not resolved yet.

        Its status holds digests that are made for its uid: `signature_for` gives what they would be of what is wanted.
        """
        for owner, intent in self._restored_creates.values():
            here = intent.endpoint == endpoint_digest or viewer.place.is_same(
                Place(intent.authority, intent.account_id)
            )
            if here and intent.signature == signature_for(owner.uid):
                return viewer.name_of(owner)
        return None

    def contend(self, wanted: Mapping[ConfigKey, Claim], viewer: Owner, created: float) -> str | None:
        """Want configurations, the first of them now; answers the name of the resource with a better claim to it.

        More than one is wanted while a create with other settings is not settled.
        """
        contender = Contender(viewer.uid, viewer.key, created, shared=viewer.shared)
        for config_key in self._wanted.get(contender.uid, ()):
            if config_key not in wanted:
                self._leave(contender.uid, config_key)
        self._wanted[contender.uid] = tuple(wanted)
        for config_key, claim in wanted.items():
            self._enter(config_key, contender.with_claim(claim))
        best = min(self._contenders[next(iter(wanted))], key=lambda each: each.order)
        return None if best.uid == contender.uid else viewer.name_of(best)

    def mark_creating(self, uid: str) -> None:
        """The resource is about to write an intent: it holds what it wants from before that reaches the server."""
        for config_key in self._wanted.get(uid, ())[:1]:
            contender = next(each for each in self._contenders[config_key] if each.uid == uid)
            self._enter(config_key, contender.with_claim(max(contender.claim, Claim.CREATING)))
            self._intended[uid] = config_key[1]

    def intended(self, uid: str) -> str | None:
        """The digest of the configuration of the resource's intent, if this process wrote it."""
        return self._intended.get(uid)

    def settle(self, uid: str) -> None:
        """The resource has no intent."""
        self._intended.pop(uid, None)

    def owns(self, uid: str, config_key: ConfigKey) -> bool:
        """Return whether the resource owned an integration of this configuration when it last contended."""
        return any(each.uid == uid and each.claim is Claim.OWNED for each in self._contenders.get(config_key, ()))

    def rename_account(self, before: str, after: str) -> None:
        """The account behind an endpoint is known now: what was claimed of the endpoint is claimed of the account."""
        for config_key in [each for each in self._contenders if each[0] == before]:
            for contender in self._contenders.pop(config_key):
                self._enter((after, config_key[1]), contender)
                wanted = self._wanted[contender.uid]
                self._wanted[contender.uid] = tuple(
                    (after, config_key[1]) if each == config_key else each for each in wanted
                )

    def release_all(self, uid: str) -> None:
        """The resource is gone: what it held is free."""
        self.resolve_restored_create(uid)
        self.settle(uid)
        owned = self._owned.get(uid)
        if owned is not None:
            self._drop(uid, owned)
        for config_key in self._wanted.pop(uid, ()):
            self._leave(uid, config_key)

    def _enter(self, config_key: ConfigKey, contender: Contender) -> None:
        self._contenders[config_key] = (*_without(contender.uid, self._contenders.get(config_key, ())), contender)

    def _drop(self, uid: str, integration_id: int) -> None:
        self._owned.pop(uid, None)
        owners = _without(uid, self._ids.pop(integration_id, ()))
        if owners:
            self._ids[integration_id] = owners

    def _leave(self, uid: str, config_key: ConfigKey) -> None:
        contenders = _without(uid, self._contenders.pop(config_key, ()))
        if contenders:
            self._contenders[config_key] = contenders
        for each in contenders:
            self._requeue(each.key)


def _may_be(item: Integration, created: datetime | None) -> bool:
    """Return whether the integration may be the one that was created then: an id can be given again."""
    shown = parse_time(item.created_at)
    return shown is None or created is None or abs(shown - created) <= CREATED_ROUNDING


C = TypeVar("C", Owner, Contender)


def _without(uid: str, those: tuple[C, ...]) -> tuple[C, ...]:
    return tuple(each for each in those if each.uid != uid)
