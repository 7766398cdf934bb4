"""A deterministic event loop with virtual time. The shipped coroutines run on it unchanged.

Nothing blocks or sleeps. Where a real loop would wait, the clock jumps to the next timer. So half an hour of an idle
operator costs only its few timers, and one seed always gives one scenario.

A process of the simulated cluster is an `Owner`. Each callback carries the context of its task and so its owner.
Callbacks of a killed owner never run again (no `finally`, no last write, as after SIGKILL). Those of a frozen owner
wait until it is thawed (as after SIGSTOP, or a long pause of the virtual machine).
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
"""The start of the virtual clock, other than zero, so that no code can mistake zero for the start."""
CALLBACKS_PER_MOMENT: Final = 20_000
"""The number of callbacks at one moment after which the loop counts as spinning. Busy moments have some hundred."""


MOST_UNWINDINGS: Final = 20
"""The limit of nested `finally` blocks that await. No coroutine here has half as many."""


class SpinningError(AssertionError):
    """Callbacks follow callbacks and time does not advance."""


class DeadlockError(AssertionError):
    """No callback is scheduled, so nothing will ever happen again."""


class Owner:
    """The process that scheduled a callback: alive, frozen or dead."""

    __slots__ = ("alive", "blow", "frozen", "fuse", "killed", "name", "stash")

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.killed = False
        self.frozen = False
        self.stash: list[Callback] = []
        self.fuse: int | None = None
        self.blow: Callable[[], None] = lambda: None

    def burn(self, steps: int, blow: Callable[[], None]) -> None:
        """Call `blow` in place of the callback after so many steps, so between any two awaits."""
        self.fuse, self.blow = steps, blow

    def is_blown(self) -> bool:
        """Return whether that happens now, before the next callback."""
        if self.fuse is None:
            return False
        self.fuse -= 1
        if self.fuse >= 0:
            return False
        self.fuse = None
        self.blow()
        return True


OWNER: Final[ContextVar[Owner | None]] = ContextVar("owner", default=None)
"""The process of the current callback. None means that it is external."""


class Callback:
    """The result of `call_soon` and similar calls: the part of asyncio's handles that tasks and timeouts use."""

    __slots__ = ("call", "due", "given", "void", "within")

    def __init__(self, due: float, call: Callable[..., object], given: tuple[object, ...], within: Context) -> None:
        self.due = due
        self.call = call
        self.given = given
        self.within = within
        self.void = False

    def cancel(self) -> None:
        self.void = True


class VirtualLoop:
    """The part of an event loop that tasks, futures, locks and timeouts need, on virtual time."""

    def __init__(self) -> None:
        self.now = BEGIN
        """The virtual clock, seconds."""
        self._ready: deque[Callback] = deque()
        self._timers: list[tuple[float, int, Callback]] = []
        self._serial = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self._owners: dict[asyncio.Task[Any], Owner | None] = {}
        self._running = False
        self._as_asyncio = cast("asyncio.AbstractEventLoop", self)
        self.failures: list[str] = []
        """Exceptions that reached the loop uncaught."""

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        """False: debugging would read the real clock."""
        return False

    def is_running(self) -> bool:
        """Return whether a callback is running."""
        return self._running

    def is_closed(self) -> bool:
        """False: a loop is dropped, not closed."""
        return False

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Callback:
        handle = Callback(self.now, callback, args, copy_context() if context is None else context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Callback:
        """Run at that moment. Callbacks of one moment run in the order of their calls."""
        self._serial += 1
        handle = Callback(when, callback, args, copy_context() if context is None else context)
        heapq.heappush(self._timers, (when, self._serial, handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Callback:
        return self.call_at(self.now + delay if delay > 0 else self.now, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self._as_asyncio)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """Create a task and keep it, so that a dead process' tasks are never collected while the scenario runs."""
        task: asyncio.Task[T] = asyncio.Task(coro, loop=self._as_asyncio, name=name, context=context)
        self._tasks.append(task)
        self._owners[task] = (context or copy_context()).get(OWNER)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep an uncaught exception."""
        self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")

    def run_until(self, moment: float, *, alive: Callable[[], bool] = lambda: False) -> None:
        """Run everything that is due up to that moment, and stop there.

        Raises:
            DeadlockError: Nothing is scheduled though `alive` says that a process is to act.
            SpinningError: Time does not advance.
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
        """Advance to the next timer; return whether there is one by the latest moment."""
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
        """Return exceptions of ended tasks that no code has retrieved, although their process has not been killed."""
        able = [each for each in self._tasks if (owner := self._owners[each]) is None or not owner.killed]
        ended = [each for each in able if each.done() and not each.cancelled()]
        unseen = [each for each in ended if each._log_traceback]
        return [f"{each.get_coro()}: {each.exception()!r}" for each in unseen]

    def thaw(self, owner: Owner) -> None:
        """Continue a frozen process. All callbacks that became due run at once."""
        owner.frozen = False
        stash, owner.stash = owner.stash, []
        self._ready.extend(stash)

    def dispose(self) -> None:
        """Drop all tasks silently: those of dead processes never ended."""
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
        self._owners.clear()
        self._ready.clear()
        self._timers.clear()


def _unwind(coroutine: object) -> None:
    """Close a coroutine of a killed process from within, because it may still await as it ends."""
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
    """Return a context in which everything is scheduled on behalf of a process."""
    context = copy_context()
    context.run(OWNER.set, owner)
    return context
