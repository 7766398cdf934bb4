"""Shrink a seed that breaks a promise to a short scenario that breaks the same one.

The failing scenario is repeated with all faults recorded. Then each part (an action, a fault of a request or event, a
setting of the servers) is left out if the promise is broken without it too, until no part can be left out.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, NamedTuple, TypeVar

from netbird_streaming.reconciler.controller import Controller
from tests.doubles.netbird.behaviour import Behaviour
from tests.simulation.loop import BEGIN
from tests.simulation.plan import Plan, PlannedAction
from tests.simulation.random_faults import (
    PLAIN_EVENT,
    PLAIN_REQUEST,
    EventDraw,
    Occasion,
    Phase,
    RandomFaults,
    RecordedFaults,
    RequestDraw,
    RequestFault,
    ScriptedFaults,
)
from tests.simulation.random_scenario import ACTS, RandomScenario, draw_plan
from tests.simulation.seeds import Result, run_plan
from tests.simulation.watches import Watch
from tests.simulation.world import MakeController

T = TypeVar("T")

EVEN: Final = Behaviour(post_ignores_enabled=False, requests_per_minute=1e9, burst=10**9)
CALM: Final = Watch(lag=0.02)
SHOWN: Final = 30
"""Lines of the shrunk scenario, up to the first broken promise."""


class FaultPart(NamedTuple):
    """The fault of one occasion."""

    occasion: Occasion
    request_draw: RequestDraw | EventDraw


class SettingPart(NamedTuple):
    """A setting of NetBird or of the watches that differs from the default."""

    of: str
    name: str
    value: Any


Part = PlannedAction | FaultPart | SettingPart


@dataclass(frozen=True, slots=True)
class ShrunkScenario:
    """The remaining parts of a scenario, the time of each occasion, and the violations."""

    plan: Plan
    parts: tuple[Part, ...]
    moments: dict[Occasion, float]
    result: Result

    def __str__(self) -> str:
        lines = sorted(
            ((self._moment(each), _words(each)) for each in self.parts if not isinstance(each, SettingPart)),
            key=lambda each: each[0],
        )
        settings_of = [f"  {_words(each)}" for each in self.parts if isinstance(each, SettingPart)]
        return "\n".join(
            [
                f"seed {self.plan.seed} in {len(self.parts)} parts:",
                *settings_of,
                *(f"{at:9.3f}  {words}" for at, words in lines),
                *(f"  broken: {each}" for each in self.result.breaches[:3]),
                "log:",
                *self.result.until_broken(SHOWN),
            ]
        )

    def _moment(self, part: PlannedAction | FaultPart) -> float:
        return part.at if isinstance(part, PlannedAction) else self.moments[part.occasion] - BEGIN


def shrink_seed(seed: int, make: MakeController = Controller) -> ShrunkScenario:
    """Shrink a seed that breaks a promise.

    Raises:
        ValueError: The seed breaks no promise.
    """
    plan = draw_plan(seed)
    record = RecordedFaults(RandomFaults(seed + 1))
    broken = run_plan(plan, make, fault_source=record).breaches
    if not broken:
        msg = f"seed {seed} breaks no promise"
        raise ValueError(msg)
    promise = broken[0].split()[0]

    def breaks(parts: Sequence[Part]) -> bool:
        result = run_plan(_plan(plan, parts), make, fault_source=_script(parts))
        return any(each.split()[0] == promise for each in result.breaches)

    parts = shrink(tuple(_parts(plan, record)), breaks)
    last = RecordedFaults(_script(parts))
    return ShrunkScenario(plan, parts, last.moments, run_plan(_plan(plan, parts), make, fault_source=last))


def shrink(parts: tuple[T, ...], breaks: Callable[[Sequence[T]], bool]) -> tuple[T, ...]:
    """Leave out parts, large groups first. In the end no single part can be left out."""
    size = len(parts)
    while size:
        begin, before = 0, len(parts)
        while begin < len(parts):
            fewer = parts[:begin] + parts[begin + size :]
            if breaks(fewer):
                parts = fewer
            else:
                begin += size
        if size > 1 or len(parts) == before:
            size //= 2
    return parts


def _parts(plan: Plan, record: RecordedFaults) -> Iterable[Part]:
    """Return all parts that can be left out. Defaults are not parts."""
    for of, plain, had in (("NetBird", EVEN, plan.environment.behaviour), ("watches", CALM, plan.environment.watch)):
        for each in fields(plain):
            if getattr(had, each.name) != getattr(plain, each.name):
                yield SettingPart(of, each.name, getattr(had, each.name))
    for occasion, request_draw in record.kept.items():
        if request_draw not in (PLAIN_REQUEST, PLAIN_EVENT):
            yield FaultPart(occasion, request_draw)
    yield from (each for each in plan.planned_actions if not _is_given(each))


def _is_given(planned: PlannedAction) -> bool:
    """Return whether the action is needed in every scenario."""
    return planned.what == RandomScenario.lead.__name__


def _plan(plan: Plan, parts: Iterable[Part]) -> Plan:
    settings_of: dict[str, dict[str, Any]] = {"NetBird": {}, "watches": {}}
    for each in parts:
        if isinstance(each, SettingPart):
            settings_of[each.of][each.name] = each.value
    environment = replace(
        plan.environment,
        behaviour=replace(EVEN, **settings_of["NetBird"]),
        watch=replace(CALM, **settings_of["watches"]),
    )
    planned_actions = (
        *filter(_is_given, plan.planned_actions),
        *(each for each in parts if isinstance(each, PlannedAction)),
    )
    return replace(plan, environment=environment, planned_actions=planned_actions, crashes=())


def _script(parts: Iterable[Part]) -> ScriptedFaults:
    return ScriptedFaults({each.occasion: each.request_draw for each in parts if isinstance(each, FaultPart)})


_FAULTS: Final = {
    RequestFault.FINE: "takes {there:.1f} and {back:.1f} times the usual latency",
    RequestFault.DROPPED: "never arrives",
    RequestFault.UNANSWERED: "is applied, and its response is lost",
    RequestFault.LATE: "is applied after its client has timed out",
    RequestFault.BROKEN: "gets a 5xx and is not applied",
    RequestFault.BROKEN_APPLIED: "gets a 5xx and is applied",
    RequestFault.LIMITED: "gets a 429",
    RequestFault.REFUSED: "is refused",
}
_PHASES: Final = {
    None: "",
    Phase.BEFORE: "; the process dies before it is sent",
    Phase.UNDERWAY: "; the process dies while it is in flight",
    Phase.APPLIED: "; the process dies when it is applied",
    Phase.ANSWERED: "; the process dies before it reads the response",
}


def _words(part: Part) -> str:
    if isinstance(part, PlannedAction):
        return ACTS[part.what].words.format(name=part.name)
    if isinstance(part, SettingPart):
        return f"{part.of}: {part.name} is {part.value}"
    who, what, number = part.occasion
    return f"{who}: {what} (no. {number}) {_request_words(part.request_draw)}"


def _request_words(request_draw: RequestDraw | EventDraw) -> str:
    if isinstance(request_draw, RequestDraw):
        return (
            _FAULTS[request_draw.fault].format(there=request_draw.there, back=request_draw.back)
            + _PHASES[request_draw.phase]
        )
    late = f", and an old copy {request_draw.again:.1f} s later" if request_draw.again is not None else ""
    return f"takes {request_draw.lag:.1f} times the usual{late}"
