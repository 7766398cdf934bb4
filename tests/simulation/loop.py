"""A deterministic event loop with virtual time: the shipped coroutines run on it unchanged.

Nothing blocks and nothing sleeps: where a real loop would wait, the clock jumps to the next timer. So half an hour of a
quiet operator costs what its few timers cost, and one seed always gives one story.

A process of the simulated cluster is an `Owner`. Everything that a coroutine schedules carries the context of its
task, and with it the owner: a killed owner's callbacks are never run again (no `finally`, no last write, as after
SIGKILL), a frozen one's are kept until it thaws (as after SIGSTOP, or a long pause of the virtual machine).
"""

import asyncio
import heapq
import inspect
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, TypeVar, cast

T = TypeVar("T")

BEGIN: Final = 1_000.0
"""Where the virtual clock starts: at a moment other than zero, so that nobody takes zero for the beginning."""
CALLBACKS_PER_MOMENT: Final = 20_000
"""Callbacks run without time passing before the loop calls it spinning; a busy moment of a story has some hundred."""


MOST_UNWINDINGS: Final = 20
"""Nested `finally` blocks that await; no coroutine here has half as many."""


class SpinningError(AssertionError):
    """Callbacks follow callbacks and time does not pass: somebody waits for something without waiting."""


class DeadlockError(AssertionError):
    """Nothing is scheduled, and so nothing will ever happen again."""


class Owner:
    """Who scheduled a callback: one process, which may be alive, frozen or dead."""

    __slots__ = ("alive", "blow", "frozen", "fuse", "name", "stash")

    def __init__(self, name: str) -> None:
        """Start alive."""
        self.name = name
        self.alive = True
        self.frozen = False
        self.stash: list[Callback] = []
        self.fuse: int | None = None
        self.blow: Callable[[], None] = lambda: None

    def burn(self, steps: int, blow: Callable[[], None]) -> None:
        """Call `blow` instead of the callback that comes after so many: between any two awaits, that is."""
        self.fuse, self.blow = steps, blow

    def is_blown(self) -> bool:
        """Whether that happens now, before the next callback."""
        if self.fuse is None:
            return False
        self.fuse -= 1
        if self.fuse >= 0:
            return False
        self.fuse = None
        self.blow()
        return True


OWNER: Final[ContextVar[Owner | None]] = ContextVar("owner", default=None)
"""The process on whose behalf the current callback runs; None is the world outside."""


class Callback:
    """What `call_soon` and its kin answer: the part of asyncio's own handles that tasks and timeouts use."""

    __slots__ = ("call", "due", "given", "void", "within")

    def __init__(self, due: float, call: Callable[..., object], given: tuple[object, ...], within: Context) -> None:
        """Keep what to call, with what, and in which context."""
        self.due = due
        self.call = call
        self.given = given
        self.within = within
        self.void = False

    def cancel(self) -> None:
        """Never call it."""
        self.void = True


