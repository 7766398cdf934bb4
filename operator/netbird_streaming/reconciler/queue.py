"""A queue of keys: one piece of work at a time for each, the newest state wins, people before clocks.

Keys of one lane (one connection, say) share a bound of their own, so that a sick lane holds up no other. What computes
or writes to Kubernetes holds one of a few slots; waiting for NetBird gives the slot back.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from netbird_streaming.core.remote import Priority
from netbird_streaming.reconciler.ports import Clock

K = TypeVar("K", bound=Hashable)

LANE_WIDTH: Final = 8
"""Keys of one lane at once; more only wait for each other (8 was measured better than 16)."""


@dataclass(slots=True, eq=False)
class _Pending(Generic[K]):
    """A key that waits for its moment, then for its turn. A newer one for the same key makes it void."""

    key: K
    lane: Hashable
    priority: Priority
    due: float
    ahead: bool = False
    begun: float = 0.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many keys are due or worked on, and for how many seconds the oldest of them has been due."""

    depth: int
    oldest_age: float


class KeyQueue(Generic[K]):
    """Keys to work on. `add` may be called at any time from the loop's thread; `run` works until cancelled."""

    def __init__(self, clock: Clock, workers: int, lane: Callable[[K], Hashable]) -> None:
        """Work on at most `workers` keys at once, not counting those inside `released`."""
        self._clock = clock
        self._slots = asyncio.Semaphore(workers)
        self._lane = lane
        self._pending: dict[K, _Pending[K]] = {}
        self._timers: list[tuple[float, int, _Pending[K]]] = []
        self._serial = 0
        self._ready: list[dict[Hashable, deque[_Pending[K]]]] = [{} for _ in Priority]
        self._running: dict[K, _Pending[K]] = {}
        self._progress = clock.monotonic()
        self._busy: dict[Hashable, int] = {}
        self._wake = asyncio.Event()

    def add(self, key: K, priority: Priority = Priority.CLOCK, *, at: float | None = None, ahead: bool = False) -> None:
        """Work on the key, at once or at a monotonic second; the earlier moment and the better priority win.

        What is `ahead` goes before the others of its priority: a burst finishes what it began before it begins more.
        """
        now = self._clock.monotonic()
        due = now if at is None else max(at, now)
        known = self._pending.get(key)
        if known is not None:
            if known.due <= due and known.priority <= priority:
                return
            priority, due = min(known.priority, priority), min(known.due, due)
        pending = self._pending[key] = _Pending(key, self._lane(key), priority, due, ahead)
        if key not in self._running:
            self._schedule(pending)

    def discard(self, key: K) -> None:
        """Forget what is pending for the key."""
        self._pending.pop(key, None)

    def stuck_for(self) -> float:
        """Seconds without progress, while there is a key that could run or runs.

        A long queue is not stuck: a token's budget may let only two requests a second through.
        """
        now = self._clock.monotonic()
        oldest = min((each.due for each in self._pending.values()), default=now)
        begun = (each.begun for each in self._running.values())
        return now - max(self._progress, min(oldest, *begun, now))

    def backlog(self) -> Backlog:
        """What there is to do now: what is to be done later does not count."""
        now = self._clock.monotonic()
        due = {key: each.due for key, each in self._pending.items() if each.due <= now}
        # A key that is worked on and due again waits since its work was due.
        due |= {key: each.due for key, each in self._running.items()}
        return Backlog(len(due), now - min(due.values(), default=now))

    def __len__(self) -> int:
        """How many keys wait or are worked on."""
        return len(self._pending.keys() | self._running.keys())

    @asynccontextmanager
    async def released(self) -> AsyncIterator[None]:
        """Give the slot back while waiting for NetBird."""
        self._slots.release()
        try:
            yield
        finally:
            await self._slots.acquire()

    async def run(self, work: Callable[[K, Priority], Awaitable[None]], grace: float) -> None:
        """Work until cancelled; then let what is begun finish for up to `grace` seconds, and cancel the rest."""
        tasks: set[asyncio.Task[None]] = set()
        try:
            while True:
                await self._slots.acquire()
                pending = await self._next()
                task = asyncio.create_task(self._one(pending, work))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        finally:
            self._slots.release()
            if tasks:
                await asyncio.wait(tasks, timeout=grace)
            for task in tasks:
                task.cancel()

    async def _one(self, pending: _Pending[K], work: Callable[[K, Priority], Awaitable[None]]) -> None:
        key, lane = pending.key, pending.lane
        try:
            await work(key, pending.priority)
        finally:
            del self._running[key]
            self._progress = self._clock.monotonic()
            self._busy[lane] -= 1
            if not self._busy[lane]:
                del self._busy[lane]
            again = self._pending.get(key)
            if again is not None:
                self._schedule(again)
            if any(self._ready):
                self._wake.set()
            self._slots.release()

    def _schedule(self, pending: _Pending[K]) -> None:
        if pending.due <= self._clock.monotonic():
            lanes = self._ready[pending.priority]
            lane = lanes.setdefault(pending.lane, deque())
            if pending.ahead:
                lane.appendleft(pending)
            else:
                lane.append(pending)
        else:
            self._serial += 1
            heapq.heappush(self._timers, (pending.due, self._serial, pending))
            if self._timers[0][2] is not pending:
                return
        self._wake.set()

    async def _next(self) -> _Pending[K]:
        while True:
            self._wake.clear()
            pending = self._take()
            if pending is not None:
                return pending
            if not self._timers:
                await self._wake.wait()
                continue
            pause = max(0.0, self._timers[0][0] - self._clock.monotonic())
            alarm = asyncio.get_running_loop().call_later(pause, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                alarm.cancel()

    def _take(self) -> _Pending[K] | None:
        """The best key that may run, taken; lanes of one priority take turns."""
        now = self._clock.monotonic()
        while self._timers and self._timers[0][0] <= now:
            pending = heapq.heappop(self._timers)[2]
            if self._is_valid(pending):
                self._schedule(pending)
        for lanes in self._ready:
            for lane in list(lanes):
                pending_of_lane = self._take_from(lanes, lane)
                if pending_of_lane is not None:
                    return pending_of_lane
        return None

    def _take_from(self, lanes: dict[Hashable, deque[_Pending[K]]], lane: Hashable) -> _Pending[K] | None:
        if self._busy.get(lane, 0) >= LANE_WIDTH:
            return None
        keys = lanes.pop(lane)
        while keys:
            pending = keys.popleft()
            if not self._is_valid(pending):
                continue
            if keys:
                lanes[lane] = keys
            del self._pending[pending.key]
            self._busy[lane] = self._busy.get(lane, 0) + 1
            pending.begun = self._clock.monotonic()
            self._running[pending.key] = pending
            return pending
        return None

    def _is_valid(self, pending: _Pending[K]) -> bool:
        return self._pending.get(pending.key) is pending and pending.key not in self._running
