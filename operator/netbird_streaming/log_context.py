"""Context of log lines: the fields of the current reconcile, and the failures that are logged already."""

import logging
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

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
    """Lasting failures: each is logged once at its level, and then at level debug."""

    def __init__(self) -> None:
        self._said: dict[Hashable, str] = {}

    def level(self, level: int, text: str, about: Hashable = None) -> int:
        """Return the level of a failure's line: debug if the last line about `about` was the same, else `level`."""
        before, self._said[about] = self._said.get(about), text
        return logging.DEBUG if before == text else level

    def reset(self, about: Hashable = None) -> None:
        """Forget the failure of `about`. The next failure is a new one."""
        self._said.pop(about, None)
