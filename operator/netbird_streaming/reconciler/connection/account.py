"""A NetBird account as seen through one connection: its LIST is shared by all resources that wait for one.

A LIST costs as much for one resource as for all of them. Therefore a resource that needs a LIST from after some
moment waits here, and one LIST serves all that wait.
"""

import asyncio  # noqa: TC003  # the only import that would be for types alone
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from netbird_streaming import background
from netbird_streaming.api.types import ObjectKey
from netbird_streaming.clock import Clock
from netbird_streaming.core.inputs import AccountSnapshot
from netbird_streaming.core.netbird.types import Endpoint, Integration, Priority, Slot
from netbird_streaming.errors import OperatorError, WaitError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.connection.account_check import AccountCheck
from netbird_streaming.reconciler.connection.peers import Peers
from netbird_streaming.reconciler.gate import Gate
from netbird_streaming.reconciler.ownership import account_key
from netbird_streaming.reconciler.ports import NetBird

if TYPE_CHECKING:
    from netbird_streaming.reconciler.connection.account_events import AccountEvents

SNAPSHOT_LIFETIME: Final = 45.0
"""Seconds for which a LIST is kept: ten thousand integrations are some megabytes."""
PAUSE_FACTOR: Final = 8
"""In a burst, a LIST that took a second is followed by a pause of this many, so that more creates share the next."""
MANY_MISSED: Final = 3
"""Owned integrations that a LIST lacks at once, from which on their absence is not believed."""
MIN_PAUSE: Final = 0.1
MAX_PAUSE: Final = 5.0
BURST_GAP: Final = 1.0
"""LISTs that follow each other within this many seconds are a burst; the second one of it still goes at once."""

_LISTING: Final = "Listing the integrations"


GATHER_SECONDS: Final = 1.0
"""How long the LIST for new resources waits for more of them at most."""
GATHER_STEP: Final = 0.02


class EndpointDigests(NamedTuple):
    """The digests of the endpoint of an account and of its credential; see `Account`."""

    authority: str
    endpoint: str
    proof: str


