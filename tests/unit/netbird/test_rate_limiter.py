"""The rate limiter of a token: never exceeded, user changes first, no request starved."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netbird_streaming.api.types import RateLimit
from netbird_streaming.core.netbird.types import Priority, RateLimitState
from netbird_streaming.errors import RetryError
from netbird_streaming.netbird.follow_ups import LIFETIME
from netbird_streaming.netbird.rate_limiter import MAX_PAUSE, RateLimiter, RateLimiters
from netbird_streaming.reasons import Reason
from tests.unit.netbird.fakes import PLENTY, FakeClock, settle

CLOUD = RateLimit()
SMALL = RateLimit(requests_per_minute=60, burst=1)
URL = "https://api.netbird.io"


def started(*work: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    return [asyncio.ensure_future(each) for each in work]


async def use(rate_limiter: RateLimiter, priority: Priority) -> None:
    async with rate_limiter.request(priority):
        pass


async def taken(rate_limiter: RateLimiter, clock: FakeClock, seconds: float, waiters: int) -> int:
    tasks = started(*(use(rate_limiter, Priority.LOW) for _ in range(waiters)))
    await clock.advance(seconds)
    done = sum(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await settle()
    return done


async def test_new_process_starts_with_a_small_part_of_the_burst_then_follows_the_rate() -> None:
    clock = FakeClock()
    rate_limiter = RateLimiter(CLOUD, clock, 0.1)
    assert await taken(rate_limiter, clock, 0, 300) == 120
    assert await taken(rate_limiter, clock, 60, 300) == 120


async def test_idle_limiter_fills_up_to_the_burst() -> None:
    clock = FakeClock()
    rate_limiter = RateLimiter(RateLimit(requests_per_minute=60, burst=10), clock, 0.0)
    await clock.advance(3600)
    assert await taken(rate_limiter, clock, 0, 30) == 10


class Server:
    """Counts as NetBird's own limiter does, from the arrival of a request."""

    def __init__(self, limit: RateLimit, clock: FakeClock) -> None:
        self._limit, self._clock = limit, clock
        self._level, self._at = float(limit.burst), clock.monotonic()
        self.refused = 0

    def take(self) -> None:
        now = self._clock.monotonic()
        refilled = self._level + (now - self._at) * self._limit.requests_per_minute / 60
        self._level, self._at = min(self._limit.burst, refilled), now
        if self._level < 1 - 1e-5:
            self.refused += 1
        else:
            self._level -= 1


@settings(max_examples=80, deadline=None)
@given(
    st.builds(RateLimit, requests_per_minute=st.integers(1, 600), burst=st.integers(1, 20)),
    st.floats(0, 1),
    st.lists(
        st.tuples(st.floats(0, 20), st.floats(0, 5), st.floats(0, 5), st.sampled_from(Priority)),
        min_size=1,
        max_size=40,
    ),
)
def test_counting_server_never_refuses_with_any_latency(
    limit: RateLimit, share: float, requests: list[tuple[float, float, float, Priority]]
) -> None:
    clock = FakeClock()

    async def run() -> None:
        rate_limiter, server = RateLimiter(limit, clock, share), Server(limit, clock)

        async def one(pause: float, there: float, back: float, priority: Priority) -> None:
            await clock.sleep(pause)
            async with rate_limiter.request(priority):
                await clock.sleep(there)
                server.take()
                await clock.sleep(back)

        tasks = started(*(one(*each) for each in requests))
        await clock.advance(20 + len(requests) * (60 / limit.requests_per_minute + 11))
        assert all(task.done() for task in tasks)
        assert server.refused == 0

    asyncio.run(run())


