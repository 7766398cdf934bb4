"""Long loops in parts, so that other tasks run between them."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

T = TypeVar("T")

ITEMS: Final = 50
"""Items. At about 15 microseconds each, other tasks wait for less than a millisecond."""


async def yielding_every(items: Iterable[T], size: int = ITEMS) -> AsyncIterator[T]:
    """Yield the items, and run other tasks after every `size` items. Those may change shared state."""
    for number, item in enumerate(items, 1):
        yield item
        if number % size == 0:
            await asyncio.sleep(0)