class Account:
    """The LIST of an account, the resources that wait for it, and the identity of the account.

    `credential_digest` is a keyed digest of URL, token and tenant: with it the connection's status remembers the
    account's id; `endpoint_digest` is one of connection, URL and tenant, without the token; `authority` is the server;
    `ownership_scope` is authority and account as far as that was ever known, else the endpoint. `known_since` is when
    the account became known, `last_list_at` when the last LIST that came began; before the first, the same.
    """

    def __init__(self, client: NetBird, clock: Clock, events: "AccountEvents", connection: ObjectKey) -> None:
        self.client = client
        self.connection = connection
        self.credential_digest = ""
        self.authority = ""
        self.endpoint_digest = ""
        self.ownership_scope = ""
        self.problem: OperatorError | None = None
        self.deleted_at = 0.0
        self.has_several_enabled: bool | None = None
        self.failures = 0
        self.contradicted: set[int] = set()
        """The ids that a LIST left out, and that NetBird answered for by id."""
        self.unreadable: tuple[Integration, ...] = ()
        self.vanished: frozenset[int] = frozenset()
        """The owned ids that the last LIST lacks, where they are too many to be believed."""
        self._confirmed: frozenset[int] = frozenset()
        self._check = AccountCheck()
        self._due_at = self._due_from = float("-inf")
        self._peers = Peers()
        self.known_since = self.last_list_at = clock.monotonic()
        self._clock = clock
        self._account_id: str | None = None
        self._endpoint: Endpoint | None = None
        self._events = events
        self._snapshot: AccountSnapshot | None = None
        self._waiters: dict[ObjectKey, tuple[float, Priority, Callable[[], None]]] = {}
        self._failures: dict[ObjectKey, OperatorError] = {}
        self._handed: dict[ObjectKey, AccountSnapshot] = {}
        """The LIST that each queued key is to decide with, until a reconcile of the key has ended."""
        self._awaited: set[ObjectKey] = set()
        """Those of these keys that waited for it."""
        self.gate = Gate(lambda: self.client, clock)
        self._lister: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._ended = float("-inf")
        self._server_clock: tuple[float, datetime] | None = None
        self._burst_length = 0

    @property
    def account_id(self) -> str | None:
        """The account's id, once it is confirmed for the token in use."""
        return self._account_id

    @account_id.setter
    def account_id(self, account_id: str) -> None:
        before, self.ownership_scope, self._account_id = (
            self.ownership_scope,
            account_key(self.authority, account_id),
            account_id,
        )
        if before == self.endpoint_digest:
            self._events.on_account_identified(before, self)

    def is_account_of(self, authority: str, credential_digest: str, account_id: str | None) -> bool:
        """Return whether an integration that was created with these values is in this account."""
        if authority != self.authority:
            return False
        if account_id is not None and self._account_id is not None:
            return account_id == self._account_id
        return credential_digest == self.credential_digest

    @property
    def account_checked(self) -> bool:
        """Return whether NetBird was asked for the account of the token, whatever the result."""
        return self._check.is_done(self.credential_digest)

    def set_account_id(self, account_id: str, credential_digest: str) -> None:
        """Set the account from an answer, unless the token has changed since the request."""
        if credential_digest == self.credential_digest:
            self.account_id = account_id

    @property
    def snapshot(self) -> AccountSnapshot | None:
        """The last LIST, while it is recent."""
        self.expire()
        return self._snapshot

    def missed(self, absent: frozenset[int]) -> None:
        """Set the owned ids that the last LIST lacks. Many at once are not believed until a person confirms it."""
        self._confirmed &= absent
        doubted = absent - self._confirmed
        self.vanished = doubted if len(doubted) >= MANY_MISSED else frozenset()

    def confirm_missed(self) -> None:
        """Believe the last LIST: a person said that these integrations were deleted."""
        self._confirmed |= self.vanished
        self.vanished = frozenset()

    def expire(self) -> None:
        """Drop the last LIST if it is old."""
        if self._snapshot is not None and self._clock.monotonic() - self._snapshot.started_at > SNAPSHOT_LIFETIME:
            self._snapshot = None

    @property
    def due_at(self) -> float:
        """When the next LIST is due."""
        return self._due_at

    @due_at.setter
    def due_at(self, due_at: float) -> None:
        self._due_at = self._due_from = due_at

    def schedule(self, due_at: float, due_from: float) -> None:
        """Set when the next LIST is due, and from when on one that is sent for another reason is as good."""
        self._due_at, self._due_from = due_at, due_from

    def due_list(self, key: ObjectKey) -> AccountSnapshot | None:
        """Return the LIST that was due, once it has come, also if this key's turn came long after it."""
        snapshot = self.snapshot_for(key)
        return snapshot if snapshot is not None and self._due_from <= snapshot.started_at else None

    def is_bound(self, endpoint: Endpoint) -> bool:
        """Return whether the client is one for this endpoint. The client finds the server's paths by itself."""
        return self._endpoint == replace(endpoint, path_family=None)

    def rebind(self, client: NetBird, endpoint: Endpoint, digests: "EndpointDigests", peers: Peers) -> None:
        """Use another client. With another authority, URL, token or tenant it may lead to another account."""
        self.client, self._endpoint = client, replace(endpoint, path_family=None)
        self._peers.accounts.pop(self, None)
        self._peers = peers
        peers.accounts[self] = None
        self.authority = digests.authority
        if digests.endpoint != self.endpoint_digest:
            self.endpoint_digest = self.ownership_scope = digests.endpoint
        if digests.proof != self.credential_digest:
            self.credential_digest, self._account_id, self._snapshot = digests.proof, None, None
            self._check.reset()
            self.contradicted, self.vanished, self.unreadable = set(), frozenset(), ()
            self._handed.clear()
            self._awaited.clear()
            self.due_at = float("-inf")
            self.gate.reset()

    def server_now(self) -> datetime | None:
        """Return the time by NetBird's clock, from the `Date` of the last LIST."""
        if self._server_clock is None:
            return None
        started_at, date = self._server_clock
        return date + timedelta(seconds=self._clock.monotonic() - started_at)

    def await_list(self, key: ObjectKey, not_before: float, priority: Priority, resume: Callable[[], None]) -> None:
        """Call `resume` once a LIST that began at or after `since` has arrived or failed; see `take_list_error`."""
        self._waiters[key] = (not_before, priority, resume)
        if self._lister is None or self._lister.done():
            self._lister = background.start(self._list_for_all(), "account list")

    def take_list_error(self, key: ObjectKey) -> OperatorError | None:
        """Return why the LIST that this resource waited for failed. Each failure is returned once."""
        return self._failures.pop(key, None)

    def snapshot_for(self, key: ObjectKey) -> AccountSnapshot | None:
        """Return the last LIST while it is recent, or the one handed to this key, however long its turn took."""
        return self.snapshot or self._handed.get(key)

    def awaited_at(self, key: ObjectKey) -> float | None:
        """Return when the LIST began that this key waited for; None if it waited for none."""
        return self._handed[key].started_at if key in self._awaited else None

    def hand_list(self, key: ObjectKey, snapshot: AccountSnapshot) -> None:
        """Keep a LIST for a key that is queued because of it."""
        self._handed[key] = snapshot
        self._awaited.discard(key)

    def release_list(self, key: ObjectKey) -> None:
        """Forget the LIST that was handed to this key: a reconcile has used it."""
        self._handed.pop(key, None)
        self._awaited.discard(key)

    def forget(self, key: ObjectKey) -> None:
        """Stop the waiting of a resource."""
        self.gate.forget(key)
        self._waiters.pop(key, None)
        self._failures.pop(key, None)
        self.release_list(key)

    def close(self) -> None:
        """Stop listing and asking; who waits looks again."""
        self._peers.accounts.pop(self, None)
        self.gate.reset()
        self._check.cancel()
        if self._lister is not None:
            self._lister.cancel()
        parked, self._waiters = self._waiters, {}
        for _, _, resume in parked.values():
            resume()

    async def confirm(self, priority: Priority) -> OperatorError | None:
        """Identify the account by `GET /api/accounts`, since no LIST did. Return why it can't be identified."""
        digest = self.credential_digest
        return await self._check.run(self.client, digest, priority, lambda found: self.set_account_id(found, digest))

    async def _list_for_all(self) -> None:
        while self._waiters:
            pause = self._not_before - self._clock.monotonic()
            if pause > 0:
                await self._clock.sleep(pause)
            now = self._clock.monotonic()
            if not self._due():
                soonest = min((since for since, _, _ in self._waiters.values()), default=now)
                await self._clock.sleep(max(soonest - now, 0.001))
                continue
            peers = self._peers
            async with peers.lock:
                if not self._due():
                    continue  # the LIST of a peer has served them
                await self._gather()
                started_at, outcome = await self._list()
            for account in (self, *peers.others(self)):
                account.receive(started_at, outcome, requested=account is self)

    def receive(
        self, started_at: float, outcome: AccountSnapshot | OperatorError | None, *, requested: bool = False
    ) -> None:
        """Apply a LIST, or its error. The outcome is None if a former token was used."""
        served = [key for key, (since, _, _) in self._waiters.items() if since <= started_at]
        if isinstance(outcome, AccountSnapshot):
            self._take(outcome)
        elif outcome is not None and (served or requested):
            self.problem = outcome
            self.failures += 1
        for key in served:
            _, _, resume = self._waiters.pop(key)
            if isinstance(outcome, OperatorError):
                self._failures[key] = outcome
            elif outcome is not None:
                self._handed[key] = outcome
                self._awaited.add(key)
            resume()
        is_due = isinstance(outcome, AccountSnapshot) and self._due_from <= started_at
        if served or requested or is_due:
            self._events.on_list_done(self)

    async def _gather(self) -> None:
        """Wait a moment for new resources that are about to need the same LIST."""
        latest = self._clock.monotonic() + GATHER_SECONDS
        while self.priority is Priority.NEW and self._clock.monotonic() < latest:
            if not self._events.is_preparing(self._waiters):
                return
            await self._clock.sleep(GATHER_STEP)

    def _due(self) -> list[Priority]:
        """Return the priorities of those that a LIST which begins now would serve."""
        now = self._clock.monotonic()
        return [priority for since, priority, _ in self._waiters.values() if since <= now]

    def _due_of_all(self) -> list[Priority]:
        return [priority for account in (self, *self._peers.others(self)) for priority in account._due()]  # noqa: SLF001  # of this class

    @property
    def priority(self) -> Priority:
        """The priority of the next LIST: the best of those that wait for it, here and at a peer."""
        return min(self._due_of_all(), default=Priority.LOW)

    @property
    def follow_ups(self) -> int:
        """The number of creates of the waiting resources, and the request for an unknown account."""
        new = self._due_of_all().count(Priority.NEW)
        return new + (self._account_id is None) if new else 0

    def requests_ahead(self, priority: Priority, depth: int) -> int:  # noqa: ARG002  # one LIST serves all
        """Return whether the next LIST is sent before a request of this priority."""
        return int(self.priority <= priority)

    async def _list(self) -> tuple[float, AccountSnapshot | OperatorError | None]:
        """Send a LIST as soon as the rate limit allows it; it serves all that wait by then. Return when it began."""
        try:
            slot = await self.client.slot(self)
        except OperatorError as problem:
            return self._clock.monotonic(), problem
        except Exception as problem:  # noqa: BLE001  # those that wait must not wait for ever
            return self._clock.monotonic(), background.unexpected(problem, _LISTING)
        started_at = self._clock.monotonic()
        try:
            return started_at, await self._list_with(slot, started_at)
        finally:
            slot.give_back()
            self._throttle(started_at)

    async def _list_with(self, slot: Slot, started_at: float) -> AccountSnapshot | OperatorError | None:
        credential_digest = self.credential_digest
        self.expire()
        try:
            listing = await self.client.holding(slot).list_integrations(self.priority)
        except OperatorError as problem:
            return problem
        except Exception as problem:  # noqa: BLE001  # those that wait must not wait for ever
            return background.unexpected(problem, _LISTING)
        if credential_digest != self.credential_digest:
            return None
        snapshot = AccountSnapshot(listing, started_at)
        if len(snapshot.account_ids) > 1:
            message = "NetBird listed integrations of more than one account, which is not valid. The operator retries."
            return WaitError(Reason.UNEXPECTED_ANSWER, message)
        return snapshot

    def _take(self, snapshot: AccountSnapshot) -> None:
        if snapshot.date is not None:
            self._server_clock = (snapshot.started_at, snapshot.date)
        for account_id in snapshot.account_ids:
            self.account_id = account_id
        self._snapshot, self.problem, self.failures = snapshot, None, 0
        self.last_list_at = snapshot.started_at
        self.contradicted -= snapshot.by_id.keys()
        self.unreadable = snapshot.unreadable
        self._events.on_list(self, snapshot)

    def _throttle(self, started_at: float) -> None:
        self._burst_length = self._burst_length + 1 if started_at - self._ended < BURST_GAP else 0
        self._ended = self._clock.monotonic()
        pause = max(MIN_PAUSE, min((self._ended - started_at) * PAUSE_FACTOR, MAX_PAUSE)) if self._burst_length else 0.0
        self._not_before = self._ended + pause
