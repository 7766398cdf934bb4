"""Exponential backoff."""

from random import Random  # the only import that would be for types alone
from typing import NamedTuple

_MAX_EXPONENT = 16
"""Enough for each cap in use, and far below an overflow."""


class Backoff(NamedTuple):
    """Pauses that double with each failure, from `first` to `last` seconds.

    `jitter` is relative, and applies where a source of chance is passed.
    """

    first: float
    last: float
    jitter: float = 0.25

    def pause(self, failures: int, random: Random | None = None) -> float:
        """Return the seconds to wait after this number of earlier failures."""
        pause: float = min(self.last, self.first * 2 ** min(failures, _MAX_EXPONENT))
        return pause if random is None else pause * random.uniform(1 - self.jitter, 1 + self.jitter)
