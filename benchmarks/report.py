"""Measured values next to their bounds."""

from dataclasses import dataclass, field
from typing import Final

REFERENCE: Final = 290.0
"""The resources a second of a bare aiohttp client with two writes on the reference machine."""
_HEADINGS: Final = ("", "measured", "asked", "at this speed", "")
_TIMES: Final = ("s", "ms")


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value, and its bound."""

    what: str
    value: float
    unit: str
    bound: float
    at_least: bool = False

    def row(self, slowness: float) -> tuple[str, str, str, str, str]:
        """Return the cells of a table.

        The value is compared with the bound; next to it is the bound at this machine's speed.
        """
        met = self.value >= self.bound if self.at_least else self.value <= self.bound
        bound = self.bound * slowness if self.unit in _TIMES else self.bound
        asked = f"{'at least' if self.at_least else 'at most'} {self._text(self.bound)}"
        here = "" if bound == self.bound else self._text(bound)
        return self.what, self._text(self.value), asked, here, "" if met else "missed"

    def _text(self, value: float) -> str:
        number = f"{value:.0f}" if value.is_integer() or value >= 100 else f"{value:.2f}"  # three digits are enough
        return f"{number} {self.unit}".strip()


@dataclass(slots=True)
class Report:
    """The figures of a run. `speed` is that of the bare aiohttp client, None without one."""

    figures: list[Figure] = field(default_factory=list)
    speed: float | None = None

    def most(self, what: str, value: float, bound: float, unit: str = "") -> None:
        """Add a value with an upper bound."""
        self.figures.append(Figure(what, float(value), unit, float(bound)))

    def least(self, what: str, value: float, bound: float, unit: str = "") -> None:
        """Add a value with a lower bound."""
        self.figures.append(Figure(what, float(value), unit, float(bound), at_least=True))

    def __str__(self) -> str:
        """Return a table of all of them."""
        slowness = 1.0 if self.speed is None else REFERENCE / self.speed
        rows = [_HEADINGS, *(each.row(slowness) for each in self.figures)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
        if self.speed is None:
            return table
        return (
            f"{table}\n\nThe seconds asked for come from a machine where a bare aiohttp client makes {REFERENCE:.0f} "
            f"resources/s. Here it makes {self.speed:.0f}, so that all takes {slowness:.1f} times as long."
        )
