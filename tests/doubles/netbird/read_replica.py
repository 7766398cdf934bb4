"""What a read replica shows: each account's list as it was so many seconds ago."""

from collections import deque
from datetime import datetime, timedelta


class Replica:
    """Keeps the lists of the last seconds."""

    def __init__(self) -> None:
        """Start without any change: what is shown then is what there is."""
        self._former: dict[str, deque[tuple[datetime, bytes]]] = {}

    def changes(self, account_id: str, at: datetime, before: bytes) -> None:
        """Keep the list of an account as it was until now, when something in it changes."""
        self._former.setdefault(account_id, deque()).append((at, before))

    def shown(self, account_id: str, now: datetime, lag: float) -> bytes | None:
        """The list as it was `lag` seconds ago; None where nothing has changed since."""
        former, then = self._former.get(account_id, deque()), now - timedelta(seconds=lag)
        while former and former[0][0] <= then:
            former.popleft()
        return former[0][1] if former else None
