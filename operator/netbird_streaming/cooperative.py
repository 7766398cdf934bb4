"""Long work in pieces: what else there is to do goes on between them."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

T = TypeVar("T")

ITEMS: Final = 50
"""Items. At about 15 microseconds each, nobody waits for a whole millisecond."""


async def yielding_every(items: Iterable[T], size: int = ITEMS) -> AsyncIterator[T]:
    """Give the items, and after some of them let all go on who can: what they share may have changed by then."""
    for number, item in enumerate(items, 1):
        yield item
        if number % size == 0:
            await asyncio.sleep(0)
