"""Timestamps as NetBird writes them: RFC 3339, in UTC or with an offset, up to nine digits of fraction."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

RFC_3339: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$"
"""The form of a time in a status; the schema of the custom resources rejects any other."""
NEVER: Final = datetime.min.replace(tzinfo=UTC)
"""Earlier than any moment."""
CREATED_ROUNDING: Final = timedelta(seconds=1)
"""An answer may show `createdAt` rounded to seconds, another one not."""
CLOCK_ERROR: Final = timedelta(minutes=1)
"""How far the wall clock of one process may be ahead of the next one's."""


def parse_time(text: str | None) -> datetime | None:
    """The moment, to the microsecond; None where there is none, or none that can be read or compared."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def as_rfc_3339(text: str) -> str | None:
    """Return the time in a form that a status accepts: as it was sent, if possible; None if it cannot be read."""
    moment = parse_time(text)
    if moment is None or re.fullmatch(RFC_3339, text, re.ASCII):
        return None if moment is None else text
    try:
        return moment.astimezone(UTC).isoformat()
    except OverflowError:
        return None


def is_later(text: str | None, than: str | None, *, by: timedelta) -> bool:
    """Whether the first is more than `by` after the second; not, where either can't be read."""
    first, second = parse_time(text), parse_time(than)
    return first is not None and second is not None and first - second > by


def is_apart(text: str | None, other: str | None, *, by: timedelta) -> bool:
    """Return whether both moments are known and more than `by` apart."""
    first, second = parse_time(text), parse_time(other)
    return first is not None and second is not None and abs(first - second) > by


def is_recent(moment: datetime | None, wall: datetime, *, within: timedelta) -> bool:
    """Return whether a moment lies within the time before `wall`.

    A moment in the future was written by a clock that was wrong since, and is not recent.
    """
    return moment is not None and -CLOCK_ERROR <= wall - moment < within


def latest(*texts: str | None) -> datetime | None:
    """The latest of these moments; None where none can be read."""
    return max((moment for moment in map(parse_time, texts) if moment is not None), default=None)
