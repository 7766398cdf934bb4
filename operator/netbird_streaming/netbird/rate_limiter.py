"""Rate limiter: a token bucket that all clients of one API token share.

NetBird counts requests per token, over all tenants together. Its server uses `x/time/rate`: a bucket of `burst`
requests that refills by `requestsPerMinute`. This bucket never holds more than the server's bucket holds once all
requests in flight have arrived. A full bucket of the server does not refill, and it may be full until the first of
these requests arrives. So this bucket refills up to the burst minus the requests in flight.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from netbird_streaming.api.types import RateLimit
from netbird_streaming.clock import Clock
from netbird_streaming.core.netbird.endpoints import origin
from netbird_streaming.core.netbird.types import Applicant, Priority, RateLimitState, Slot
from netbird_streaming.errors import RetryError
from netbird_streaming.netbird.follow_ups import FollowUps
from netbird_streaming.reasons import Reason

MAX_WAIT: Final = 60.0
"""Seconds of a pause for which a request waits. A longer pause is an error, so that the status reports it."""
MAX_PAUSE: Final = 600.0
"""Seconds. A longer `Retry-After` is shortened to this, since it may be a mistake."""
MIN_PAUSE: Final = 1.0
SHARE: Final = 4
"""One request in four goes to the longest wait, so that no priority starves another."""
_POLL_SECONDS: Final = 1.0
"""Seconds after which the first waiter checks again whether the limit or the queue changed."""
_ALMOST: Final = 1e-6
"""The part of a request that rounding may lose. It is far smaller than the variation of the latency."""


@dataclass(frozen=True, slots=True)
class _Single:
    """Single request that waits for the rate limit."""

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
    """Right to send one request now. It counts as used until it is given back."""

    def __init__(self, rate_limiter: "RateLimiter", waited: float) -> None:
        self._budget = rate_limiter
        self._is_open = True
        self.waited = waited

    def give_back(self) -> None:
        """Return the slot to the rate limiter, unless it was used."""
        if self._is_open:
            self._is_open = False
            self._budget.took_back()

    def spend(self, limiter: object) -> bool:
        """Use the slot and return whether the request may be sent.

        It may be sent once, with the token of the slot, and not during a pause.
        """
        if self._is_open and (limiter is not self._budget or self._budget.is_paused):
            self.give_back()
        spent, self._is_open = self._is_open, False
        return spent


class RateLimiter:
    """Bucket of one token. The first waiter waits for all others. There is no task, so any waiter may be cancelled.

    Args:
        limit: The rate limit.
        clock: The clock.
        initial_fraction: The part of the burst at the start. An earlier process may have used the rest just before.
    """

    def __init__(self, limit: RateLimit, clock: Clock, initial_fraction: float) -> None:
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
        """Return whether a new rate limiter would allow no more than this one."""
        self._refill()
        is_used = self._waiters or self._in_flight
        return not is_used and self._level >= min(self._initial_level, self.limit.burst)

    @property
    def is_paused(self) -> bool:
        """Return whether a pause that the server asked for is not over."""
        return self._at > self._clock.monotonic()

    @property
    def state(self) -> RateLimitState:
        """Return how many requests may be sent now. During a pause that is none."""
        self._refill()
        return RateLimitState(0.0 if self.is_paused else max(0.0, self._level), max(self.limit.burst, 1))

    def wait(self, priority: Priority, depth: int) -> float:
        """Estimate the seconds until a request is sent that begins to wait now, the `depth`-th of its namespace."""
        ahead = sum(each.applicant.requests_ahead(priority, depth) for each in self._waiters)
        self._refill()
        missing = max(0.0, 1 + ahead - self._level)
        return max(0.0, self._at - self._clock.monotonic()) + missing / self._rate

    def set_limit(self, limit: RateLimit) -> None:
        """Change the limit. A larger burst fills up gradually."""
        self._refill()
        self.limit = limit
        self._level = min(self._level, max(limit.burst, 1))

    @asynccontextmanager
    async def request(self, priority: Priority, slot: Slot | None = None) -> AsyncIterator[None]:
        """Wait until a request may be sent, unless the slot allows it. The context sends the request.

        Raises:
            RetryError: The server asked for a pause longer than `MAX_WAIT`.
        """
        if slot is None or not slot.spend(self):
            (await self.slot(_Single(priority))).spend(self)
        try:
            yield
        finally:
            self._refill()
            self._in_flight -= 1

    async def slot(self, applicant: Applicant) -> Slot:
        """Wait for a slot: by priority, then first come, first served. One in `SHARE` goes to the longest wait.

        Raises:
            RetryError: The server asked for a pause longer than `MAX_WAIT`.
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
        """Add an unused slot to the bucket again."""
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
        """Pause all requests after a 429, for `retry_after` seconds.

        Without `retry_after`, the pause doubles with each refusal in a row.
        """
        if retry_after is not None:
            self.pause(retry_after)
        elif self._at <= self._clock.monotonic():
            self.pause(2.0 ** min(self._refusals, 6))
            self._refusals += 1

    def pause(self, seconds: float) -> None:
        """Pause for some seconds, then allow one request, then more at the rate of the refill."""
        self._refill()
        until = self._clock.monotonic() + min(max(seconds, MIN_PAUSE), MAX_PAUSE)
        self._at, self._level = max(self._at, until), min(self._level, 1.0)

    def on_success(self) -> None:
        """Record that the server accepted a request."""
        self._refusals = 0

    def _refuse_long_pause(self) -> None:
        pause = self._at - self._clock.monotonic()
        if pause > MAX_WAIT:
            message = f"NetBird asks for a pause of minutes (Retry-After). {Reason.RATE_LIMITED.remedy}"
            raise RetryError(Reason.RATE_LIMITED, message, retry_after=pause)

    def _refill(self) -> None:
        """Update the level to the current time. During a pause `_at` is in the future and nothing is added."""
        now = self._clock.monotonic()
        if now > self._at:
            room = max(self.limit.burst, 1) - self._in_flight
            self._level = max(self._level, min(room, self._level + (now - self._at) * self._rate))
            self._at = now

    def _delay(self, applicant: Applicant) -> float:
        """Return the seconds until a request may be sent.

        The LIST for new resources also waits for the requests that are expected already. So does periodic work, unless
        it has waited longest and this is the turn of the longest wait.
        """
        self._refill()
        missing = 1 - self._level
        if applicant.priority > Priority.STARTED and (applicant.follow_ups or not self._is_turn_of_the_oldest):
            missing += self._follow_ups.count(self._clock.monotonic())
        pause = max(0.0, self._at - self._clock.monotonic())
        return pause + (missing / self._rate if missing > _ALMOST else 0.0)


