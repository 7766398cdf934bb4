"""How leading goes from turn to turn: a turn that fails is followed by another, and failing again and again is told."""

from collections.abc import Callable
from typing import Final

PAUSES: Final = (1.0, 5.0, 15.0, 30.0)
"""Seconds before the next turn, by how often leading has failed in a row."""
STABLE_SECONDS: Final = 60.0
"""A turn that lasted so long went well, whatever ended it."""
MANY_FAILURES: Final = 3


class LeadershipTerms:
    """The turns of one process; `clock` gives seconds that never go backwards."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start with no turn."""
        self._clock = clock
        self._started = clock()
        self._failures = 0

    def start(self) -> None:
        """This process leads from now on."""
        self._started = self._clock()

    def record_failure(self) -> float:
        """Take note that leading has failed; answers the seconds to pause."""
        self._failures = 1 if self._lasts() else self._failures + 1
        return PAUSES[min(self._failures, len(PAUSES)) - 1]

    def problem(self) -> str | None:
        """Say why this process is not ready: an update must not replace a version that works by one that does not."""
        if self._failures < MANY_FAILURES or self._lasts():
            return None
        return f"leading has failed {self._failures} times in a row; the log says why"

    def _lasts(self) -> bool:
        return self._clock() - self._started >= STABLE_SECONDS
