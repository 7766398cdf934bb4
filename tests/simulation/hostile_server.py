"""A server that a tenant controls: it may answer anything, at any time, for any account.

It stands for every endpoint with a URL or a CA of the tenant's own.
"""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from netbird_streaming.core.netbird.types import (
    Applicant,
    Integration,
    IntegrationRequest,
    Listing,
    PathFamily,
    Priority,
    RateLimitState,
    Slot,
)
from netbird_streaming.errors import Effect, NotFoundError, RetryError, WaitError
from netbird_streaming.reasons import Reason
from tests.simulation.host import SimClock
from tests.simulation.network import Process

URL: Final = "https://hostile.example"
ACCOUNTS: Final = ("acc-a", "acc-a", "acc-b", "acc-hostile", None)
LATENCY: Final = 0.05


class HostileServer:
    """Invented responses of a tenant's server. It knows all ids and accounts, and the creates that it received."""

    def __init__(self, seed: int, ids: Callable[[], list[int]], now: Callable[[], datetime]) -> None:
        self.draw = random.Random(seed)
        self.silent = False
        self.asked: IntegrationRequest | None = None
        self._account = self.draw.choice(ACCOUNTS)
        self._ids = ids
        self._now = now

    def fail(self) -> None:
        """Sometimes answer nothing, and always once it is silent. Raises RetryError."""
        if self.silent or self.draw.random() < 0.15:
            raise RetryError(Reason.UNAVAILABLE, "The server did not answer.", effect=Effect.UNKNOWN)

    @property
    def account(self) -> str | None:
        """Return the account that the server claims: mostly one, sometimes another."""
        if self.draw.random() < 0.1:
            self._account = self.draw.choice(ACCOUNTS)
        return self._account

    def integration(self, integration_id: int | None = None) -> Integration:
        """Return an integration that resembles the requested one."""
        known = [*self._ids(), 9000 + self.draw.randint(0, 2)]
        asked, stamp = self.asked, self._now().isoformat()
        return Integration(
            id=integration_id or self.draw.choice(known),
            account_id=self.account,
            platform=asked.platform if asked is not None else "datadog",
            enabled=asked.enabled if asked is not None else True,
            config=dict(asked.config) if asked is not None else {},
            created_at=stamp,
            updated_at=stamp,
        )

    def listing(self) -> Listing:
        """Return all or some integrations, in one account or in several."""
        ids = [each for each in self._ids() if self.draw.random() < 0.7]
        items = [self.integration(each) for each in ids]
        return Listing(tuple(items), self._now() if self.draw.random() < 0.7 else None)


class HostileNetBird:
    """A client for such a server, in one process."""

    waited = 0.0

    def __init__(self, server: HostileServer, process: Process) -> None:
        self._server = server
        self._process = process
        self._clock = SimClock(process)
        self.path_family: PathFamily | None = PathFamily.INTEGRATIONS

    @property
    def rate_limit_state(self) -> RateLimitState:
        """No limit."""
        return RateLimitState(1.0, 1)

    def wait(self, priority: Priority, depth: int) -> float:  # noqa: ARG002  # there is no limit
        return 0.0

    async def slot(self, applicant: Applicant) -> Slot:  # noqa: ARG002  # there is no limit
        return self

    def holding(self, slot: Slot) -> Self:  # noqa: ARG002  # there is no limit
        return self

    def give_back(self) -> None:
        """Return nothing: there is no limit."""

    def spend(self, limiter: object) -> bool:  # noqa: ARG002  # there is no limit
        return True

    async def list_integrations(self, priority: Priority) -> Listing:
        await self._travel(priority)
        return self._server.listing()

    async def get(self, integration_id: int, priority: Priority) -> Integration:
        await self._travel(priority)
        self._deny()
        return self._server.integration(integration_id)

    async def create(self, request: IntegrationRequest, priority: Priority) -> Integration:
        """POST. The request is remembered, so that a LIST can show it."""
        self._server.asked = request
        await self._travel(priority)
        return self._server.integration()

    async def update(self, integration_id: int, request: IntegrationRequest, priority: Priority) -> Integration:
        """PUT."""
        self._server.asked = request
        await self._travel(priority)
        self._deny()
        return self._server.integration(integration_id)

    async def delete(self, integration_id: int, priority: Priority) -> None:  # noqa: ARG002  # it forgets nothing
        """DELETE."""
        await self._travel(priority)
        self._deny()

    async def account_id(self, priority: Priority) -> str:
        """GET /api/accounts."""
        await self._travel(priority)
        account = self._server.account
        if account is None:
            raise WaitError(Reason.PERMISSION_DENIED, "NetBird answered 403.")
        return account

    async def token_expiry(self, priority: Priority) -> datetime | None:
        """GET the user and its tokens: the expiry is anything."""
        await self._travel(priority)
        days = self._server.draw.choice((None, 0.5, 20.0, 365.0))
        return None if days is None else datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days)

    def _deny(self) -> None:
        if self._server.draw.random() < 0.2:
            raise NotFoundError(Reason.REMOTE_DELETED, "NetBird answered 404.")

    async def _travel(self, priority: Priority) -> None:  # noqa: ARG002  # all priorities are equal
        self._process.guard()
        await self._clock.sleep(LATENCY)
        self._server.fail()
