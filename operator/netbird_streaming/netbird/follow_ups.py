"""The requests that are expected soon: the POSTs after the LIST that was sent for them.

A POST rests on a LIST that is only a few seconds old. If each account were listed at once, most of the POSTs would come
too late and need another LIST. So the next account is listed when the requests of those before it can be sent.
"""

from collections import deque
from typing import Final

LIFETIME: Final = 20.0
"""Seconds after which a request is no longer expected: by then its LIST is too old."""


class FollowUps:
    """The expected requests of one token."""

    def __init__(self) -> None:
        self._expected: deque[tuple[float, int]] = deque()

    def add(self, count: int, now: float) -> None:
        """Expect some more requests."""
        if count:
            self._expected.append((now + LIFETIME, count))

    def sent(self) -> None:
        """Expect one request less."""
        if self._expected:
            until, count = self._expected.popleft()
            if count > 1:
                self._expected.appendleft((until, count - 1))

    def count(self, now: float) -> int:
        """Return how many requests are expected."""
        while self._expected and self._expected[0][0] <= now:
            self._expected.popleft()
        return sum(count for _, count in self._expected)
