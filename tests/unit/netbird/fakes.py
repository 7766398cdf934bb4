"""A manual clock, a network that is a function, and endpoints."""

import asyncio
import heapq
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx

from netbird_streaming.api.types import RateLimit, TokenType
from netbird_streaming.core.netbird.types import Endpoint
from netbird_streaming.netbird.client import CallMetric, ClientContext, NetBirdClient
from netbird_streaming.netbird.factory import ClientFactory
from netbird_streaming.proxies import Proxy

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
TOKEN = "nbp_0123456789"
ENDPOINT = Endpoint("https://netbird.example", TOKEN, TokenType.PERSONAL_ACCESS_TOKEN)
PLENTY = RateLimit(requests_per_minute=6000, burst=6000)
Handler = Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]


class FakeClock:
    """A clock that stands still until `advance` wakes sleepers in order. With `runs`, sleeping makes time pass."""

    def __init__(self, *, runs: bool = False) -> None:
        self._now = 1000.0
        self._runs = runs
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._serial = 0

    def monotonic(self) -> float:
        return self._now

    def now(self) -> datetime:
        return START + timedelta(seconds=self._now - 1000.0)

    async def sleep(self, seconds: float) -> None:
        if self._runs:
            self._now += seconds
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._serial += 1
        heapq.heappush(self._sleepers, (self._now + seconds, self._serial, woken))
        await woken

    async def advance(self, seconds: float) -> None:
        end = self._now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._now, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
            await settle()
        self._now = end


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


@dataclass
class Network:
    """Clients whose requests a function answers. Requests and observations are recorded."""

    handler: Handler
    clock: FakeClock = field(default_factory=lambda: FakeClock(runs=True))
    guard: Callable[[], None] = lambda: None
    requests: list[httpx.Request] = field(default_factory=list)
    calls: list[CallMetric] = field(default_factory=list)
    trust: int = 0
    opened: list[httpx.AsyncClient] = field(default_factory=list)

    def __post_init__(self) -> None:
        context = ClientContext(self.clock, random.Random(1), self.guard, self.calls.append, "test")
        self.factory = ClientFactory(context, timeout=30, initial_fraction=1.0, http=self)

    def proxy(self, _: str) -> Proxy | None:
        return None

    def trust_version(self) -> object:
        return self.trust

    def open(self, _: str | None, __: Proxy | None) -> httpx.AsyncClient:
        self.opened.append(httpx.AsyncClient(transport=httpx.MockTransport(self._answer)))
        return self.opened[-1]

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.handler(request)
        return answer if isinstance(answer, httpx.Response) else await answer

    def client(self, endpoint: Endpoint = ENDPOINT, limit: RateLimit = PLENTY) -> NetBirdClient:
        return self.factory.client(endpoint, limit)

    @property
    def asked(self) -> list[str]:
        return [f"{each.method} {each.url.path}" for each in self.requests]