async def test_high_priority_goes_first_and_equal_ones_in_order() -> None:
    clock, served = FakeClock(), list[str]()
    rate_limiter = RateLimiter(SMALL, clock, 1.0)

    async def want(name: str, priority: Priority) -> None:
        await use(rate_limiter, priority)
        served.append(name)

    await use(rate_limiter, Priority.LOW)
    started(want("resync", Priority.LOW), want("resync", Priority.LOW))
    await clock.advance(0.5)
    started(want("edit", Priority.HIGH), want("new", Priority.HIGH))
    await clock.advance(10)
    assert served == ["edit", "new", "resync", "resync"]


async def test_one_request_in_four_goes_to_the_longest_wait() -> None:
    clock, served = FakeClock(), list[str]()
    rate_limiter = RateLimiter(SMALL, clock, 1.0)

    async def want(name: str, priority: Priority) -> None:
        await use(rate_limiter, priority)
        served.append(name)

    await use(rate_limiter, Priority.LOW)
    started(want("resync", Priority.LOW), *(want(f"edit {number}", Priority.HIGH) for number in range(5)))
    await clock.advance(10)
    assert served == ["edit 0", "edit 1", "resync", "edit 2", "edit 3", "edit 4"]


class Rising:
    """An applicant whose priority rises while it waits."""

    follow_ups = 0

    def __init__(self) -> None:
        self.priority = Priority.LOW

    def requests_ahead(self, priority: Priority, depth: int) -> int:
        return 3 * depth if self.priority <= priority else 0


async def test_applicant_whose_priority_rises_goes_ahead() -> None:
    clock, served = FakeClock(), list[str]()
    rate_limiter, applicant = RateLimiter(SMALL, clock, 1.0), Rising()

    async def want(name: str, priority: Priority) -> None:
        await use(rate_limiter, priority)
        served.append(name)

    async def apply() -> None:
        slot = await rate_limiter.slot(applicant)
        assert slot.waited == pytest.approx(2.0)
        async with rate_limiter.request(Priority.LOW, slot):
            served.append("rising")

    await use(rate_limiter, Priority.LOW)
    started(want("new 0", Priority.NEW), want("new 1", Priority.NEW), want("new 2", Priority.NEW), apply())
    await clock.advance(1.2)
    applicant.priority = Priority.HIGH
    await clock.advance(10)
    assert served == ["new 0", "rising", "new 1", "new 2"]


@dataclass
class Lists:
    """A LIST for new resources, each of which sends a request after it."""

    follow_ups: int
    priority: Priority = Priority.NEW

    def requests_ahead(self, priority: Priority, depth: int) -> int:
        raise NotImplementedError


async def test_next_list_waits_until_the_requests_after_the_last_one_can_be_sent() -> None:
    clock, served = FakeClock(), list[str]()
    rate_limiter = RateLimiter(RateLimit(requests_per_minute=60, burst=4), clock, 1.0)

    async def start(name: str) -> None:
        (await rate_limiter.slot(Lists(2))).spend(rate_limiter)
        served.append(name)

    async def create() -> None:
        await use(rate_limiter, Priority.STARTED)
        served.append("create")

    # Four requests can be sent at once: two lists, and the two that follow the first of them.
    started(start("one"), start("two"), start("three"))
    await clock.advance(0.4)
    assert served == ["one", "two"]
    started(create(), create())
    await clock.advance(0.4)
    assert served == ["one", "two", "create", "create"]
    started(create(), create())
    await clock.advance(4)
    assert served == ["one", "two", "create", "create", "create", "create", "three"]


async def test_expected_requests_that_are_never_sent_block_nothing_for_long() -> None:
    clock = FakeClock()
    rate_limiter = RateLimiter(RateLimit(requests_per_minute=1, burst=4), clock, 1.0)
    (await rate_limiter.slot(Lists(2))).spend(rate_limiter)
    await use(rate_limiter, Priority.LOW)
    (waiting,) = started(use(rate_limiter, Priority.LOW))
    await clock.advance(LIFETIME - 2)
    assert not waiting.done()
    await clock.advance(3)
    assert waiting.done()


