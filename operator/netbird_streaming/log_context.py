"""The fields that all log lines of one reconcile carry, whichever module writes them; `logs.py` adds them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

_FIELDS: Final[ContextVar[Mapping[str, str]]] = ContextVar("fields", default=MappingProxyType({}))


@contextmanager
def log_fields(**fields: str) -> Iterator[None]:
    """Add fields to all lines that are written inside, here and in the tasks that are begun here."""
    token = _FIELDS.set({**_FIELDS.get(), **fields})
    try:
        yield
    finally:
        _FIELDS.reset(token)


def current_fields() -> Mapping[str, str]:
    """The fields of the reconcile that is at work; none outside of one."""
    return _FIELDS.get()
