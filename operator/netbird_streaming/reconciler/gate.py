"""The resources of one account that wait for the token's rate limit before a write."""

import asyncio  # noqa: TC003  # the only import that would be for types alone
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Final

from netbird_streaming import background
from netbird_streaming.api.types import ObjectKey
from netbird_streaming.clock import Clock
from netbird_streaming.core.netbird.types import Priority, Slot
from netbird_streaming.errors import OperatorError
from netbird_streaming.reconciler.ports import NetBird

SHARE: Final = 4
"""One slot in four goes to the resource that has waited longest, so that no priority starves another."""

Turn = Slot | OperatorError | None
"""What a resource that waited gets: a slot, the reason why there is none, or None to decide again."""
Resume = Callable[[Turn], None]


def give_back(turn: Turn) -> None:
    """Return a slot that is not used."""
    if turn is not None and not isinstance(turn, OperatorError):
        turn.give_back()


@dataclass(frozen=True, slots=True)
class _Parked:
    """A resource that waits. It holds no task and no memory of its reconcile."""

    priority: Priority
    lane: Hashable
    serial: int
    since: float
    resume: Resume


class Gate:
    """Waits for slots on behalf of all parked resources, and gives each slot to the next of them.

    The best priority goes first. Lanes (namespaces) of one priority take turns.

    `client` returns the account's current client.
    """

    def __init__(self, client: Callable[[], NetBird], clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._parked: dict[ObjectKey, _Parked] = {}
        self._lines: list[dict[Hashable, dict[ObjectKey, None]]] = [{} for _ in Priority]
        self._serial = 0
        self._served = 0
        self._server: asyncio.Task[None] | None = None

    @property
    def priority(self) -> Priority:
        """The best priority of what is parked."""
        return next((priority for priority in Priority if self._lines[priority]), Priority.LOW)

    @property
    def follow_ups(self) -> int:
        """None: each request that is parked is sent by itself."""
        return 0

    def requests_ahead(self, priority: Priority, depth: int) -> int:
        """Return how many parked resources get a slot before one of this priority, the `depth`-th of its lane."""
        better = sum(len(keys) for each in Priority if each < priority for keys in self._lines[each].values())
        return better + sum(min(len(keys), depth) for keys in self._lines[priority].values())

    def depth(self, priority: Priority, lane: Hashable) -> int:
        """Return the place in its lane that a resource gets if it is parked now."""
        return len(self._lines[priority].get(lane, ())) + 1

    def park(self, key: ObjectKey, priority: Priority, lane: Hashable, resume: Resume) -> None:
        """Call `resume` with a slot once the rate limit allows a request; a resource keeps its place if it is known."""
        known = self._parked.get(key)
        if known is not None and (known.priority, known.lane) != (priority, lane):
            self.forget(key)
        self._serial += 1
        serial, since = (self._serial, self._clock.monotonic()) if known is None else (known.serial, known.since)
        self._parked[key] = _Parked(priority, lane, serial, since, resume)
        self._lines[priority].setdefault(lane, {})[key] = None
        if self._server is None or self._server.done():
            self._server = background.start(self._serve(), "gate")

    def forget(self, key: ObjectKey) -> None:
        """Stop waiting for this resource."""
        parked = self._parked.pop(key, None)
        if parked is None:
            return
        lanes = self._lines[parked.priority]
        keys = lanes.pop(parked.lane)
        del keys[key]
        if keys:
            lanes[parked.lane] = keys

    def reset(self) -> None:
        """Let every resource decide again: the account has another client, or none."""
        if self._server is not None:
            self._server.cancel()
        self._server = None
        for parked in self._take_all():
            parked.resume(None)

    def _fail(self, problem: OperatorError) -> None:
        for parked in self._take_all():
            parked.resume(problem)

    async def _serve(self) -> None:
        while self._parked:
            try:
                slot = await self._client().slot(self)
            except OperatorError as problem:
                self._fail(problem)
                return
            except Exception as problem:  # noqa: BLE001  # those that wait must not wait for ever
                self._fail(background.unexpected(problem, "Waiting for the rate limit"))
                return
            if not self._parked:
                slot.give_back()
                return
            parked = self._next()
            slot.waited = self._clock.monotonic() - parked.since
            parked.resume(slot)

    def _next(self) -> _Parked:
        self._served += 1
        if self._served % SHARE == 0:
            key = min(self._parked, key=lambda each: self._parked[each].serial)
        else:
            line = next(each for each in self._lines if each)
            key = next(iter(next(iter(line.values()))))
        parked = self._parked[key]
        self.forget(key)
        return parked

    def _take_all(self) -> Iterator[_Parked]:
        parked, self._parked = self._parked, {}
        self._lines = [{} for _ in Priority]
        return iter(parked.values())
