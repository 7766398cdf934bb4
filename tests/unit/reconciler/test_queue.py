"""The queue: one reconcile at a time for each key, the newest version wins, user changes first, lanes apart."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from netbird_streaming.core.netbird.types import Priority
from netbird_streaming.reconciler.queue import MAX_PER_FAIRNESS_KEY, Backlog, KeyQueue
from tests.unit.netbird.fakes import FakeClock


class LoopClock:
    """The event loop's own time."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


Work = Callable[[str, Priority], Awaitable[bool]]


async def drain(queue: KeyQueue[str], work: Work) -> None:
    runner = asyncio.create_task(queue.run(work, grace=1))
    while len(queue):  # noqa: ASYNC110  # a queue has no event for being empty
        await asyncio.sleep(0)
    runner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await runner


async def test_key_that_changes_during_its_reconcile_is_reconciled_once_more() -> None:
    queue: KeyQueue[str] = KeyQueue(LoopClock(), 4, lambda key: key)
    done: list[str] = []

    async def work(key: str, priority: Priority) -> bool:
        if not done:
            queue.add(key)
            queue.add(key)
        await asyncio.sleep(0)
        done.append(key)
        return False

    queue.add("a")
    queue.add("a")
    await drain(queue, work)
    assert done == ["a", "a"]


async def test_key_is_never_reconciled_twice_at_once() -> None:
    queue: KeyQueue[str] = KeyQueue(LoopClock(), 4, lambda key: key)
    running = 0

    async def work(key: str, priority: Priority) -> bool:
        nonlocal running
        running += 1
        assert running == 1
        for _ in range(3):
            await asyncio.sleep(0)
        if priority is Priority.LOW:
            queue.add(key, Priority.HIGH)
        running -= 1
        return False

    queue.add("a")
    await drain(queue, work)


async def test_user_changes_precede_periodic_work() -> None:
    queue: KeyQueue[str] = KeyQueue(LoopClock(), 1, lambda key: key)
    done: list[str] = []

    async def work(key: str, priority: Priority) -> bool:
        done.append(key)
        return False

    for key in ("c1", "c2", "c3"):
        queue.add(key)
    queue.add("u", Priority.HIGH)
    queue.add("c3", Priority.HIGH)
    await drain(queue, work)
    assert done == ["u", "c3", "c1", "c2"]


async def test_started_key_precedes_others() -> None:
    queue: KeyQueue[str] = KeyQueue(LoopClock(), 1, lambda _: "one lane")
    done: list[str] = []

    async def work(key: str, priority: Priority) -> bool:
        done.append(key)
        return False

    for number in range(3):
        queue.add(f"new {number}")
    queue.add("begun", front=True)
    queue.add("a person's", Priority.HIGH)
    await drain(queue, work)
    assert done == ["a person's", "begun", "new 0", "new 1", "new 2"]


async def test_failing_lane_blocks_no_other() -> None:
    queue: KeyQueue[str] = KeyQueue(LoopClock(), 2, lambda key: key[0])
    stuck, done = asyncio.Event(), asyncio.Event()
    waiting = 0

    async def work(key: str, priority: Priority) -> bool:
        nonlocal waiting
        if key.startswith("s"):
            waiting += 1
            async with queue.slot_released(key):
                await stuck.wait()
        else:
            done.set()
        return False

    for number in range(MAX_PER_FAIRNESS_KEY * 3):
        queue.add(f"s{number}", Priority.HIGH)
    queue.add("h", Priority.LOW)
    runner = asyncio.create_task(queue.run(work, grace=0.01))
    async with asyncio.timeout(5):
        await done.wait()
    assert waiting == MAX_PER_FAIRNESS_KEY
    runner.cancel()
    stuck.set()
    with pytest.raises(asyncio.CancelledError):
        await runner


async def test_keys_that_wait_long_for_netbird_make_room_for_others_of_their_lane() -> None:
    queue: KeyQueue[str] = KeyQueue(LoopClock(), 2, lambda _: "one lane")
    stuck, done = asyncio.Event(), asyncio.Event()

    async def work(key: str, priority: Priority) -> bool:
        if key == "healthy":
            done.set()
        else:
            async with queue.slot_released(key):
                await stuck.wait()
        return False

    for number in range(MAX_PER_FAIRNESS_KEY * 3):
        queue.add(f"slow {number}", Priority.HIGH)
    queue.add("healthy", Priority.HIGH)
    runner = asyncio.create_task(queue.run(work, grace=1))
    async with asyncio.timeout(5):
        await done.wait()
    stuck.set()
    while len(queue):  # noqa: ASYNC110  # a queue has no event for being empty
        await asyncio.sleep(0)
    runner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await runner


async def test_no_priority_of_a_lane_waits_for_another() -> None:
    queue: KeyQueue[str] = KeyQueue(LoopClock(), MAX_PER_FAIRNESS_KEY + 1, lambda _: "one lane")
    stuck, done = asyncio.Event(), asyncio.Event()

    async def work(key: str, priority: Priority) -> bool:
        if priority is Priority.HIGH:
            done.set()
        else:
            await stuck.wait()
        return False

    for number in range(MAX_PER_FAIRNESS_KEY):
        queue.add(f"slow {number}")
    runner = asyncio.create_task(queue.run(work, grace=1))
    await asyncio.sleep(0)
    queue.add("edit", Priority.HIGH)
    async with asyncio.timeout(5):
        await done.wait()
    runner.cancel()
    stuck.set()
    with pytest.raises(asyncio.CancelledError):
        await runner


