"""Threads that look names up. A name server that does not answer delays neither other names nor the end of the process.

asyncio looks names up in the threads of the event loop's default executor. Its own executor has a few of them, which
the names of one namespace could occupy, and a process ends only after the last of them.
"""

import socket
import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

MAX_LOOKUPS: Final = 256
"""Names that are looked up at once. An idle one has no thread."""
P = ParamSpec("P")
T = TypeVar("T")


class LookupThreads(ThreadPoolExecutor):
    """Executor that runs calls in daemon threads, and equal lookups once.

    The base class only makes this a default executor: asyncio accepts no other class. None of its threads is used.

    Args:
        lookup: The function whose calls are equal if their arguments are.
        limit: The number of calls that run at once.
    """

    def __init__(self, lookup: Callable[..., object] = socket.getaddrinfo, limit: int = MAX_LOOKUPS) -> None:
        super().__init__()
        self._lookup = lookup
        self._limit = limit
        self._running = 0
        self._guard = threading.Lock()
        self._due: deque[tuple[Hashable, Callable[[], Any]]] = deque()
        self._futures: dict[Hashable, list[Future[Any]]] = {}

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Run the call, or wait for an equal one that runs."""
        future: Future[T] = Future()
        call = (args, tuple(kwargs.items())) if fn == self._lookup else future
        with self._guard:
            if call not in self._futures:
                if self._running < self._limit:
                    threading.Thread(target=self._work, name="lookup", daemon=True).start()
                    self._running += 1
                self._futures[call] = []
                self._due.append((call, partial(fn, *args, **kwargs)))
            self._futures[call].append(future)
        return future

    def _work(self) -> None:
        while True:
            with self._guard:
                if not self._due:
                    self._running -= 1
                    return
                call, run = self._due.popleft()
                if all(future.cancelled() for future in self._futures[call]):
                    del self._futures[call]
                    continue
            outcome, error = None, None
            try:
                outcome = run()
            except BaseException as problem:  # noqa: BLE001  # it is raised where the call is awaited
                error = problem
            with self._guard:
                futures = self._futures.pop(call)
            for future in futures:
                if not future.set_running_or_notify_cancel():
                    continue
                if error is None:
                    future.set_result(outcome)
                else:
                    future.set_exception(error)
