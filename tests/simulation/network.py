"""What happens to a request between a process and a server: latency, loss, lateness, and the crash of the process.

Servers belong to the world outside, so what was sent goes on when its sender is dead or frozen. A late commit keeps
to the operator's one assumption about time: it comes at most `late_commit_window` seconds after the request ended for
its sender, be it by an answer, a timeout, a cancellation or the sender's death.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple, TypeVar

from netbird_streaming.cluster.leader_election.elector import LeaderElector
from netbird_streaming.errors import LeaseLostError, OperatorError
from netbird_streaming.reasons import Reason
from tests.simulation.loop import Callback, Owner, VirtualLoop, within
from tests.simulation.random_faults import Chance, Fate, Luck, Outlook, Phase, Weather

T = TypeVar("T")

WORLD: Final = Context()
"""The context of everything that no process' death can stop."""


@dataclass(slots=True)
class Process:
    """One run of the operator's process, from its start to its death."""

    name: str
    loop: VirtualLoop
    skew: float = 0.0
    monotonic_base: float = 0.0
    crash_at: dict[int, Phase] = field(default_factory=dict)
    rate: float = 1.0
    lease_until: float = float("inf")
    elector: LeaderElector | None = None
    owner: Owner = field(init=False)
    context: Context = field(init=False)
    calls: int = 0
    renewals: int = 0
    """How many of the calls were about the Lease."""
    underway: dict["Trip[Any]", None] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    on_death: Callable[[], None] = field(default=lambda: None)
    acting: Callable[[], None] = field(default=lambda: None)
    """Hears of each write that the guard let through."""

    def __post_init__(self) -> None:
        """Give it an owner of its own, and the context that carries it."""
        self.owner = Owner(self.name)
        self.context = within(self.owner)

    @property
    def may_act(self) -> bool:
        """Whether the guard would let it act now, were it not frozen."""
        return self.owner.alive and (self.elector is None or self.elector.is_leader)

    def guard(self) -> None:
        """What is asked at the last moment before a write leaves. Raises LeaseLostError."""
        if self.elector is not None:
            self.elector.ensure_leading()
            self.acting()
        if self.loop.now >= self.lease_until:
            raise LeaseLostError(Reason.PROGRESSING, "this process does not hold the Lease any more")


@dataclass(slots=True)
class Mishap:
    """What befalls the next request whose line holds `text`, once."""

    text: str
    fate: Fate = Fate.FINE
    phase: Phase | None = None
    meanwhile: Callable[[], None] = lambda: None


class Errand(NamedTuple):
    """What a request is: its line in the story, what can become of it, its sender's patience, and the errors it meets.

    `fail` takes a number below 1 that chooses among several. `over` is called once the request can't be applied any
    more because it was lost; `apply` tells that for itself.
    """

    label: str
    possible: frozenset[Fate]
    timeout: float
    fail: Callable[[Fate, float], OperatorError]
    over: Callable[[], None] = lambda: None
    seconds: float = 0.0
    """How long the server takes before it carries the request out."""


NONE: Final = Mishap("")
QUICK: Final = frozenset({Fate.BROKEN, Fate.BROKEN_APPLIED, Fate.LIMITED, Fate.REFUSED})
"""The sender has an answer at once."""
ARRIVING: Final = frozenset({Fate.UNANSWERED, Fate.LATE, Fate.BROKEN_APPLIED})
"""The faults of requests that arrive."""


@dataclass(slots=True, eq=False)
class Trip(Generic[T]):
    """One request on its way, and its answer on the way back."""

    line: "Line"
    process: Process
    errand: Errand
    apply: Callable[[], T]
    luck: Luck
    answer: "asyncio.Future[T]"
    arrival: Callback = field(init=False)

    def arrive(self) -> None:
        """The server carries it out."""
        self.process.underway.pop(self, None)
        outcome: T | OperatorError
        try:
            outcome = self.apply()
        except OperatorError as error:
            outcome = error
        if self.luck.phase is Phase.APPLIED:
            self.line.crash(self.process, self.errand.label + " (applied)")
        if self.luck.fate is Fate.FINE:
            self.line.later(self.luck.back, self.settle, outcome)

    def settle(self, outcome: T | OperatorError) -> None:
        """The sender is told."""
        if self.luck.phase is Phase.ANSWERED:
            self.line.crash(self.process, self.errand.label + " (answered)")
        if self.answer.done():
            return
        if isinstance(outcome, OperatorError):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)

    def cancel(self) -> None:
        """It is lost on the way."""
        self.arrival.cancel()
        self.process.underway.pop(self, None)
        self.errand.over()


