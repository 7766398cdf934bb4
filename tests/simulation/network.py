"""The network between a process and a server: latency, loss, delay, and crashes of the process.

Servers are external, so a sent request continues when its process is dead or frozen. A late commit keeps to the
operator's one assumption about time: it happens at most `late_commit_window` seconds after the request ended for its
client, by a response, a timeout, a cancellation or the client's death.
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
from tests.simulation.random_faults import FaultSource, NetworkFaults, Phase, RequestContext, RequestDraw, RequestFault

T = TypeVar("T")

WORLD: Final = Context()
"""The context of everything that no process' death can stop."""


@dataclass(slots=True)
class Process:
    """A run of the operator's process, from its start to its death."""

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
    """The number of calls about the Lease."""
    underway: dict["InFlightRequest[Any]", None] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    on_death: Callable[[], None] = field(default=lambda: None)
    acting: Callable[[], None] = field(default=lambda: None)
    """Receives each write that the guard allowed."""

    def __post_init__(self) -> None:
        self.owner = Owner(self.name)
        self.context = within(self.owner)

    @property
    def may_act(self) -> bool:
        """Return whether the guard would let it act now, if it were not frozen."""
        return self.owner.alive and (self.elector is None or self.elector.is_leader)

    def guard(self) -> None:
        """Check the Lease immediately before a write is sent. Raises LeaseLostError."""
        if self.elector is not None:
            self.elector.ensure_leading()
            self.acting()
        if self.loop.now >= self.lease_until:
            raise LeaseLostError(Reason.PROGRESSING, "this process does not hold the Lease any more")


@dataclass(slots=True)
class InjectedFault:
    """A fault for the next request whose log line contains `text`, once."""

    text: str
    fault: RequestFault = RequestFault.FINE
    phase: Phase | None = None
    meanwhile: Callable[[], None] = lambda: None


class RequestSpec(NamedTuple):
    """The properties of a request: its log line, possible outcomes, the client's timeout, and its errors.

    `fail` takes a number below 1 that selects one of several errors. `over` is called if the request is lost and can't
    be applied any more; `apply` reports that itself.
    """

    label: str
    possible: frozenset[RequestFault]
    timeout: float
    fail: Callable[[RequestFault, float], OperatorError]
    over: Callable[[], None] = lambda: None
    seconds: float = 0.0
    """Seconds until the server applies the request."""


NONE: Final = InjectedFault("")
QUICK: Final = frozenset({RequestFault.BROKEN, RequestFault.BROKEN_APPLIED, RequestFault.LIMITED, RequestFault.REFUSED})
"""The client receives a response without delay."""
ARRIVING: Final = frozenset({RequestFault.UNANSWERED, RequestFault.LATE, RequestFault.BROKEN_APPLIED})
"""The faults of requests that arrive."""


@dataclass(slots=True, eq=False)
class InFlightRequest(Generic[T]):
    """A request on its way, and its response on the way back."""

    line: "Network"
    process: Process
    request_spec: RequestSpec
    apply: Callable[[], T]
    request_draw: RequestDraw
    answer: "asyncio.Future[T]"
    arrival: Callback = field(init=False)

    def arrive(self) -> None:
        """The server applies it."""
        self.process.underway.pop(self, None)
        outcome: T | OperatorError
        try:
            outcome = self.apply()
        except OperatorError as error:
            outcome = error
        if self.request_draw.phase is Phase.APPLIED:
            self.line.crash(self.process, self.request_spec.label + " (applied)")
        if self.request_draw.fault is RequestFault.FINE:
            self.line.later(self.request_draw.back, self.settle, outcome)

    def settle(self, outcome: T | OperatorError) -> None:
        """The client receives the outcome."""
        if self.request_draw.phase is Phase.ANSWERED:
            self.line.crash(self.process, self.request_spec.label + " (answered)")
        if self.answer.done():
            return
        if isinstance(outcome, OperatorError):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)

    def cancel(self) -> None:
        """Lose it on the way."""
        self.arrival.cancel()
        self.process.underway.pop(self, None)
        self.request_spec.over()


