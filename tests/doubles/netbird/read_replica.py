"""The view of a read replica: each account's list as it was so many seconds ago."""

from collections import deque
from datetime import datetime, timedelta


class Replica:
    """A store of the lists of the last seconds."""

    def __init__(self) -> None:
        self._former: dict[str, deque[tuple[datetime, bytes]]] = {}

    def changes(self, account_id: str, at: datetime, before: bytes) -> None:
        """Keep the current list of an account before a change."""
        self._former.setdefault(account_id, deque()).append((at, before))

    def shown(self, account_id: str, now: datetime, lag: float) -> bytes | None:
        """Return the list as it was `lag` seconds ago, or None if nothing has changed since."""
        former, then = self._former.get(account_id, deque()), now - timedelta(seconds=lag)
        while former and former[0][0] <= then:
            former.popleft()
        return former[0][1] if former else None
