"""The matrix: each flow, each of its calls, and each response to that call."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.doubles.netbird.wire import Operation
from tests.proof.answers.answers import ANSWERS, PLACES, Answer
from tests.proof.answers.flows import FLOWS, Flow

EVERY_CALL: Final = "every call"
_CALLED: Final = frozenset(call for flow in FLOWS for call in flow.calls)
CALLS: Final = (*(operation.value for operation in Operation if operation in _CALLED), EVERY_CALL)
"""The calls of the flows, as the page names them."""
OUTAGES: Final = frozenset(
    {"401", "403", "404 as HTML", "429", "500", "503, Retry-After 2", "307 elsewhere", "200, a page of HTML"}
    | {"none in time", "a reset"}
)
"""The responses that a server or a proxy may give to all requests for a while."""
_CALL: Final = re.compile(r"^(?:Listing|Reading|Creating|Updating|Deleting) [^:]*: ")
"""The name of a failed call in a message. In an outage, timing decides which call is the first."""
_ID: Final = re.compile(r"\b\d{16,}\b")


@dataclass(frozen=True, slots=True)
class Cell:
    """A response to one call of one flow. None stands for all calls."""

    flow: Flow
    call: Operation | None
    answer: Answer

    @property
    def called(self) -> str:
        """The call, as the page names it."""
        return EVERY_CALL if self.call is None else self.call.value

    def __str__(self) -> str:
        """The id in pytest."""
        return f"{self.flow}: {self.called}: {self.answer}"


@dataclass(frozen=True, slots=True)
class Seen:
    """A user's view of a fault: empty texts if it was not observable. `ended` says what ended it."""

    reason: str
    message: str
    state: str
    ended: str


def stable_message(message: str, cell: Cell, namespace: str) -> str:
    """Return a message without the parts that differ between runs or between responses that only differ in status."""
    text = re.sub(rf"\b{namespace}\b", "team-a", _ID.sub("7", message))
    text = _CALL.sub("CALL: ", text) if cell.call is None else text
    return text if cell.answer.status is None else re.sub(rf"\b{cell.answer.status}\b", "STATUS", text)


def _cells() -> Iterator[Cell]:
    for answer in ANSWERS:
        for flow in FLOWS:
            yield from (Cell(flow, call, answer) for call in flow.calls if call in answer.operations)
    for answer in (*(each for each in ANSWERS if each.name in OUTAGES), *PLACES):
        yield from (Cell(flow, None, answer) for flow in FLOWS if flow.in_outage)


CELLS: Final = tuple(_cells())
