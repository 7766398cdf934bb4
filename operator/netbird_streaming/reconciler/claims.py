"""Who holds what: one resource for each integration, and one for each configuration that nobody could tell apart.

Claims are made before anything is awaited, so that two resources that are worked on at once see each other's.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final, NamedTuple, TypeVar

from netbird_streaming.core.resources import Identity
from netbird_streaming.core.status import Intent

Scope = tuple[str, str]
"""An account (or, before it is known, an endpoint) and the digest of a configuration's signature."""


UNNAMED: Final = "in another namespace"
"""What is told of a resource to those who do not share its account by a cluster connection."""


def account_key(authority: str, account_id: str) -> str:
    """Return the text by which an account is claimed."""
    return f"{authority}/{account_id}"


class Hold(IntEnum):
    """What a resource has of a configuration that it wants; more goes first."""

    NOTHING = 0
    INTENT = 1
    INTEGRATION = 2


@dataclass(frozen=True, slots=True)
class Claimant:
    """A resource that wants a configuration; `created` is in seconds since the epoch."""

    uid: str
    identity: Identity
    created: float
    hold: Hold = Hold.NOTHING
    shared: bool = False

    @property
    def order(self) -> tuple[int, float, str]:
        """Who holds goes first, then who is older."""
        return (-self.hold, self.created, self.uid)

    def having(self, hold: Hold) -> "Claimant":
        """The same resource with another hold."""
        return replace(self, hold=hold)


class Place(NamedTuple):
    """An account as it is known: the authority that names it, and its id where that is known."""

    authority: str | None
    account_id: str | None

    def may_be(self, other: "Place") -> bool:
        """Whether both can be one account, as far as is known."""
        same = self.authority is not None and self.authority == other.authority
        return same and (None in (self.account_id, other.account_id) or self.account_id == other.account_id)

    def is_same(self, other: "Place") -> bool:
        """Whether both are one account. What is not known equals nothing."""
        return None not in self and self == other


class Holder(NamedTuple):
    """A resource and where it acts; `shared` says that it does so by a cluster connection."""

    uid: str
    identity: Identity
    place: Place
    shared: bool = False

    def name_of(self, other: "Holder | Claimant") -> str:
        """Return what this resource may learn of the other: its name, where they share a namespace or a connection."""
        together = self.shared and other.shared
        return other.identity.label if together or self.identity.namespace == other.identity.namespace else UNNAMED


@dataclass(frozen=True, slots=True)
class HoldersBut:
    """The holders of ids of one account, as one resource sees them: without itself."""

    ids: Mapping[int, tuple[Holder, ...]]
    viewer: Holder

    def other(self, integration_id: int) -> str | None:
        """The name of another resource that holds this id in this account, or may."""
        return self._name(integration_id, Place.may_be)

    def owner(self, integration_id: int) -> str | None:
        """The name of another resource that holds this id in just this account."""
        return self._name(integration_id, Place.is_same)

    def _name(self, integration_id: int, matches: Callable[[Place, Place], bool]) -> str | None:
        for holder in self.ids.get(integration_id, ()):
            if holder.uid != self.viewer.uid and matches(holder.place, self.viewer.place):
                return self.viewer.name_of(holder)
        return None