class RateLimiters:
    """Rate limiters of all pairs of server and token, whatever the path of the URL.

    Args:
        clock: The clock.
        initial_fraction: The part of a burst, 0 to 1, that a new rate limiter holds.
    """

    def __init__(self, clock: Clock, initial_fraction: float) -> None:
        self._clock = clock
        self._initial_fraction = initial_fraction
        self._limiters: dict[tuple[str, str], RateLimiter] = {}

    def __len__(self) -> int:
        """Return the number of rate limiters."""
        return len(self._limiters)

    def get(self, url: str, token: str, limit: RateLimit) -> RateLimiter:
        """Return the rate limiter of the pair. A new one starts with this limit."""
        key = _key(url, token)
        rate_limiter = self._limiters.get(key)
        if rate_limiter is None:
            rate_limiter = self._limiters[key] = RateLimiter(limit, self._clock, self._initial_fraction)
        return rate_limiter

    def add_limit(self, url: str, token: str, limit: RateLimit) -> None:
        """Add the limit of another connection with the pair. The lower of the limits applies."""
        rate_limiter = self.get(url, token, limit)
        rate_limiter.set_limit(_lower_limit(rate_limiter.limit, limit))

    def set_limits(self, limits: Mapping[tuple[str, str], RateLimit]) -> None:
        """Set the limits of all pairs in use. Another pair is forgotten once that allows no additional request."""
        wanted: dict[tuple[str, str], RateLimit] = {}
        for (url, token), limit in limits.items():
            key = _key(url, token)
            wanted[key] = _lower_limit(wanted.get(key, limit), limit)
        for key, limit in wanted.items():
            self.get(*key, limit).set_limit(limit)
        for key in [key for key, rate_limiter in self._limiters.items() if key not in wanted and rate_limiter.is_idle]:
            del self._limiters[key]


def _key(url: str, token: str) -> tuple[str, str]:
    return origin(url), token


def _lower_limit(one: RateLimit, other: RateLimit) -> RateLimit:
    return RateLimit(
        requests_per_minute=min(one.requests_per_minute, other.requests_per_minute), burst=min(one.burst, other.burst)
    )
