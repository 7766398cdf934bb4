"""What log lines need to know beyond themselves: whose reconcile they are of, and whether the same was said already."""

import logging
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

_FIELDS: Final[ContextVar[Mapping[str, str]]] = ContextVar("fields", default=MappingProxyType({}))


@contextmanager
def log_fields(**fields: str) -> Iterator[None]:
    """Add fields to all lines that are written inside, in whichever module, and in the tasks that are begun there."""
    token = _FIELDS.set({**_FIELDS.get(), **fields})
    try:
        yield
    finally:
        _FIELDS.reset(token)


def current_fields() -> Mapping[str, str]:
    """The fields of the reconcile that is at work; none outside of one."""
    return _FIELDS.get()


class LogOnce:
    """Failures that go on: each is said once, and then only to who debugs."""

    def __init__(self) -> None:
        """Nothing fails yet."""
        self._said: dict[Hashable, str] = {}

    def level(self, level: int, text: str, about: Hashable = None) -> int:
        """The level of a failure's line: `level`, but debug where this is what was said of `about` last."""
        before, self._said[about] = self._said.get(about), text
        return logging.DEBUG if before == text else level

    def reset(self, about: Hashable = None) -> None:
        """It works again: a failure after this is a new one."""
        self._said.pop(about, None)