class Network:
    """All requests of all processes to one server."""

    def __init__(
        self,
        loop: VirtualLoop,
        fault_source: FaultSource,
        network_faults: NetworkFaults,
        tell: Callable[[str], None],
        window: float,
    ) -> None:
        self._loop = loop
        self._fault_source = fault_source
        self.network_faults = network_faults
        self._tell = tell
        self._window = window
        self.injected_faults: list[InjectedFault] = []
        self.tells_requests = False

    async def call(self, process: Process, request_spec: RequestSpec, apply: Callable[[], T]) -> T:
        """Send a request. `apply` is the server's action. Return its result, or raise the failure."""
        process.calls += 1
        inject_fault = self._take_injected(request_spec.label)
        phase = inject_fault.phase or process.crash_at.get(process.calls)
        request_context = RequestContext(self._loop.now, self.network_faults, request_spec.possible, phase)
        request_draw = self._fault_source.request_draw(process.name, request_spec.label, request_context)
        if inject_fault.fault is not RequestFault.FINE:
            request_draw = request_draw._replace(fault=inject_fault.fault)
        phase = request_draw.phase
        if phase is Phase.BEFORE:
            request_spec.over()
            self.crash(process, request_spec.label + " (not sent)")
            await self._loop.create_future()
        if self.tells_requests:
            self._tell(f"{process.name} -> {request_spec.label}")
        in_flight = InFlightRequest(self, process, request_spec, apply, request_draw, self._loop.create_future())
        self._send(in_flight)
        if phase is Phase.UNDERWAY:
            self.crash(process, request_spec.label + " (underway)")
        try:
            answer: T = await in_flight.answer
        except asyncio.CancelledError:
            self._end(process, in_flight)
            raise
        return answer

    def _send(self, in_flight: "InFlightRequest[T]") -> None:
        """Plan the arrival of the request and the outcome for the client."""
        call_later, request_spec, request_draw = self._loop.call_later, in_flight.request_spec, in_flight.request_draw
        fault, latency = request_draw.fault, self.network_faults.latency
        wait = there = latency * request_draw.there + request_spec.seconds
        if fault is not RequestFault.FINE:
            self._tell(f"{in_flight.process.name} {request_spec.label}: {fault.name}")
            patience, back = request_spec.timeout * request_draw.patience, latency * request_draw.back
            delay = there if fault in QUICK else patience
            call_later(delay + back, in_flight.settle, request_spec.fail(fault, request_draw.refusal), context=WORLD)
            if fault is RequestFault.LATE:
                wait = patience + back + request_draw.lateness * self._window
        if fault is RequestFault.FINE or fault in ARRIVING:
            in_flight.arrival = call_later(wait, in_flight.arrive, context=WORLD)
            in_flight.process.underway[in_flight] = None
        else:
            request_spec.over()

    def later(self, latencies: float, action: Callable[[Any], None], given: object) -> None:
        """Schedule an external action after so many times the latency."""
        self._loop.call_later(self.network_faults.latency * latencies, action, given, context=WORLD)

    def kill(self, process: Process) -> None:
        """End a process at once. Sent requests may arrive or not, within the window for late commits."""
        process.owner.alive, process.owner.killed = False, True
        process.owner.stash.clear()
        for in_flight in list(process.underway):
            if in_flight.request_draw.arrives:
                self._end(process, in_flight)
            else:
                in_flight.cancel()
        process.on_death()

    def crash(self, process: Process, where: str) -> None:
        """Kill the process at a certain point of a request."""
        if process.owner.alive:
            self._tell(f"{process.name} CRASHES at {where}")
            self.kill(process)

    def _end(self, process: Process, in_flight: "InFlightRequest[T]") -> None:
        """End the request for its client. It is applied by the end of the window, or never."""
        latest = self._window * 0.99
        if in_flight in process.underway and in_flight.arrival.due > self._loop.now + latest:
            in_flight.arrival.cancel()
            in_flight.arrival = self._loop.call_later(
                in_flight.request_draw.lateness * latest, in_flight.arrive, context=WORLD
            )

    def _take_injected(self, label: str) -> InjectedFault:
        if not self.injected_faults:
            return NONE
        found = next((each for each in self.injected_faults if each.text in label), NONE)
        if found is not NONE:
            self.injected_faults.remove(found)
            found.meanwhile()
        return found
