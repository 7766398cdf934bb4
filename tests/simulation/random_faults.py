"""Random faults of a scenario, drawn for each request and each watch event.

Actions of users and processes are planned before a scenario begins. Faults are drawn while it runs, by the name of the
occasion. So a scenario that is repeated with one action fewer keeps all other faults.
"""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, NamedTuple, Protocol


class RequestFault(Enum):
    """The outcome of one request."""

    FINE = auto()
    DROPPED = auto()
    """The request never arrives. The client waits until its timeout."""
    UNANSWERED = auto()
    """The request is applied and the response is lost."""
    LATE = auto()
    """The client times out, and the request is applied later."""
    BROKEN = auto()
    """A 5xx without effect, which the client can't know."""
    BROKEN_APPLIED = auto()
    """A 5xx or an unreadable response to a request that was applied."""
    LIMITED = auto()
    """A 429 without effect."""
    REFUSED = auto()
    """A 401, 403, 412 or 422 for a while, without effect."""


class Phase(Enum):
    """The point of a request at which its process dies."""

    BEFORE = auto()
    UNDERWAY = auto()
    APPLIED = auto()
    ANSWERED = auto()


class RequestDraw(NamedTuple):
    """The draw for one request.

    Fractions refer to the client's timeout, the window for late commits and the list of refusals.

    `there` and `back` are multiples of the network's latency. `arrives` says whether the request arrives after its
    client's death.
    """

    fault: RequestFault = RequestFault.FINE
    phase: Phase | None = None
    there: float = 0.7
    back: float = 0.7
    patience: float = 1.0
    lateness: float = 0.5
    arrives: bool = True
    refusal: float = 0.0


class EventDraw(NamedTuple):
    """The draw for one watch event: a multiple of the watch's lag, and the delay of an old copy, if there is one."""

    lag: float = 0.7
    again: float | None = None


PLAIN_REQUEST: Final = RequestDraw()
PLAIN_EVENT: Final = EventDraw()


@dataclass(frozen=True, slots=True)
class NetworkFaults:
    """The fault rate: the probability of a fault for each request, its end, and the possible faults.

    In an outage (from, to) no request arrives.
    """

    chance: float = 0.0
    until: float = 0.0
    faults: tuple[RequestFault, ...] = ()
    latency: float = 0.02
    outages: tuple[tuple[float, float], ...] = ()

    def draw(self, source: random.Random, now: float, possible: frozenset[RequestFault]) -> RequestFault:
        """Return the outcome of a request that is sent now."""
        if any(begin <= now < end for begin, end in self.outages):
            return RequestFault.DROPPED
        if now >= self.until or source.random() >= self.chance:
            return RequestFault.FINE
        fault = self.faults[int(source.random() * len(self.faults))]
        return fault if fault in possible else RequestFault.FINE


class RequestContext(NamedTuple):
    """The context of a request: its time, its network and the outcomes that it can have."""

    now: float
    network_faults: NetworkFaults
    possible: frozenset[RequestFault]
    phase: Phase | None


class Occasion(NamedTuple):
    """The identity of a request or watch event: process, name and ordinal."""

    who: str
    what: str
    number: int


class FaultSource(Protocol):
    """A source of faults, asked once for each occasion."""

    def request_draw(self, who: str, what: str, request_context: RequestContext) -> RequestDraw:
        """Return the draw for a request that is about to be sent."""
        ...

    def event_draw(self, who: str, what: str, now: float, stale: float) -> EventDraw:
        """Return the draw for a watch event. `stale` is the probability of an old copy."""
        ...


class RandomFaults:
    """Faults drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self._source = random.Random(seed)

    def request_draw(self, who: str, what: str, request_context: RequestContext) -> RequestDraw:  # noqa: ARG002  # dice know no names
        """Draw all values, so that later draws do not depend on which values were used."""
        source = self._source
        one = source.random
        fault = request_context.network_faults.draw(source, request_context.now, request_context.possible)
        return RequestDraw(
            fault,
            request_context.phase,
            0.2 + one(),
            0.2 + one(),
            1.0 if one() < 0.5 else 0.1,
            one(),
            one() < 0.5,
            one(),
        )

    def event_draw(self, who: str, what: str, now: float, stale: float) -> EventDraw:  # noqa: ARG002  # dice know no names
        one = self._source.random
        return EventDraw(0.2 + one(), one() * 5 if one() < stale else None)


class ScriptedFaults:
    """Given faults. Any other occasion has none."""

    def __init__(self, given: Mapping[Occasion, RequestDraw | EventDraw]) -> None:
        self._given = given
        self._counts: Counter[tuple[str, str]] = Counter()

    def request_draw(self, who: str, what: str, request_context: RequestContext) -> RequestDraw:  # noqa: ARG002  # whatever the network_faults
        found = self._find(who, what)
        return found if isinstance(found, RequestDraw) else PLAIN_REQUEST

    def event_draw(self, who: str, what: str, now: float, stale: float) -> EventDraw:  # noqa: ARG002  # whatever the watch
        found = self._find(who, what)
        return found if isinstance(found, EventDraw) else PLAIN_EVENT

    def _find(self, who: str, what: str) -> RequestDraw | EventDraw | None:
        number = self._counts[who, what] = self._counts[who, what] + 1
        return self._given.get(Occasion(who, what, number))


class RecordedFaults:
    """A recorder of the draws of another source, with their times."""

    def __init__(self, source: FaultSource) -> None:
        self._fault_source = source
        self._counts: Counter[tuple[str, str]] = Counter()
        self.kept: dict[Occasion, RequestDraw | EventDraw] = {}
        self.moments: dict[Occasion, float] = {}

    def request_draw(self, who: str, what: str, request_context: RequestContext) -> RequestDraw:
        request_draw = self._fault_source.request_draw(who, what, request_context)
        self._keep(who, what, request_draw, request_context.now)
        return request_draw

    def event_draw(self, who: str, what: str, now: float, stale: float) -> EventDraw:
        event_draw = self._fault_source.event_draw(who, what, now, stale)
        self._keep(who, what, event_draw, now)
        return event_draw

    def _keep(self, who: str, what: str, said: RequestDraw | EventDraw, now: float) -> None:
        number = self._counts[who, what] = self._counts[who, what] + 1
        occasion = Occasion(who, what, number)
        self.kept[occasion] = said
        self.moments[occasion] = now