async def test_users_change_waits_for_no_expected_request() -> None:
    clock = FakeClock()
    rate_limiter = RateLimiter(RateLimit(requests_per_minute=1, burst=4), clock, 1.0)
    (await rate_limiter.slot(Lists(2))).spend(rate_limiter)
    edits = started(*(use(rate_limiter, Priority.HIGH) for _ in range(3)))
    await clock.advance(0.01)
    assert all(edit.done() for edit in edits)


async def test_slot_is_valid_for_one_request_with_its_own_token_and_outside_a_pause() -> None:
    clock = FakeClock()
    limit = RateLimit(requests_per_minute=60, burst=5)
    rate_limiter, other = RateLimiter(limit, clock, 1.0), RateLimiter(limit, clock, 1.0)
    slot = await rate_limiter.slot(Rising())
    assert rate_limiter.state.remaining == 4
    assert slot.spend(rate_limiter)
    assert not slot.spend(rate_limiter)
    slot.give_back()
    assert rate_limiter.state.remaining == 4
    slot = await other.slot(Rising())
    async with rate_limiter.request(Priority.HIGH, slot):
        assert (rate_limiter.state.remaining, other.state.remaining) == (3, 5)
    slot = await other.slot(Rising())
    slot.give_back()
    slot.give_back()
    assert other.state.remaining == 5
    slot = await other.slot(Rising())
    other.on_too_many_requests(5)
    assert not slot.spend(other)
    assert await taken(other, clock, 5.1, 10) == 1


async def test_wait_is_estimated_from_the_requests_ahead() -> None:
    clock = FakeClock()
    rate_limiter = RateLimiter(SMALL, clock, 1.0)
    assert rate_limiter.wait(Priority.LOW, 1) == 0
    await use(rate_limiter, Priority.LOW)
    started(use(rate_limiter, Priority.NEW), use(rate_limiter, Priority.LOW))
    await settle()
    waits = [rate_limiter.wait(priority, 1) for priority in Priority]
    assert waits == pytest.approx([1, 1, 2, 3])
    rate_limiter.pause(30)
    assert rate_limiter.wait(Priority.HIGH, 1) == pytest.approx(31)


@pytest.mark.parametrize("victim", [0, 1, 2])
async def test_cancelled_request_uses_nothing_and_blocks_no_other(victim: int) -> None:
    clock = FakeClock()
    rate_limiter = RateLimiter(SMALL, clock, 1.0)
    await use(rate_limiter, Priority.HIGH)
    tasks = started(*(use(rate_limiter, Priority.HIGH) for _ in range(3)))
    await clock.advance(0.5)
    tasks[victim].cancel()
    await clock.advance(1.5)
    assert [task.done() for task in tasks] == [True, True, True]
    assert sum(task.cancelled() for task in tasks) == 1


async def test_retry_after_pauses_the_whole_token_and_is_followed_by_one_request() -> None:
    clock = FakeClock()
    rate_limiter = RateLimiter(CLOUD, clock, 1.0)
    rate_limiter.on_too_many_requests(30)
    assert await taken(rate_limiter, clock, 29.9, 50) == 0
    assert await taken(rate_limiter, clock, 0.2, 50) == 1


async def test_pause_without_retry_after_doubles_until_a_request_succeeds() -> None:
    clock = FakeClock(runs=True)
    rate_limiter, waits = RateLimiter(PLENTY, clock, 1.0), list[float]()
    for _ in range(3):
        rate_limiter.on_too_many_requests(None)
        rate_limiter.on_too_many_requests(None)
        before = clock.monotonic()
        await use(rate_limiter, Priority.HIGH)
        waits.append(round(clock.monotonic() - before))
    assert waits == [1, 2, 4]
    rate_limiter.on_success()
    rate_limiter.on_too_many_requests(None)
    await use(rate_limiter, Priority.HIGH)
    assert clock.monotonic() == pytest.approx(1000 + 1 + 2 + 4 + 1, abs=0.1)


