"""A queue of keys: one reconcile at a time for each key, the newest state wins, the best priority first.

A lane (one namespace) has a limit of its own, so that a slow lane delays no other lane. Lanes of one priority take
turns, and no priority waits for another one of its lane. What computes or writes to Kubernetes holds one of a few
workers; waiting for NetBird gives the worker back.
"""

import asyncio
import heapq
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from netbird_streaming import background
from netbird_streaming.clock import Clock
from netbird_streaming.core.netbird.types import Priority

K = TypeVar("K", bound=Hashable)

MAX_PER_FAIRNESS_KEY: Final = 8
"""Keys of one lane and priority at once; more only wait for each other (8 was measured better than 16)."""
ASIDE_AFTER: Final = 0.1
"""Seconds of waiting for NetBird after which a key does not count for `MAX_PER_FAIRNESS_KEY`: its destination may be
hanging."""
MAX_ASIDE: Final = 128
"""Keys of one lane and priority that may be aside at once."""


@dataclass(slots=True, eq=False)
class _Pending(Generic[K]):
    """A key that waits for its moment, then for its turn. A newer one for the same key makes it void."""

    key: K
    fairness_key: Hashable
    priority: Priority
    due: float
    front: bool = False
    started_at: float = 0.0
    is_aside: bool = False

    @property
    def track(self) -> tuple[Hashable, Priority]:
        """The group of keys that `MAX_PER_FAIRNESS_KEY` limits."""
        return self.fairness_key, self.priority


@dataclass(frozen=True, slots=True)
class Backlog:
    """The number of due keys, and for how many seconds the oldest of them has been due.

    A key that waits for a LIST or for the rate limit is due. One that failed is due again when its backoff ends.
    """

    depth: int
    oldest_age: float


