"""Timestamps as NetBird writes them: RFC 3339, in UTC or with an offset, up to nine digits of fraction."""

from datetime import UTC, datetime, timedelta
from typing import Final

NEVER: Final = datetime.min.replace(tzinfo=UTC)
"""Earlier than any moment."""


def parse_time(text: str | None) -> datetime | None:
    """The moment, to the microsecond; None where there is none, or none that can be read or compared."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def is_later(text: str | None, than: str | None, *, by: timedelta) -> bool:
    """Whether the first is more than `by` after the second; not, where either can't be read."""
    first, second = parse_time(text), parse_time(than)
    return first is not None and second is not None and first - second > by


def latest(*texts: str | None) -> datetime | None:
    """The latest of these moments; None where none can be read."""
    return max((moment for moment in map(parse_time, texts) if moment is not None), default=None)
