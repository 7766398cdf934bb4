"""Who holds what: one resource for each integration, and one for each configuration that nobody could tell apart.

Claims are made before anything is awaited, so that two resources that are worked on at once see each other's.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeVar

from netbird_streaming.core.resources import Identity
from netbird_streaming.core.status import Intent

Scope = tuple[str, str]
"""An account (or, before it is known, an endpoint) and the digest of a configuration's signature."""


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

    @property
    def order(self) -> tuple[int, float, str]:
        """Who holds goes first, then who is older."""
        return (-self.hold, self.created, self.uid)

    def having(self, hold: Hold) -> "Claimant":
        """The same resource with another hold."""
        return Claimant(self.uid, self.identity, self.created, hold)


class Holder(NamedTuple):
    """A resource that holds an id."""

    uid: str
    identity: Identity
    account_id: str | None


@dataclass(frozen=True, slots=True)
class HoldersBut:
    """The holders of ids of one account, as one resource sees them: without itself."""

    ids: Mapping[int, tuple[Holder, ...]]
    uid: str
    account_id: str | None

    def other(self, integration_id: int) -> str | None:
        """The name of another resource that holds this id in this account, or may."""
        for uid, identity, account_id in self.ids.get(integration_id, ()):
            if uid != self.uid and (account_id is None or self.account_id in (None, account_id)):
                return identity.label
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
        self._unheard: dict[str, tuple[Identity, Intent]] = {}

    def hold(self, uid: str, identity: Identity, integration_id: int | None, account_id: str | None) -> None:
        """The resource holds this id and no other."""
        before = self._held.get(uid)
        if before is not None and before != integration_id:
            self._drop(uid, before)
        if integration_id is None:
            return
        # Many resources name the same account, each in a text of its own.
        holder = Holder(uid, identity, None if account_id is None else sys.intern(account_id))
        holders = self._ids.get(integration_id, ())
        if holder not in holders:
            self._held[uid] = integration_id
            self._ids[integration_id] = (*_without(uid, holders), holder)

    def holders(self, uid: str, account_id: str | None) -> HoldersBut:
        """The others' ids."""
        return HoldersBut(self._ids, uid, account_id)

    def announce(self, uid: str, identity: Identity, intent: Intent) -> None:
        """The resource was creating when we started: its status says what, until it is heard."""
        self._unheard[uid] = (identity, intent)

    def hear(self, uid: str) -> None:
        """The resource was reconciled, and claims by itself what it may have created."""
        self._unheard.pop(uid, None)

    def unheard(self, endpoint: str, account_id: str | None, signature: Mapping[str, str]) -> str | None:
        """The name of a resource that was creating this here when we started, and was not heard since."""
        for identity, intent in self._unheard.values():
            here = intent.endpoint == endpoint or (intent.account_id is not None and intent.account_id == account_id)
            if here and intent.signature == signature:
                return identity.label
        return None

    def offer(self, wanted: Mapping[Scope, Hold], claimant: Claimant) -> str | None:
        """Want configurations, the first of them now; answers the name of the resource with a better claim to it.

        More than one is wanted while a create with other settings is not settled.
        """
        for scope in self._wanted.get(claimant.uid, ()):
            if scope not in wanted:
                self._leave(claimant.uid, scope)
        self._wanted[claimant.uid] = tuple(wanted)
        for scope, hold in wanted.items():
            self._claim(scope, claimant.having(hold))
        best = min(self._scopes[next(iter(wanted))], key=lambda each: each.order)
        return None if best.uid == claimant.uid else best.identity.label

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
