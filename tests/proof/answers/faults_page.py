"""docs/faults.md: its tables are what the cells showed, and what the next run is held to."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.proof.answers.cells import CALLS, CELLS, Cell, Seen

PAGE: Final = Path(__file__).parents[3] / "docs" / "faults.md"
BEGIN: Final = "<!-- faults: written by `python -m tests.proof.answers` -->\n"
END: Final = "<!-- end of faults -->\n"
HEAD: Final = "| answer | while | reason | message | and | ended by |\n|---|---|---|---|---|---|\n"
ANY_FLOW: Final = "any"
UNNOTICED: Final = "not noticed"
TITLES: Final = {
    "list": "The list of integrations",
    "get": "One integration",
    "create": "A create (POST)",
    "update": "An update (PUT)",
    "delete": "A deletion (DELETE)",
    "accounts": "The token's account",
    "every call": "Every call, or no server at all",
}


def tables(found: Mapping[Cell, Seen]) -> str:
    """One table for each call; cells that a user can't tell apart share a row."""
    parts = []
    for call in CALLS:
        rows = "".join(_rows({cell: seen for cell, seen in found.items() if cell.called == call}))
        parts.append(f"### {TITLES[call]}\n\n{HEAD}{rows}")
    return "\n".join(parts)


def _rows(found: Mapping[Cell, Seen]) -> Iterator[str]:
    """First the flows of each answer that show the same, then the answers that show the same in the same flows."""
    answers: dict[tuple[str, Seen], list[str]] = {}
    for answer in dict.fromkeys(cell.answer for cell in found):
        flows: dict[Seen, list[str]] = {}
        mine = {cell: seen for cell, seen in found.items() if cell.answer is answer}
        for cell, seen in mine.items():
            flows.setdefault(seen, []).append(str(cell.flow))
        for seen, names in flows.items():
            shown = ANY_FLOW if len(names) == len(mine) else "; ".join(names)
            answers.setdefault((shown, seen), []).append(str(answer))
    for (flows_shown, seen), names in answers.items():
        reason = f"`{seen.reason}`" if seen.reason else UNNOTICED
        cells = ("; ".join(names), flows_shown, reason, seen.message, seen.state, seen.ended)
        yield f"| {' | '.join(cells)} |\n"


def read(page: str) -> dict[Cell, Seen]:
    """What the page says of each cell; a cell of which it says nothing is left out."""
    known: dict[Cell, Seen] = {}
    cells = {(cell.called, str(cell.answer), str(cell.flow)): cell for cell in CELLS}
    for call, answers, flows, seen in _lines(page):
        for cell_of, cell in cells.items():
            if cell_of[0] == call and cell_of[1] in answers and (cell_of[2] in flows or flows == [ANY_FLOW]):
                known[cell] = seen
    return known


def _lines(page: str) -> Iterator[tuple[str, list[str], list[str], Seen]]:
    calls = {title: call for call, title in TITLES.items()}
    call = ""
    for line in page.partition(BEGIN)[2].partition(END)[0].splitlines():
        if line.startswith("### "):
            call = calls[line.removeprefix("### ")]
        elif line.startswith("| ") and not line.startswith("| answer |"):
            answers, flows, reason, *rest = (part.strip() for part in line.strip("|").split("|"))
            message, state, ended = rest
            shown = "" if reason == UNNOTICED else reason.strip("`")
            yield call, answers.split("; "), flows.split("; "), Seen(shown, message, state, ended)


def with_tables(page: str, found: Mapping[Cell, Seen]) -> str:
    """The page with these tables between its markers; ValueError where one of the markers is missing."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{tables(found)}\n{END}{after}"
