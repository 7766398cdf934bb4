"""The requests that a token may make: a bucket that is shared by all who use one API token.

NetBird counts requests by token, over all tenants together (see `x/time/rate`, which its server uses): a bucket of
`burst` requests that refills by `requestsPerMinute`. Ours never holds more than what the server's will hold once all
requests on their way have arrived: a server's full bucket does not refill, and it may be full until the first of them
is there. So ours fills up to the burst less those on their way, and no further.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from netbird_streaming.api.types import RateLimit
from netbird_streaming.core.netbird.compare import canonical_url
from netbird_streaming.core.netbird.types import Applicant, Priority, RateLimitState, Slot
from netbird_streaming.errors import RetryError
from netbird_streaming.netbird.follow_ups import FollowUps
from netbird_streaming.reasons import Reason

MAX_WAIT: Final = 60.0
"""Seconds of a pause that are waited out in place; a longer one is an error, so that the resource can say so."""
MAX_PAUSE: Final = 600.0
"""A server that asks for more is asked again after this, in case it was a mistake."""
MIN_PAUSE: Final = 1.0
SHARE: Final = 4
"""One request in four goes to what has waited longest, so that no priority starves another."""
_POLL_SECONDS: Final = 1.0
"""Seconds after which the first in line looks again whether the limit or the line changed."""
_ALMOST: Final = 1e-6
"""What rounding may lack of a whole request; far less than the time on the way differs."""


class Clock(Protocol):
    """Time, passed in so that tests and the simulation can own it."""

    def monotonic(self) -> float:
        """Seconds since some moment, never backwards."""
        ...

    def now(self) -> datetime:
        """The wall clock's time in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        ...


@dataclass(frozen=True, slots=True)
class _Single:
    """One request that waits by itself."""

    priority: Priority
    follow_ups: int = 0

    def requests_ahead(self, priority: Priority, depth: int) -> int:  # noqa: ARG002  # one request has no depth
        return int(self.priority <= priority)


@dataclass(slots=True, eq=False)
class _Waiter:
    applicant: Applicant
    serial: int
    turn: asyncio.Event = field(default_factory=asyncio.Event)


class _Slot:
    """One request that may be sent now. It counts as sent until it is given back."""

    def __init__(self, rate_limiter: "RateLimiter", waited: float) -> None:
        self._budget = rate_limiter
        self._is_open = True
        self.waited = waited

    def give_back(self) -> None:
        """Return the request to the token, unless it was sent."""
        if self._is_open:
            self._is_open = False
            self._budget.took_back()

    def spend(self, limiter: object) -> bool:
        """Return whether the request may be sent: once, with the token that it was taken from, and in no pause."""
        if self._is_open and (limiter is not self._budget or self._budget.is_paused):
            self.give_back()
        spent, self._is_open = self._is_open, False
        return spent


