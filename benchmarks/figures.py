"""What was measured beside what is asked for."""

from dataclasses import dataclass, field
from typing import Final

_HEADINGS: Final = ("", "measured", "asked", "")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value, and the bound that it shall keep."""

    what: str
    value: float
    unit: str
    bound: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether it keeps the bound."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def row(self) -> tuple[str, str, str, str]:
        """What a table shows of it."""
        asked = f"{'at least' if self.at_least else 'at most'} {self._text(self.bound)}"
        return self.what, self._text(self.value), asked, "" if self.met else "missed"

    def _text(self, value: float) -> str:
        number = f"{value:.0f}" if value.is_integer() or value >= 100 else f"{value:.2f}"  # three digits say enough
        return f"{number} {self.unit}".strip()


@dataclass(slots=True)
class Report:
    """The figures of a run."""

    figures: list[Figure] = field(default_factory=list)

    def most(self, what: str, value: float, bound: float, unit: str = "") -> None:
        """Add a value that shall be no more than the bound."""
        self.figures.append(Figure(what, float(value), unit, float(bound)))

    def least(self, what: str, value: float, bound: float, unit: str = "") -> None:
        """Add a value that shall be no less than the bound."""
        self.figures.append(Figure(what, float(value), unit, float(bound), at_least=True))

    def __str__(self) -> str:
        """A table of all of them."""
        rows = [_HEADINGS, *(each.row() for each in self.figures)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
