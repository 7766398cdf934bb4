"""Terms of leadership: a failed term is followed by another, and /readyz reports repeated failures."""

from collections.abc import Callable
from typing import Final

from netbird_streaming.backoff import Backoff

RETRY: Final = Backoff(1.0, 30.0)
"""Pause before the next term."""
STABLE_SECONDS: Final = 60.0
"""A term of this length is successful, even if it ends with an error."""
MANY_FAILURES: Final = 3


class LeadershipTerms:
    """Terms of one process. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started = clock()
        self._failures = 0

    def start(self) -> None:
        """Start a term."""
        self._started = self._clock()

    def record_failure(self) -> float:
        """Record the failure of a term, and return the seconds to pause."""
        self._failures = 1 if self._lasts() else self._failures + 1
        return RETRY.pause(self._failures - 1)

    def problem(self) -> str | None:
        """Return why /readyz fails, if so. A rolling update must not replace a working version by a broken one."""
        if self._failures < MANY_FAILURES or self._lasts():
            return None
        return f"leading has failed {self._failures} times in a row; the log says why"

    def _lasts(self) -> bool:
        return self._clock() - self._started >= STABLE_SECONDS
