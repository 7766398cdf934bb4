"""The request log of the server: one entry for each request, for tests and the demo, because bodies hold secrets."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tests.doubles.netbird.wire import Operation


@dataclass(frozen=True, slots=True)
class Entry:
    """A request and its end.

    `status` is the response's, None without one. `applied` is whether it changed something while it was served, `late`
    when a deferred one is applied. `token_id` names the token; its value is never logged. `fault` is the kind of the
    fault. `answered_at` is None while the request is served.
    """

    sequence: int
    received_at: datetime
    method: str
    path: str
    query: str
    body: str = field(default="", repr=False)
    operation: Operation | None = None
    integration_id: int | None = None
    token_id: str | None = None
    account_id: str | None = None
    status: int | None = None
    applied: bool = False
    late: datetime | None = None
    fault: str | None = None
    answered_at: datetime | None = None


class Journal:
    """All requests in the order of their receipt. Numbering continues after the log is cleared."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._first = 0

    @property
    def entries(self) -> Sequence[Entry]:
        """Every request since the last clearing."""
        return self._entries

    @property
    def next_sequence(self) -> int:
        """The number of the next request."""
        return self._first + len(self._entries)

    def add(self, entry: Entry) -> int:
        """Record a request, and return its number."""
        sequence = self.next_sequence
        self._entries.append(replace(entry, sequence=sequence))
        return sequence

    def close(self, sequence: int, status: int | None, answered_at: datetime) -> None:
        """Record the end of a request, unless it was cleared meanwhile."""
        index = sequence - self._first
        if index >= 0:
            self._entries[index] = replace(self._entries[index], status=status, answered_at=answered_at)

    def since(self, sequence: int, operation: Operation | None = None) -> list[Entry]:
        """Return the requests from a number on, of one operation or of all."""
        start = max(0, sequence - self._first)
        return [entry for entry in self._entries[start:] if operation in {None, entry.operation}]

    def clear(self) -> None:
        """Clear the log."""
        self._first = self.next_sequence
        self._entries = []
