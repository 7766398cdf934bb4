"""Time: the protocol that everything takes, and the clocks of this machine."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Time, passed in so that tests and the simulation control it."""

    def monotonic(self) -> float:
        """Return the seconds since an arbitrary moment. They never decrease."""
        ...

    def now(self) -> datetime:
        """Return the wall clock's time in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        ...


class SystemClock:
    """The clocks of this machine."""

    def monotonic(self) -> float:
        """Return seconds since some moment, never backwards."""
        return time.monotonic()

    def now(self) -> datetime:
        """Return the wall clock's time in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        await asyncio.sleep(seconds)
