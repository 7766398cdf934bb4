"""Context of log lines: the fields of the current reconcile, and the failures that are logged already."""

import logging
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

REMIND_SECONDS: Final = 600.0
"""A failure that lasts is logged again after this time."""
_FIELDS: Final[ContextVar[Mapping[str, str]]] = ContextVar("fields", default=MappingProxyType({}))


@contextmanager
def log_fields(**fields: str) -> Iterator[None]:
    """Add fields to all log lines of this context, in every module, and in the tasks that start in it."""
    token = _FIELDS.set({**_FIELDS.get(), **fields})
    try:
        yield
    finally:
        _FIELDS.reset(token)


def current_fields() -> Mapping[str, str]:
    """Return the fields of the current reconcile, or none outside of one."""
    return _FIELDS.get()


class LogOnce:
    """Lasting failures: each is logged once at its level, and then at level debug.

    Args:
        monotonic: A clock in seconds. With it, a failure that lasts is logged again after `REMIND_SECONDS`.
    """

    def __init__(self, monotonic: Callable[[], float] = lambda: 0.0) -> None:
        self._monotonic = monotonic
        self._logged: dict[Hashable, tuple[str, float]] = {}

    def level(self, level: int, text: str, about: Hashable = None) -> int:
        """Return the level of a failure's line: debug if the last line about `about` was the same, else `level`."""
        now, (before, since) = self._monotonic(), self._logged.get(about, (None, 0.0))
        if before == text and now - since < REMIND_SECONDS:
            return logging.DEBUG
        self._logged[about] = text, now
        return level

    def reset(self, about: Hashable = None) -> None:
        """Forget the failure of `about`. The next failure is a new one."""
        self._logged.pop(about, None)
