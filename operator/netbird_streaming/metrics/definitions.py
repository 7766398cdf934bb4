"""The closed list of metrics: each has its name, type, labels and meaning here and nowhere else.

Names follow Prometheus' conventions: base units, `_total` for counters. `docs/metrics.md` is made from this list.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PREFIX: Final = "netbird_streaming"


class Type(StrEnum):
    """A metric's type, in the word that the exposition formats use."""

    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric. `labels` are the names of its labels; each has few values, or is empty unless asked for."""

    type: Type
    short_name: str
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name as it is scraped."""
        return f"{PREFIX}_{self.short_name}"


BUILD_INFO: Final = Definition(
    Type.GAUGE, "build_info", "Always 1; the labels say what runs.", labels=("version", "python")
)
LEADER: Final = Definition(
    Type.GAUGE, "leader", "1 while this process may act, 0 while it follows; a follower has no other metric than these."
)
