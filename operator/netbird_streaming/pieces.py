"""Long work in pieces: what else there is to do goes on between them."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

T = TypeVar("T")

PIECE: Final = 50
"""Items. At about 15 microseconds each, nobody waits for a whole millisecond."""


async def in_pieces(items: Iterable[T], size: int = PIECE) -> AsyncIterator[T]:
    """Give the items, and after some of them let all go on who can: what they share may have changed by then."""
    for number, item in enumerate(items, 1):
        yield item
        if number % size == 0:
            await asyncio.sleep(0)