class KeyQueue(Generic[K]):
    """Keys to work on. `add` may be called at any time from the loop's thread; `run` works until cancelled.

    At most `workers` keys are in progress, not counting those inside `slot_released`.
    """

    def __init__(self, clock: Clock, workers: int, fairness_key: Callable[[K], Hashable]) -> None:
        self._clock = clock
        self._slots = asyncio.Semaphore(workers)
        self._fairness_key = fairness_key
        self._pending: dict[K, _Pending[K]] = {}
        self._timers: list[tuple[float, int, _Pending[K]]] = []
        self._serial = 0
        self._ready: list[dict[Hashable, deque[_Pending[K]]]] = [{} for _ in Priority]
        self._running: dict[K, _Pending[K]] = {}
        self._progress = clock.monotonic()
        self._busy: Counter[tuple[Hashable, Priority]] = Counter()
        self._aside: Counter[tuple[Hashable, Priority]] = Counter()
        self._last: tuple[Hashable, Priority] | None = None
        self._taken = 0
        self._waiting: dict[K, Priority] = {}
        """The priority of each key that waits: what adds it again does not lower that."""
        self._since: dict[K, float] = {}
        """When each key became due that has not settled since."""
        self._wake = asyncio.Event()

    def add(self, key: K, priority: Priority = Priority.LOW, *, at: float | None = None, front: bool = False) -> None:
        """Work on the key, at once or at a monotonic second; the earlier moment and the better priority win.

        What is `front` goes before the others of its priority: a burst finishes what it began before it begins more.
        """
        now = self._clock.monotonic()
        due = now if at is None else max(at, now)
        priority = min(priority, self._waiting.get(key, priority))
        known = self._pending.get(key)
        if known is not None:
            if known.due <= due and known.priority <= priority:
                return
            priority, due = min(known.priority, priority), min(known.due, due)
        pending = self._pending[key] = _Pending(key, self._fairness_key(key), priority, due, front)
        self._since[key] = min(self._since.get(key, due), due)
        if key not in self._running:
            self._schedule(pending)

    def discard(self, key: K) -> None:
        """Forget what is pending for the key."""
        self._pending.pop(key, None)
        self._waiting.pop(key, None)
        if key not in self._running:
            self._since.pop(key, None)

    def stuck_for(self) -> float:
        """Seconds without progress, while there is a key that could run or runs.

        A long queue is not stuck: a token's budget may let only two requests a second through.
        """
        now = self._clock.monotonic()
        oldest = min((each.due for each in self._pending.values()), default=now)
        begun = (each.started_at for each in self._running.values())
        return now - max(self._progress, min(oldest, *begun, now))

    def backlog(self) -> Backlog:
        """Return what there is to do now: what is due later does not count."""
        now = self._clock.monotonic()
        due = [since for since in self._since.values() if since <= now]
        return Backlog(len(due), now - min(due, default=now))

    def is_busy(self, lane: Hashable, priority: Priority) -> bool:
        """Return whether keys of a lane and priority are ready or running."""
        return lane in self._ready[priority] or self._busy[lane, priority] > 0

    def __len__(self) -> int:
        """Return the number of keys that wait or run."""
        return len(self._pending.keys() | self._running.keys())

    @asynccontextmanager
    async def slot_released(self, key: K) -> AsyncIterator[None]:
        """Release the worker of a running key while the key waits for NetBird."""
        running = self._running[key]
        step = asyncio.get_running_loop().call_later(ASIDE_AFTER, self._step_aside, running)
        self._slots.release()
        try:
            yield
        finally:
            step.cancel()
            self._step_back(running)
            await self._slots.acquire()

    def _step_aside(self, running: _Pending[K]) -> None:
        """Let another key of its lane run, unless too many are aside."""
        if self._aside[running.track] < MAX_ASIDE and self._running.get(running.key) is running:
            running.is_aside = True
            self._aside[running.track] += 1
            self._leave(running)

    def _step_back(self, running: _Pending[K]) -> None:
        if running.is_aside:
            running.is_aside = False
            _decrease(self._aside, running.track)
            self._busy[running.track] += 1

    def _leave(self, running: _Pending[K]) -> None:
        _decrease(self._busy, running.track)
        if any(self._ready):
            self._wake.set()

    async def run(self, work: Callable[[K, Priority], Awaitable[bool]], grace: float) -> None:
        """Work until cancelled; then let what is begun finish for up to `grace` seconds, and cancel the rest.

        `work` returns whether the key waits for something, and is added again by that.
        """
        tasks: set[asyncio.Task[None]] = set()
        try:
            while True:
                await self._slots.acquire()
                pending = await self._next()
                task = background.start(self._one(pending, work), "reconcile")
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        finally:
            self._slots.release()
            if tasks:
                await asyncio.wait(tasks, timeout=grace)
            for task in tasks:
                task.cancel()

    async def _one(self, pending: _Pending[K], work: Callable[[K, Priority], Awaitable[bool]]) -> None:
        key, waits = pending.key, False
        try:
            waits = await work(key, pending.priority)
        finally:
            del self._running[key]
            self._progress = self._clock.monotonic()
            self._leave(pending)
            again = self._pending.get(key)
            if waits:
                self._waiting[key] = pending.priority
            else:
                self._waiting.pop(key, None)
                self._since.pop(key, None)
                if again is not None:
                    self._since[key] = again.due
            if again is not None:
                self._schedule(again)
            self._slots.release()

    def _schedule(self, pending: _Pending[K]) -> None:
        if pending.due <= self._clock.monotonic():
            lanes = self._ready[pending.priority]
            lane = lanes.setdefault(pending.fairness_key, deque())
            if pending.front:
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
        """Return the best key that may run. Lanes of one priority alternate after `MAX_PER_FAIRNESS_KEY` keys."""
        now = self._clock.monotonic()
        while self._timers and self._timers[0][0] <= now:
            pending = heapq.heappop(self._timers)[2]
            if self._is_valid(pending):
                self._schedule(pending)
        for priority, lanes in zip(Priority, self._ready, strict=True):
            for lane in list(lanes):
                if self._busy[lane, priority] < MAX_PER_FAIRNESS_KEY:
                    pending_of_lane = self._take_from(lanes, lane)
                    if pending_of_lane is not None:
                        return pending_of_lane
        return None

    def _take_from(self, lanes: dict[Hashable, deque[_Pending[K]]], lane: Hashable) -> _Pending[K] | None:
        keys = lanes[lane]
        while keys:
            pending = keys.popleft()
            if not self._is_valid(pending):
                continue
            self._taken = self._taken + 1 if self._last == pending.track else 1
            self._last = pending.track
            if not keys:
                del lanes[lane]
            elif self._taken >= MAX_PER_FAIRNESS_KEY:
                self._taken = 0
                lanes[lane] = lanes.pop(lane)
            del self._pending[pending.key]
            self._busy[pending.track] += 1
            pending.started_at = self._clock.monotonic()
            self._running[pending.key] = pending
            return pending
        del lanes[lane]
        return None

    def _is_valid(self, pending: _Pending[K]) -> bool:
        return self._pending.get(pending.key) is pending and pending.key not in self._running


def _decrease(counts: Counter[tuple[Hashable, Priority]], track: tuple[Hashable, Priority]) -> None:
    counts[track] -= 1
    if not counts[track]:
        del counts[track]