async def test_waiting_key_is_in_the_backlog_from_its_due_time_until_it_succeeds() -> None:
    clock = FakeClock()
    queue: KeyQueue[str] = KeyQueue(clock, 4, lambda key: key)
    waits = True

    async def work(key: str, priority: Priority) -> bool:
        return waits

    queue.add("parked")
    queue.add("gone")
    runner = asyncio.create_task(queue.run(work, grace=1))
    await clock.advance(20)
    assert len(queue) == 0
    assert (queue.backlog(), queue.stuck_for()) == (Backlog(2, 20.0), 0.0)
    queue.discard("gone")
    queue.add("parked")
    await clock.advance(5)
    assert (queue.backlog(), queue.stuck_for()) == (Backlog(1, 25.0), 0.0)
    waits = False
    queue.add("parked")
    await clock.advance(1)
    assert queue.backlog() == Backlog(0, 0.0)
    runner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await runner


async def test_waiting_key_keeps_its_priority_when_added_again() -> None:
    queue: KeyQueue[str] = KeyQueue(LoopClock(), 1, lambda key: key)
    done: list[tuple[str, Priority]] = []

    async def work(key: str, priority: Priority) -> bool:
        done.append((key, priority))
        return len(done) == 1

    queue.add("a", Priority.NEW)
    await drain(queue, work)
    queue.add("a", Priority.LOW)
    await drain(queue, work)
    queue.add("a", Priority.LOW)
    await drain(queue, work)
    assert done == [("a", Priority.NEW), ("a", Priority.NEW), ("a", Priority.LOW)]


async def test_lane_takes_as_many_turns_as_may_run_at_once() -> None:
    queue: KeyQueue[str] = KeyQueue(LoopClock(), 1, lambda key: key[0])
    done: list[str] = []

    async def work(key: str, priority: Priority) -> bool:
        done.append(key[0])
        return False

    for number in range(20):
        queue.add(f"a{number}")
    queue.add("b")
    assert queue.is_busy("a", Priority.LOW)
    assert not queue.is_busy("a", Priority.HIGH)
    await drain(queue, work)
    assert "".join(done) == "a" * 8 + "b" + "a" * 12
    assert not queue.is_busy("a", Priority.LOW)


async def test_earlier_time_wins_over_a_later_one() -> None:
    queue: KeyQueue[str] = KeyQueue(LoopClock(), 1, lambda key: key)
    done: list[str] = []

    async def work(key: str, priority: Priority) -> bool:
        done.append(key)
        return False

    queue.add("a", at=LoopClock().monotonic() + 3600)
    queue.add("a")
    queue.add("a", at=LoopClock().monotonic() + 3600)
    await drain(queue, work)
    assert done == ["a"]


async def test_started_reconcile_is_finished_on_stop() -> None:
    queue: KeyQueue[str] = KeyQueue(LoopClock(), 1, lambda key: key)
    begun, finished = asyncio.Event(), asyncio.Event()

    async def work(key: str, priority: Priority) -> bool:
        begun.set()
        for _ in range(5):
            await asyncio.sleep(0)
        finished.set()
        return False

    queue.add("a")
    runner = asyncio.create_task(queue.run(work, grace=5))
    await begun.wait()
    runner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await runner
    assert finished.is_set()


async def test_queue_without_progress_is_stuck_and_a_long_one_is_not() -> None:
    now = 0.0

    class Hand(LoopClock):
        def monotonic(self) -> float:
            return now

    queue: KeyQueue[str] = KeyQueue(Hand(), 1, lambda key: key)
    queue.add("later", at=100)
    now = 50.0
    assert queue.stuck_for() == 0
    for number in range(3):
        queue.add(f"now{number}")
    now = 80.0
    assert queue.stuck_for() == 30

    async def work(key: str, priority: Priority) -> bool:
        assert queue.stuck_for() <= 30
        return False

    runner = asyncio.create_task(queue.run(work, grace=1))
    while len(queue) > 1:  # noqa: ASYNC110  # the same
        await asyncio.sleep(0)
    assert queue.stuck_for() == 0
    runner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await runner


async def test_backlog_has_due_and_running_keys_and_ages_from_the_due_time() -> None:
    clock = FakeClock()
    queue: KeyQueue[str] = KeyQueue(clock, 1, lambda key: key)
    assert queue.backlog() == Backlog(0, 0.0)
    queue.add("now")
    queue.add("soon", at=clock.monotonic() + 5)
    queue.add("later", at=clock.monotonic() + 60)
    assert queue.backlog() == Backlog(1, 0.0)
    await clock.advance(8)
    assert queue.backlog() == Backlog(2, 8.0)
    ended = asyncio.Event()

    async def work(key: str, priority: Priority) -> bool:
        queue.add("now")
        await ended.wait()
        return False

    runner = asyncio.create_task(queue.run(work, grace=1))
    await clock.advance(2)
    # The first is running and due again: one key, due for ten seconds.
    assert queue.backlog() == Backlog(2, 10.0)
    queue.discard("now")
    queue.discard("soon")
    ended.set()
    await clock.advance(1)
    assert queue.backlog() == Backlog(0, 0.0)
    runner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await runner
