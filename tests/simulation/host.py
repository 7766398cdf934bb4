"""The host of a process: its clocks and the installation's key."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self, cast

from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from tests.simulation.network import Process

EPOCH: Final = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class RememberingKey(FingerprintKey):
    """The shipped key with a cache, because thousands of scenarios digest the same few strings."""

    __slots__ = ("_keys", "_known")

    def __init__(self, key: bytes) -> None:
        self._known: dict[tuple[str, ...], str] = {}
        self._keys: dict[str, RememberingKey] = {}
        super().__init__(key)

    def of(self, uid: str) -> Self:
        known = self._keys.get(uid)
        if known is None:
            known = self._keys[uid] = super().of(uid)
        return cast("Self", known)

    def digest(self, *parts: str) -> str:
        known = self._known.get(parts)
        if known is None:
            known = self._known[parts] = super().digest(*parts)
        return known


KEY: Final = RememberingKey(bytes(range(32)))
"""Return the key of one installation."""


class SimClock:
    """The clock of one process: a monotonic clock with its own zero, and an inaccurate wall clock."""

    def __init__(self, process: Process) -> None:
        self._loop = process.loop
        self._zero = process.monotonic_base
        self._epoch = EPOCH + timedelta(seconds=process.skew)

    def monotonic(self) -> float:
        return self._loop.now + self._zero

    def now(self) -> datetime:
        """Return UTC as this machine knows it."""
        return self._epoch + timedelta(seconds=self._loop.now)

    async def sleep(self, seconds: float) -> None:
        """Sleep on the virtual loop."""
        loop = self._loop
        waiter = loop.create_future()
        handle = loop.call_later(seconds, _wake, waiter)
        try:
            await waiter
        finally:
            handle.cancel()


def _wake(waiter: Any) -> None:
    if not waiter.done():
        waiter.set_result(None)
