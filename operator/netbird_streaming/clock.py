"""The clocks of this machine."""

import asyncio
import time
from datetime import UTC, datetime


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
