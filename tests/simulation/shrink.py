"""From a seed that breaks a promise to a short story that breaks the same one.

The failing story is told once more and all luck in it kept. Then every part of it (a deed, a request's or an event's
luck, a habit of the servers) is left out if the promise is broken without it too, until none can be left out.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, NamedTuple, TypeVar

from netbird_streaming.reconciler.controller import Controller
from tests.doubles.netbird.behaviour import Behaviour
from tests.simulation.loop import BEGIN
from tests.simulation.plan import Deed, Plan
from tests.simulation.random_faults import (
    EVEN_LUCK,
    EVEN_PASSAGE,
    Dice,
    Fate,
    Luck,
    Occasion,
    Passage,
    Phase,
    Record,
    Script,
)
from tests.simulation.random_scenario import ACTS, Story, draw_plan
from tests.simulation.seeds import Result, run_plan
from tests.simulation.watches import Watch
from tests.simulation.world import MakeController

T = TypeVar("T")

EVEN: Final = Behaviour(post_ignores_enabled=False, requests_per_minute=1e9, burst=10**9)
CALM: Final = Watch(lag=0.02)
SHOWN: Final = 30
"""Lines of the shrunk story, up to the first broken promise."""


class Struck(NamedTuple):
    """The luck that an occasion had."""

    occasion: Occasion
    luck: Luck | Passage


class Habit(NamedTuple):
    """A setting of NetBird, or of the watches, that differs from the plain one."""

    of: str
    name: str
    value: Any


Part = Deed | Struck | Habit


@dataclass(frozen=True, slots=True)
class Shrunk:
    """What is left of a story: its parts, when each occasion in it was, and what it breaks."""

    plan: Plan
    parts: tuple[Part, ...]
    moments: dict[Occasion, float]
    result: Result

    def __str__(self) -> str:
        lines = sorted(
            ((self._moment(each), _words(each)) for each in self.parts if not isinstance(each, Habit)),
            key=lambda each: each[0],
        )
        habits = [f"  {_words(each)}" for each in self.parts if isinstance(each, Habit)]
        return "\n".join(
            [
                f"seed {self.plan.seed} in {len(self.parts)} parts:",
                *habits,
                *(f"{at:9.3f}  {words}" for at, words in lines),
                *(f"  broken: {each}" for each in self.result.breaches[:3]),
                "and so it goes:",
                *self.result.until_broken(SHOWN),
            ]
        )

    def _moment(self, part: Deed | Struck) -> float:
        return part.at if isinstance(part, Deed) else self.moments[part.occasion] - BEGIN


def shrink_seed(seed: int, make: MakeController = Controller) -> Shrunk:
    """Shrink a seed that breaks a promise.

    Raises:
        ValueError: It breaks none.
    """
    plan = draw_plan(seed)
    record = Record(Dice(seed + 1))
    broken = run_plan(plan, make, chance=record).breaches
    if not broken:
        msg = f"seed {seed} breaks no promise"
        raise ValueError(msg)
    promise = broken[0].split()[0]

    def breaks(parts: Sequence[Part]) -> bool:
        result = run_plan(_plan(plan, parts), make, chance=_script(parts))
        return any(each.split()[0] == promise for each in result.breaches)

    parts = shrink(tuple(_parts(plan, record)), breaks)
    last = Record(_script(parts))
    return Shrunk(plan, parts, last.moments, run_plan(_plan(plan, parts), make, chance=last))


def shrink(parts: tuple[T, ...], breaks: Callable[[Sequence[T]], bool]) -> tuple[T, ...]:
    """Leave out what can be left out, in large pieces first; in the end no single part can be."""
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


def _parts(plan: Plan, record: Record) -> Iterable[Part]:
    """All that a story can be told without; what is even already is no part of it."""
    for of, plain, had in (("NetBird", EVEN, plan.climate.behaviour), ("watches", CALM, plan.climate.watch)):
        for each in fields(plain):
            if getattr(had, each.name) != getattr(plain, each.name):
                yield Habit(of, each.name, getattr(had, each.name))
    for occasion, luck in record.kept.items():
        if luck not in (EVEN_LUCK, EVEN_PASSAGE):
            yield Struck(occasion, luck)
    yield from (each for each in plan.deeds if not _is_given(each))


def _is_given(deed: Deed) -> bool:
    """What no story is told without."""
    return deed.what == Story.lead.__name__


def _plan(plan: Plan, parts: Iterable[Part]) -> Plan:
    habits: dict[str, dict[str, Any]] = {"NetBird": {}, "watches": {}}
    for each in parts:
        if isinstance(each, Habit):
            habits[each.of][each.name] = each.value
    climate = replace(
        plan.climate, behaviour=replace(EVEN, **habits["NetBird"]), watch=replace(CALM, **habits["watches"])
    )
    deeds = (*filter(_is_given, plan.deeds), *(each for each in parts if isinstance(each, Deed)))
    return replace(plan, climate=climate, deeds=deeds, crashes=())


def _script(parts: Iterable[Part]) -> Script:
    return Script({each.occasion: each.luck for each in parts if isinstance(each, Struck)})


_FATES: Final = {
    Fate.FINE: "takes {there:.1f} and {back:.1f} times the usual",
    Fate.DROPPED: "never arrives",
    Fate.UNANSWERED: "is carried out, and its answer is lost",
    Fate.LATE: "is carried out when its sender has given up",
    Fate.BROKEN: "is answered by a 5xx, and not carried out",
    Fate.BROKEN_APPLIED: "is answered by a 5xx, though it was carried out",
    Fate.LIMITED: "is answered by a 429",
    Fate.REFUSED: "is refused",
}
_PHASES: Final = {
    None: "",
    Phase.BEFORE: "; the process dies before it is sent",
    Phase.UNDERWAY: "; the process dies while it is under way",
    Phase.APPLIED: "; the process dies when it is carried out",
    Phase.ANSWERED: "; the process dies before it reads the answer",
}


def _words(part: Part) -> str:
    if isinstance(part, Deed):
        return ACTS[part.what].words.format(name=part.name)
    if isinstance(part, Habit):
        return f"{part.of}: {part.name} is {part.value}"
    who, what, number = part.occasion
    return f"{who}: {what} (no. {number}) {_luck_words(part.luck)}"


def _luck_words(luck: Luck | Passage) -> str:
    if isinstance(luck, Luck):
        return _FATES[luck.fate].format(there=luck.there, back=luck.back) + _PHASES[luck.phase]
    late = f", and an old copy {luck.again:.1f} s later" if luck.again is not None else ""
    return f"takes {luck.lag:.1f} times the usual{late}"