class Claims:
    """The registry; `wake` is called with each resource whose rival is gone.

    Nearly every id has one holder and every configuration one claimant: tuples, since dictionaries take four times as
    much.
    """

    def __init__(self, wake: Callable[[Identity], None]) -> None:
        """Start with nothing claimed."""
        self._wake = wake
        self._ids: dict[int, tuple[Holder, ...]] = {}
        self._held: dict[str, int] = {}
        self._scopes: dict[Scope, tuple[Claimant, ...]] = {}
        self._wanted: dict[str, tuple[Scope, ...]] = {}
        self._unheard: dict[str, tuple[Holder, Intent]] = {}

    def hold(self, holder: Holder, integration_id: int | None) -> None:
        """The resource holds this id and no other."""
        uid, before = holder.uid, self._held.get(holder.uid)
        if before is not None and before != integration_id:
            self._drop(uid, before)
        if integration_id is None:
            return
        # Many resources name the same account, each in a text of its own.
        holder = holder._replace(place=Place(*(None if each is None else sys.intern(each) for each in holder.place)))
        holders = self._ids.get(integration_id, ())
        if holder not in holders:
            self._held[uid] = integration_id
            self._ids[integration_id] = (*_without(uid, holders), holder)

    def holders(self, viewer: Holder) -> HoldersBut:
        """The others' ids."""
        return HoldersBut(self._ids, viewer)

    def announce(self, holder: Holder, intent: Intent) -> None:
        """The resource was creating when we started: its status says what, until it is heard."""
        self._unheard[holder.uid] = (holder, intent)

    def hear(self, uid: str) -> None:
        """The resource was reconciled, and claims by itself what it may have created."""
        self._unheard.pop(uid, None)

    def unheard(self, viewer: Holder, endpoint: str, signature: Mapping[str, str]) -> str | None:
        """The name of a resource that was creating this here when we started, and was not heard since."""
        for holder, intent in self._unheard.values():
            here = intent.endpoint == endpoint or viewer.place.is_same(Place(intent.authority, intent.account_id))
            if here and intent.signature == signature:
                return viewer.name_of(holder)
        return None

    def offer(self, wanted: Mapping[Scope, Hold], viewer: Holder, created: float) -> str | None:
        """Want configurations, the first of them now; answers the name of the resource with a better claim to it.

        More than one is wanted while a create with other settings is not settled.
        """
        claimant = Claimant(viewer.uid, viewer.identity, created, shared=viewer.shared)
        for scope in self._wanted.get(claimant.uid, ()):
            if scope not in wanted:
                self._leave(claimant.uid, scope)
        self._wanted[claimant.uid] = tuple(wanted)
        for scope, hold in wanted.items():
            self._claim(scope, claimant.having(hold))
        best = min(self._scopes[next(iter(wanted))], key=lambda each: each.order)
        return None if best.uid == claimant.uid else viewer.name_of(best)

    def intend(self, uid: str) -> None:
        """The resource is about to write an intent: it holds what it wants from before that reaches the server."""
        for scope in self._wanted.get(uid, ())[:1]:
            claimant = next(each for each in self._scopes[scope] if each.uid == uid)
            self._claim(scope, claimant.having(max(claimant.hold, Hold.INTENT)))

    def held(self, uid: str, scope: Scope) -> bool:
        """Whether the resource had an integration of this configuration when it last offered."""
        return any(each.uid == uid and each.hold is Hold.INTEGRATION for each in self._scopes.get(scope, ()))

    def rename(self, before: str, after: str) -> None:
        """The account behind an endpoint is known now: what was claimed of the endpoint is claimed of the account."""
        for scope in [each for each in self._scopes if each[0] == before]:
            for claimant in self._scopes.pop(scope):
                self._claim((after, scope[1]), claimant)
                wanted = self._wanted[claimant.uid]
                self._wanted[claimant.uid] = tuple((after, scope[1]) if each == scope else each for each in wanted)

    def withdraw(self, uid: str) -> None:
        """The resource is gone: what it held is free."""
        self.hear(uid)
        held = self._held.get(uid)
        if held is not None:
            self._drop(uid, held)
        for scope in self._wanted.pop(uid, ()):
            self._leave(uid, scope)

    def _claim(self, scope: Scope, claimant: Claimant) -> None:
        self._scopes[scope] = (*_without(claimant.uid, self._scopes.get(scope, ())), claimant)

    def _drop(self, uid: str, integration_id: int) -> None:
        self._held.pop(uid, None)
        holders = _without(uid, self._ids.pop(integration_id, ()))
        if holders:
            self._ids[integration_id] = holders

    def _leave(self, uid: str, scope: Scope) -> None:
        claimants = _without(uid, self._scopes.pop(scope, ()))
        if claimants:
            self._scopes[scope] = claimants
        for each in claimants:
            self._wake(each.identity)


C = TypeVar("C", Holder, Claimant)


def _without(uid: str, those: tuple[C, ...]) -> tuple[C, ...]:
    return tuple(each for each in those if each.uid != uid)
