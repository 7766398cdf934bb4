"""docs/faults.md: its tables are the results of the cells, against which the next run is checked."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.proof.answers.cells import CALLS, CELLS, Cell, Seen

PAGE: Final = Path(__file__).parents[3] / "docs" / "faults.md"
BEGIN: Final = "<!-- faults: written by `python -m tests.proof.answers` -->\n"
END: Final = "<!-- end of faults -->\n"
ANY_FLOW: Final = "any"
UNNOTICED: Final = "not noticed"
_ITEM: Final = re.compile(r"^- (.+)\n  - while: (.+)\n  - (.+)\n(?:  - ended by: (.+)\n)?", re.MULTILINE)
_SHOWN: Final = re.compile(r"`(\w+)`(?: and (\w+))?: (.+)")
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
    """Return one list for each call. Cells that look the same to a user share an item."""
    parts = []
    for call in CALLS:
        items = "".join(_items({cell: seen for cell, seen in found.items() if cell.called == call}))
        parts.append(f"### {TITLES[call]}\n\n{items}")
    return "\n".join(parts)


def _items(found: Mapping[Cell, Seen]) -> Iterator[str]:
    """Group the flows with the same result for a response, then the responses with equal results and flows."""
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
        state = f" and {seen.state}" if seen.state else ""
        shown = f"`{seen.reason}`{state}: {seen.message}" if seen.reason else UNNOTICED
        yield f"- {'; '.join(names)}\n  - while: {flows_shown}\n  - {shown}\n"
        if seen.ended:
            yield f"  - ended by: {seen.ended}\n"


def read(page: str) -> dict[Cell, Seen]:
    """Return the page's result of each cell. Cells that are missing on the page are left out."""
    known: dict[Cell, Seen] = {}
    cells = {(cell.called, str(cell.answer), str(cell.flow)): cell for cell in CELLS}
    for call, answers, flows, seen in _lines(page):
        for cell_of, cell in cells.items():
            if cell_of[0] == call and cell_of[1] in answers and (cell_of[2] in flows or flows == [ANY_FLOW]):
                known[cell] = seen
    return known


def _lines(page: str) -> Iterator[tuple[str, list[str], list[str], Seen]]:
    calls = {title: call for call, title in TITLES.items()}
    for section in page.partition(BEGIN)[2].partition(END)[0].split("### ")[1:]:
        title, _, items = section.partition("\n")
        for answers, flows, shown, ended in _ITEM.findall(items):
            found = _SHOWN.fullmatch(shown)
            reason, state, message = ("", "", "") if found is None else found.groups("")
            yield calls[title], answers.split("; "), flows.split("; "), Seen(reason, message, state, ended)


def with_tables(page: str, found: Mapping[Cell, Seen]) -> str:
    """Return the page with these tables between its markers. Raises ValueError if a marker is missing."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{tables(found)}\n{END}{after}"