class VirtualLoop:
    """The part of an event loop that tasks, futures, locks and timeouts need, on virtual time."""

    def __init__(self) -> None:
        """Start at the beginning."""
        self.now = BEGIN
        """The virtual clock, seconds."""
        self._ready: deque[Callback] = deque()
        self._timers: list[tuple[float, int, Callback]] = []
        self._serial = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self._running = False
        self._as_asyncio = cast("asyncio.AbstractEventLoop", self)
        self.failures: list[str] = []
        """What the loop was told of exceptions that nobody caught."""

    def time(self) -> float:
        """The virtual clock, as asyncio asks for it."""
        return self.now

    def get_debug(self) -> bool:
        """Never: debugging would read the real clock."""
        return False

    def is_running(self) -> bool:
        """Whether a callback is being run."""
        return self._running

    def is_closed(self) -> bool:
        """Never: a loop is dropped, not closed."""
        return False

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Callback:
        """Run after all that is ready already."""
        handle = Callback(self.now, callback, args, copy_context() if context is None else context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Callback:
        """Run at that moment; of one moment, the one that was asked for first goes first."""
        self._serial += 1
        handle = Callback(when, callback, args, copy_context() if context is None else context)
        heapq.heappush(self._timers, (when, self._serial, handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Callback:
        """Run after that many seconds."""
        return self.call_at(self.now + delay if delay > 0 else self.now, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self._as_asyncio)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """A task of this loop; the loop keeps it, so that a dead process' tasks are never collected in mid-story."""
        task: asyncio.Task[T] = asyncio.Task(coro, loop=self._as_asyncio, name=name, context=context)
        self._tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody caught."""
        self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")

    def run_until(self, moment: float, *, alive: Callable[[], bool] = lambda: False) -> None:
        """Run everything that is due up to that moment, and stop there.

        Raises:
            DeadlockError: Nothing is scheduled though `alive` says that somebody is to act.
            SpinningError: Time does not pass.
        """
        asyncio.events._set_running_loop(self._as_asyncio)
        self._running = True
        try:
            while self._ready or self._advance(moment):
                self._drain()
            if not self._timers and alive():
                msg = f"nothing is scheduled at {self.now:.3f}"
                raise DeadlockError(msg)
            self.now = max(self.now, moment)
        finally:
            self._running = False
            asyncio.events._set_running_loop(None)

    def _drain(self) -> None:
        ready, left = self._ready, CALLBACKS_PER_MOMENT
        while ready:
            handle = ready.popleft()
            if handle.void:
                continue
            owner = handle.within.get(OWNER)
            if owner is not None:
                if owner.alive and owner.frozen:
                    owner.stash.append(handle)
                if owner.frozen or not owner.alive or (owner.fuse is not None and owner.is_blown()):
                    continue
            left -= 1
            if left < 0:
                msg = f"time stands still at {self.now:.3f}: {handle.call!r}"
                raise SpinningError(msg)
            handle.within.run(handle.call, *handle.given)

    def _advance(self, latest: float) -> bool:
        """Let time pass until the next timer is due; answers whether one is by the latest moment."""
        timers = self._timers
        while timers and timers[0][2].void:
            heapq.heappop(timers)
        if not timers or timers[0][0] > latest:
            return False
        self.now = now = max(self.now, timers[0][0])
        while timers and timers[0][0] <= now:
            self._ready.append(heapq.heappop(timers)[2])
        return True

    def unseen_failures(self) -> list[str]:
        """Exceptions of tasks that ended, and that nobody ever looked at."""
        ended = [each for each in self._tasks if each.done() and not each.cancelled()]
        unseen = [each for each in ended if each._log_traceback]
        return [f"{each.get_coro()}: {each.exception()!r}" for each in unseen]

    def thaw(self, owner: Owner) -> None:
        """Let a frozen process go on: all that came due meanwhile is run at once."""
        owner.frozen = False
        stash, owner.stash = owner.stash, []
        self._ready.extend(stash)

    def dispose(self) -> None:
        """Drop all tasks without a word: those of dead processes never ended."""
        asyncio.events._set_running_loop(self._as_asyncio)
        try:
            for task in self._tasks:
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                if not task.done():
                    _unwind(task.get_coro())
                elif not task.cancelled():
                    task.exception()
        finally:
            asyncio.events._set_running_loop(None)
        self._tasks.clear()
        self._ready.clear()
        self._timers.clear()


def _unwind(coroutine: object) -> None:
    """Close a coroutine of a killed process: from within, since each may await something yet as it ends."""
    for _ in range(MOST_UNWINDINGS):
        if not inspect.iscoroutine(coroutine):
            return
        _unwind(coroutine.cr_await)
        try:
            coroutine.close()
        except BaseException:  # noqa: BLE001, S112 - whatever a torn-down coroutine says is of no interest
            continue
        return


def within(owner: Owner) -> Context:
    """A context in which everything is scheduled on behalf of a process."""
    context = copy_context()
    context.run(OWNER.set, owner)
    return context