class Line:
    """All requests of all processes to one server."""

    def __init__(
        self, loop: VirtualLoop, chance: Chance, weather: Weather, tell: Callable[[str], None], window: float
    ) -> None:
        """`window` is how long after its end a request may still be applied, seconds."""
        self._loop = loop
        self._chance = chance
        self.weather = weather
        self._tell = tell
        self._window = window
        self.mishaps: list[Mishap] = []
        self.tells_requests = False

    async def call(self, process: Process, errand: Errand, apply: Callable[[], T]) -> T:
        """Send a request: `apply` is what the server does with it; answers what it answers, or raises what failed."""
        process.calls += 1
        mishap = self._befalls(errand.label)
        phase = mishap.phase or process.crash_at.get(process.calls)
        outlook = Outlook(self._loop.now, self.weather, errand.possible, phase)
        luck = self._chance.luck(process.name, errand.label, outlook)
        if mishap.fate is not Fate.FINE:
            luck = luck._replace(fate=mishap.fate)
        phase = luck.phase
        if phase is Phase.BEFORE:
            errand.over()
            self.crash(process, errand.label + " (not sent)")
            await self._loop.create_future()
        if self.tells_requests:
            self._tell(f"{process.name} -> {errand.label}")
        trip = Trip(self, process, errand, apply, luck, self._loop.create_future())
        self._send(trip)
        if phase is Phase.UNDERWAY:
            self.crash(process, errand.label + " (underway)")
        try:
            answer: T = await trip.answer
        except asyncio.CancelledError:
            self._end(process, trip)
            raise
        return answer

    def _send(self, trip: "Trip[T]") -> None:
        """Plan when it arrives, if it does, and when its sender is told what."""
        call_later, errand, luck = self._loop.call_later, trip.errand, trip.luck
        fate, latency = luck.fate, self.weather.latency
        wait = there = latency * luck.there + errand.seconds
        if fate is not Fate.FINE:
            self._tell(f"{trip.process.name} {errand.label}: {fate.name}")
            patience, back = errand.timeout * luck.patience, latency * luck.back
            delay = there if fate in QUICK else patience
            call_later(delay + back, trip.settle, errand.fail(fate, luck.refusal), context=WORLD)
            if fate is Fate.LATE:
                wait = patience + back + luck.lateness * self._window
        if fate is Fate.FINE or fate in ARRIVING:
            trip.arrival = call_later(wait, trip.arrive, context=WORLD)
            trip.process.underway[trip] = None
        else:
            errand.over()

    def later(self, latencies: float, action: Callable[[Any], None], given: object) -> None:
        """In the world outside, after so many times the latency."""
        self._loop.call_later(self.weather.latency * latencies, action, given, context=WORLD)

    def kill(self, process: Process) -> None:
        """End a process at once: what it sent may arrive or not, and not later than a late commit can."""
        process.owner.alive = False
        process.owner.stash.clear()
        for trip in list(process.underway):
            if trip.luck.arrives:
                self._end(process, trip)
            else:
                trip.cancel()
        process.on_death()

    def crash(self, process: Process, where: str) -> None:
        """Kill it at a certain point of a request."""
        if process.owner.alive:
            self._tell(f"{process.name} CRASHES at {where}")
            self.kill(process)

    def _end(self, process: Process, trip: "Trip[T]") -> None:
        """The request has ended for its sender: it is applied by the end of the window, or never."""
        latest = self._window * 0.99
        if trip in process.underway and trip.arrival.due > self._loop.now + latest:
            trip.arrival.cancel()
            trip.arrival = self._loop.call_later(trip.luck.lateness * latest, trip.arrive, context=WORLD)

    def _befalls(self, label: str) -> Mishap:
        if not self.mishaps:
            return NONE
        found = next((each for each in self.mishaps if each.text in label), NONE)
        if found is not NONE:
            self.mishaps.remove(found)
            found.meanwhile()
        return found
