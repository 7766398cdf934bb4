"""The bodies of all answers that are being read or parsed, and the memory that they may take together.

A server may answer as much as its limit allows, as slowly as the deadline allows. Where all answers together take too
much, the largest one is dropped: a small one is never in the way.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MAX_BODIES: Final = 32 * 2**20
"""Bytes; a LIST of ten thousand integrations has about three million."""
DROPPED: Final = "it is the largest of too many that arrive at the same time"
"""The fault of an answer that was dropped."""


class Body:
    """The body of one answer. It belongs to this object, so that dropping it frees its memory at once."""

    def __init__(self, bodies: "Bodies") -> None:
        self.content = bytearray()
        self.is_complete = False
        self.is_dropped = False
        self._bodies = bodies

    def begin(self) -> None:
        """Begin to read an answer, which replaces the one before."""
        self.content = bytearray()
        self.is_complete = self.is_dropped = False

    def add(self, chunk: bytes) -> None:
        """Add bytes, unless the body was dropped."""
        if not self.is_dropped:
            self.content += chunk
            self._bodies.make_room()

    def drop(self) -> None:
        """Free its memory."""
        self.content = bytearray()
        self.is_dropped = True


class Bodies:
    """All bodies in memory."""

    def __init__(self, limit: int = MAX_BODIES) -> None:
        self._limit = limit
        self._all: dict[Body, None] = {}

    @property
    def size(self) -> int:
        """Return the bytes of all bodies together."""
        return sum(len(body.content) for body in self._all)

    @contextmanager
    def body(self) -> Iterator[Body]:
        """Provide an empty body, which takes memory until the end of the block."""
        body = Body(self)
        self._all[body] = None
        try:
            yield body
        finally:
            del self._all[body]

    def make_room(self) -> None:
        """Drop the largest of those that are still being read, while all of them together are too large.

        One that is complete is parsed without waiting for a server, so it is gone soon.
        """
        excess = self.size - self._limit
        while excess > 0:
            largest = max((body for body in self._all if not body.is_complete), key=lambda body: len(body.content))
            excess -= len(largest.content)
            largest.drop()