async def test_long_pause_is_reported_to_all_waiting_requests() -> None:
    clock = FakeClock()
    rate_limiter = RateLimiter(SMALL, clock, 1.0)
    await use(rate_limiter, Priority.LOW)
    tasks = started(*(use(rate_limiter, Priority.LOW) for _ in range(3)))
    await settle()
    rate_limiter.on_too_many_requests(86_400)
    await clock.advance(1)
    problems = [task.exception() for task in tasks]
    for problem in problems:
        assert isinstance(problem, RetryError)
        assert problem.reason is Reason.RATE_LIMITED
        assert problem.retry_after == pytest.approx(MAX_PAUSE, abs=2)


async def test_lowest_limit_of_a_token_applies() -> None:
    rate_limiters = RateLimiters(FakeClock(), 1.0)
    for limit in (CLOUD, RateLimit(requests_per_minute=30, burst=500), RateLimit(requests_per_minute=90, burst=50)):
        rate_limiters.add_limit(URL, "token", limit)
    assert rate_limiters.get(URL, "token", CLOUD).limit == RateLimit(requests_per_minute=30, burst=50)


async def test_reservation_states_exactly_the_current_limits() -> None:
    clock = FakeClock()
    rate_limiters = RateLimiters(clock, 1.0)
    rate_limiters.add_limit(URL, "token", SMALL)
    rate_limiters.set_limits({(URL, "token"): CLOUD})
    rate_limiter = rate_limiters.get(URL, "token", SMALL)
    assert rate_limiter.limit == CLOUD
    assert await taken(rate_limiter, clock, 0, 5) == 1


@pytest.mark.parametrize(
    "other",
    ["https://api.netbird.io//", "https://API.netbird.io:443", "https://api.netbird.io.", "https://api.netbird.io/./"],
)
async def test_equivalent_urls_share_a_limiter(other: str) -> None:
    rate_limiters = RateLimiters(FakeClock(), 1.0)
    assert rate_limiters.get(URL, "token", CLOUD) is rate_limiters.get(other, "token", CLOUD)
    assert rate_limiters.get(URL, "token", CLOUD) is not rate_limiters.get(URL, "another", CLOUD)
    rate_limiters.set_limits({(URL, "token"): CLOUD, (other, "token"): SMALL})
    assert rate_limiters.get(URL, "token", CLOUD).limit == SMALL


async def test_unused_token_is_forgotten_only_once_that_frees_no_request() -> None:
    clock = FakeClock()
    rate_limiters = RateLimiters(clock, 0.5)
    rate_limiter = rate_limiters.get(URL, "token", RateLimit(requests_per_minute=60, burst=10))
    await use(rate_limiter, Priority.HIGH)
    rate_limiters.set_limits({})
    assert len(rate_limiters) == 1
    await clock.advance(2)
    rate_limiters.set_limits({})
    assert len(rate_limiters) == 0


async def test_raised_limit_is_used_within_a_second() -> None:
    clock = FakeClock()
    rate_limiter = RateLimiter(RateLimit(requests_per_minute=1, burst=1), clock, 1.0)
    await use(rate_limiter, Priority.HIGH)
    (task,) = started(use(rate_limiter, Priority.HIGH))
    await settle()
    rate_limiter.set_limit(CLOUD)
    await clock.advance(1)
    assert task.done()


async def test_available_requests_are_the_buckets_content_and_none_in_a_pause() -> None:
    clock = FakeClock()
    rate_limiter = RateLimiter(RateLimit(requests_per_minute=60, burst=30), clock, 0.5)
    assert rate_limiter.state == RateLimitState(15.0, 30)
    assert await taken(rate_limiter, clock, 0, 10) == 10
    assert rate_limiter.state == RateLimitState(5.0, 30)
    await clock.advance(60)
    assert rate_limiter.state == RateLimitState(30.0, 30)
    rate_limiter.on_too_many_requests(20.0)
    assert rate_limiter.state == RateLimitState(0.0, 30)
    await clock.advance(21)
    assert rate_limiter.state == RateLimitState(2.0, 30)
