"""The matrix: each flow, each call that it makes, and each answer to that call."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.proof.answers.answers import ANSWERS, PLACES, Answer
from tests.proof.answers.flows import FLOWS, Flow
from tests.support.netbird.wire import Operation

ANY_CALL: Final = "any call"
CALLS: Final = (*(operation.value for operation in Operation), ANY_CALL)
"""What is answered, as the page names it."""
_ID: Final = re.compile(r"\b\d{16,}\b")


@dataclass(frozen=True, slots=True)
class Cell:
    """One answer to one call (None: whichever comes first) of one flow."""

    flow: Flow
    call: Operation | None
    answer: Answer

    @property
    def called(self) -> str:
        """The call, as the page names it."""
        return ANY_CALL if self.call is None else self.call.value

    def __str__(self) -> str:
        """How pytest names it."""
        return f"{self.flow}: {self.called}: {self.answer}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a user saw of a fault: empty texts where it was not to be noticed; `ended` says what ended it."""

    reason: str
    message: str
    state: str
    ended: str


def told(message: str, cell: Cell, namespace: str) -> str:
    """A message without what differs from one run to the next, or between answers that differ by their status alone."""
    text = re.sub(rf"\b{namespace}\b", "team-a", _ID.sub("7", message))
    return text if cell.answer.status is None else re.sub(rf"\b{cell.answer.status}\b", "STATUS", text)


def _cells() -> Iterator[Cell]:
    for answer in ANSWERS:
        for flow in FLOWS:
            yield from (Cell(flow, call, answer) for call in flow.calls if call in answer.operations)
    for answer in PLACES:
        yield from (Cell(flow, None, answer) for flow in FLOWS if flow.misled)


CELLS: Final = tuple(_cells())
