"""What chance decides while a story goes on: the luck of each request, and of each event of a watch.

What people and machines do is planned before a story begins. Chance is asked while it goes on, by the occasion's name:
so a story that is told again with one deed less can keep all of its other luck.
"""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, NamedTuple, Protocol


class Fate(Enum):
    """What becomes of one request."""

    FINE = auto()
    DROPPED = auto()
    """It never arrives; its sender is left waiting until its timeout."""
    UNANSWERED = auto()
    """It is applied, and the answer is lost."""
    LATE = auto()
    """Its sender is left waiting, and it is applied after that."""
    BROKEN = auto()
    """A 5xx, and nothing was applied: which the sender can't know."""
    BROKEN_APPLIED = auto()
    """A 5xx (or an answer that can't be read), though it was applied."""
    LIMITED = auto()
    """A 429: nothing was applied."""
    REFUSED = auto()
    """401, 403, 412 or 422 for a while: nothing was applied."""


class Phase(Enum):
    """Where in a request its process dies."""

    BEFORE = auto()
    UNDERWAY = auto()
    APPLIED = auto()
    ANSWERED = auto()


class Luck(NamedTuple):
    """One request's. Parts are of 1: of the sender's timeout, of the window for late commits, of the refusals.

    `there` and `back` are multiples of the network's latency; `arrives` is whether it does after its sender's death.
    """

    fate: Fate = Fate.FINE
    phase: Phase | None = None
    there: float = 0.7
    back: float = 0.7
    patience: float = 1.0
    lateness: float = 0.5
    arrives: bool = True
    refusal: float = 0.0


class Passage(NamedTuple):
    """One watch event's: a multiple of the watch's lag, and after how many seconds an old copy comes, if one does."""

    lag: float = 0.7
    again: float | None = None


EVEN_LUCK: Final = Luck()
EVEN_PASSAGE: Final = Passage()


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad the network is: the chance of a fault for each request, until when, and which faults there are.

    In an outage (from, to) no request arrives.
    """

    chance: float = 0.0
    until: float = 0.0
    fates: tuple[Fate, ...] = ()
    latency: float = 0.02
    outages: tuple[tuple[float, float], ...] = ()

    def draw(self, source: random.Random, now: float, possible: frozenset[Fate]) -> Fate:
        """The fate of a request that is sent now."""
        if any(begin <= now < end for begin, end in self.outages):
            return Fate.DROPPED
        if now >= self.until or source.random() >= self.chance:
            return Fate.FINE
        fate = self.fates[int(source.random() * len(self.fates))]
        return fate if fate in possible else Fate.FINE


class Outlook(NamedTuple):
    """What the luck of a request depends on: when it is sent, through what, and what can become of it at all."""

    now: float
    weather: Weather
    possible: frozenset[Fate]
    phase: Phase | None


class Occasion(NamedTuple):
    """Whose, what, and the how-manieth of these: how a request, or an event of a watch, is known again."""

    who: str
    what: str
    number: int


class Chance(Protocol):
    """Asked once for each occasion."""

    def luck(self, who: str, what: str, outlook: Outlook) -> Luck:
        """Of a request that is about to be sent."""
        ...

    def passage(self, who: str, what: str, now: float, stale: float) -> Passage:
        """Of a watch event; `stale` is the chance of an old copy."""
        ...


class Dice:
    """Drawn from a seed."""

    def __init__(self, seed: int) -> None:
        """Take the seed."""
        self._source = random.Random(seed)

    def luck(self, who: str, what: str, outlook: Outlook) -> Luck:  # noqa: ARG002  # dice know no names
        """Draw all that may be needed, so that what is drawn next does not depend on what was needed."""
        source = self._source
        one = source.random
        fate = outlook.weather.draw(source, outlook.now, outlook.possible)
        return Luck(
            fate,
            outlook.phase,
            0.2 + one(),
            0.2 + one(),
            1.0 if one() < 0.5 else 0.1,
            one(),
            one() < 0.5,
            one(),
        )

    def passage(self, who: str, what: str, now: float, stale: float) -> Passage:  # noqa: ARG002  # dice know no names
        """Draw it."""
        one = self._source.random
        return Passage(0.2 + one(), one() * 5 if one() < stale else None)


class Script:
    """Given: what is not in it is even."""

    def __init__(self, given: Mapping[Occasion, Luck | Passage]) -> None:
        """Take what is given."""
        self._given = given
        self._counts: Counter[tuple[str, str]] = Counter()

    def luck(self, who: str, what: str, outlook: Outlook) -> Luck:  # noqa: ARG002  # whatever the weather
        """Look it up."""
        found = self._find(who, what)
        return found if isinstance(found, Luck) else EVEN_LUCK

    def passage(self, who: str, what: str, now: float, stale: float) -> Passage:  # noqa: ARG002  # whatever the watch
        """Look it up."""
        found = self._find(who, what)
        return found if isinstance(found, Passage) else EVEN_PASSAGE

    def _find(self, who: str, what: str) -> Luck | Passage | None:
        number = self._counts[who, what] = self._counts[who, what] + 1
        return self._given.get(Occasion(who, what, number))


class Record:
    """Keeps all that another chance says, and when it did."""

    def __init__(self, chance: Chance) -> None:
        """Take the other one."""
        self._chance = chance
        self._counts: Counter[tuple[str, str]] = Counter()
        self.kept: dict[Occasion, Luck | Passage] = {}
        self.moments: dict[Occasion, float] = {}

    def luck(self, who: str, what: str, outlook: Outlook) -> Luck:
        """Ask, and keep the answer."""
        luck = self._chance.luck(who, what, outlook)
        self._keep(who, what, luck, outlook.now)
        return luck

    def passage(self, who: str, what: str, now: float, stale: float) -> Passage:
        """Ask, and keep the answer."""
        passage = self._chance.passage(who, what, now, stale)
        self._keep(who, what, passage, now)
        return passage

    def _keep(self, who: str, what: str, said: Luck | Passage, now: float) -> None:
        number = self._counts[who, what] = self._counts[who, what] + 1
        occasion = Occasion(who, what, number)
        self.kept[occasion] = said
        self.moments[occasion] = now
