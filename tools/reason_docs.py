"""Write the generated parts of docs/: `python -m tools.reason_docs`, or `make docs`."""

from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path
from typing import Final

from netbird_streaming.reasons import Reason

STATUSES: Final = Path(__file__).parents[1] / "docs" / "statuses.md"
SIGNALS: Final = STATUSES.with_name("logs-and-events.md")
BEGIN: Final = "<!-- reasons: written by `make docs` -->\n"
END: Final = "<!-- end of reasons -->\n"


def reasons_table(reasons: Iterable[Reason] = Reason) -> str:
    """Return the closed list of reasons as a Markdown table, in the order of its definition."""
    rows = "".join(f"| `{reason.value}` | {reason.remedy} |\n" for reason in reasons)
    return f"| reason | what to do |\n|---|---|\n{rows}"


def rows_of(page: Path, first: str) -> list[list[str]]:
    """Return the cells of the table of a page whose first column has this head, row by row."""
    lines = page.read_text().splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith(f"| {first} |")) + 2
    table = takewhile(lambda line: line.startswith("|"), lines[begin:])
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def with_table(page: str, table: str) -> str:
    """Return the page with the table between its two markers.

    Raises:
        ValueError: a marker is not there exactly once, or they are in the wrong order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in before + after:
        message = f"the page must hold the lines {BEGIN.strip()} and {END.strip()} once each, in this order"
        raise ValueError(message)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def main() -> None:
    """Rewrite the page in place, unless it is up to date."""
    page = STATUSES.read_text()
    written = with_table(page, reasons_table())
    if written != page:
        STATUSES.write_text(written)


if __name__ == "__main__":
    main()