class RateLimiter:
    """One token's bucket. No task of its own: whoever is first in line waits for all, so cancelling anyone is safe."""

    def __init__(self, limit: RateLimit, clock: Clock, initial_fraction: float) -> None:
        """Start with a part of the burst: whoever used the token before may have spent the rest a moment ago."""
        self._clock = clock
        self._initial_fraction = initial_fraction
        self._waiters: list[_Waiter] = []
        self._serial = 0
        self._granted = 0
        self._refusals = 0
        self._in_flight = 0
        self._follow_ups = FollowUps()
        self._at = clock.monotonic()
        self.limit = limit
        self._level = self._initial_level

    @property
    def _initial_level(self) -> float:
        return max(1.0, self.limit.burst * self._initial_fraction)

    @property
    def _rate(self) -> float:
        return max(self.limit.requests_per_minute, 1) / 60

    @property
    def is_idle(self) -> bool:
        """Whether a new budget would allow no more than this one does."""
        self._refill()
        is_used = self._waiters or self._in_flight
        return not is_used and self._level >= min(self._initial_level, self.limit.burst)

    @property
    def is_paused(self) -> bool:
        """Whether the server asked for a pause that is not over."""
        return self._at > self._clock.monotonic()

    @property
    def state(self) -> RateLimitState:
        """What may be sent now; nothing in a pause that the server asked for."""
        self._refill()
        return RateLimitState(0.0 if self.is_paused else max(0.0, self._level), max(self.limit.burst, 1))

    def wait(self, priority: Priority, depth: int) -> float:
        """Estimate the seconds until a request is sent that begins to wait now, the `depth`-th of its namespace."""
        ahead = sum(each.applicant.requests_ahead(priority, depth) for each in self._waiters)
        self._refill()
        missing = max(0.0, 1 + ahead - self._level)
        return max(0.0, self._at - self._clock.monotonic()) + missing / self._rate

    def set_limit(self, limit: RateLimit) -> None:
        """Take another limit; a larger burst fills up by and by."""
        self._refill()
        self.limit = limit
        self._level = min(self._level, max(limit.burst, 1))

    @asynccontextmanager
    async def request(self, priority: Priority, slot: Slot | None = None) -> AsyncIterator[None]:
        """Wait until one more request may be sent, unless the slot allows it; send it inside.

        Raises:
            RetryError: the server asked for a longer pause than is waited out.
        """
        if slot is None or not slot.spend(self):
            (await self.slot(_Single(priority))).spend(self)
        try:
            yield
        finally:
            self._refill()
            self._in_flight -= 1

    async def slot(self, applicant: Applicant) -> Slot:
        """Wait for one request: by priority, then first come, first served. One in `SHARE` goes to the longest wait.

        Raises:
            RetryError: the server asked for a longer pause than is waited out.
        """
        self._serial += 1
        asked = self._clock.monotonic()
        waiter = _Waiter(applicant, self._serial)
        self._waiters.append(waiter)
        try:
            while True:
                waiter.turn.clear()
                self._refuse_long_pause()
                first = self._first()
                if first is not waiter:
                    first.turn.set()
                    await waiter.turn.wait()
                elif (delay := self._delay(applicant)) > 0:
                    await self._clock.sleep(min(delay, _POLL_SECONDS))
                else:
                    self._grant(applicant)
                    return _Slot(self, self._clock.monotonic() - asked)
        finally:
            self._waiters.remove(waiter)
            self._wake()

    def _grant(self, applicant: Applicant) -> None:
        self._level -= 1
        self._in_flight += 1
        self._granted += 1
        if applicant.priority is Priority.STARTED:
            self._follow_ups.sent()
        self._follow_ups.add(min(applicant.follow_ups, self.limit.burst // 2), self._clock.monotonic())

    def took_back(self) -> None:
        """Take back a slot that was not used."""
        self._in_flight -= 1
        self._refill()
        if not self.is_paused:
            self._level = min(self._level + 1, max(self.limit.burst, 1) - self._in_flight)
        self._wake()

    @property
    def _is_turn_of_the_oldest(self) -> bool:
        return self._granted % SHARE == SHARE - 1

    def _first(self) -> _Waiter:
        if self._is_turn_of_the_oldest:
            expected = self._follow_ups.count(self._clock.monotonic())
            oldest = [each for each in self._waiters if not (expected and each.applicant.follow_ups)]
            if oldest:
                return min(oldest, key=lambda each: each.serial)
        return min(self._waiters, key=lambda each: (each.applicant.priority, each.serial))

    def _wake(self) -> None:
        if self._waiters:
            self._first().turn.set()

    def on_too_many_requests(self, retry_after: float | None) -> None:
        """The server said that there were too many: nobody sends anything for as long as it asks.

        Where it does not say how long, the pause doubles from each refusal to the next.
        """
        if retry_after is not None:
            self.pause(retry_after)
        elif self._at <= self._clock.monotonic():
            self.pause(2.0 ** min(self._refusals, 6))
            self._refusals += 1

    def pause(self, seconds: float) -> None:
        """Send nothing for some seconds, then one request, then more at the refill's pace."""
        self._refill()
        until = self._clock.monotonic() + min(max(seconds, MIN_PAUSE), MAX_PAUSE)
        self._at, self._level = max(self._at, until), min(self._level, 1.0)

    def on_success(self) -> None:
        """The server let a request through."""
        self._refusals = 0

    def _refuse_long_pause(self) -> None:
        pause = self._at - self._clock.monotonic()
        if pause > MAX_WAIT:
            message = f"NetBird asked this token to wait for minutes. {Reason.RATE_LIMITED.remedy}"
            raise RetryError(Reason.RATE_LIMITED, message, retry_after=pause)

    def _refill(self) -> None:
        """Bring the level up to now; in a pause `_at` lies ahead, and nothing is added before it."""
        now = self._clock.monotonic()
        if now > self._at:
            room = max(self.limit.burst, 1) - self._in_flight
            self._level = max(self._level, min(room, self._level + (now - self._at) * self._rate))
            self._at = now

    def _delay(self, applicant: Applicant) -> float:
        """Return the seconds until a request may be sent.

        The LIST for new resources waits until the requests that are expected already can be sent too. So does periodic
        work, unless it has waited longest and it is the turn of that.
        """
        self._refill()
        missing = 1 - self._level
        if applicant.priority > Priority.STARTED and (applicant.follow_ups or not self._is_turn_of_the_oldest):
            missing += self._follow_ups.count(self._clock.monotonic())
        pause = max(0.0, self._at - self._clock.monotonic())
        return pause + (missing / self._rate if missing > _ALMOST else 0.0)


class RateLimiters:
    """The budgets of all (URL, token) pairs; URLs that only look different are one."""

    def __init__(self, clock: Clock, initial_fraction: float) -> None:
        """Start without any. `initial_fraction` is the part of a burst, 0 to 1, that a new budget holds."""
        self._clock = clock
        self._initial_fraction = initial_fraction
        self._limiters: dict[tuple[str, str], RateLimiter] = {}

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._limiters)

    def get(self, url: str, token: str, limit: RateLimit) -> RateLimiter:
        """The pair's budget; one that is not known yet starts with this limit."""
        key = _key(url, token)
        rate_limiter = self._limiters.get(key)
        if rate_limiter is None:
            rate_limiter = self._limiters[key] = RateLimiter(limit, self._clock, self._initial_fraction)
        return rate_limiter

    def add_limit(self, url: str, token: str, limit: RateLimit) -> None:
        """One more user of the pair: the lower of the limits holds."""
        rate_limiter = self.get(url, token, limit)
        rate_limiter.set_limit(_lower_limit(rate_limiter.limit, limit))

    def set_limits(self, limits: Mapping[tuple[str, str], RateLimit]) -> None:
        """Set the limits of all pairs in use. Another is forgotten once that frees no request."""
        wanted: dict[tuple[str, str], RateLimit] = {}
        for (url, token), limit in limits.items():
            key = _key(url, token)
            wanted[key] = _lower_limit(wanted.get(key, limit), limit)
        for key, limit in wanted.items():
            self.get(*key, limit).set_limit(limit)
        for key in [key for key, rate_limiter in self._limiters.items() if key not in wanted and rate_limiter.is_idle]:
            del self._limiters[key]


def _key(url: str, token: str) -> tuple[str, str]:
    return canonical_url(url).rstrip("/"), token


def _lower_limit(one: RateLimit, other: RateLimit) -> RateLimit:
    return RateLimit(
        requests_per_minute=min(one.requests_per_minute, other.requests_per_minute), burst=min(one.burst, other.burst)
    )
