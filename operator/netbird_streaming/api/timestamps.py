"""Timestamps as NetBird writes them: RFC 3339, in UTC or with an offset, up to nine digits of fraction."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

RFC_3339: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$"
"""The form of a time in a status; the schema of the custom resources rejects any other."""
NEVER: Final = datetime.min.replace(tzinfo=UTC)
"""Time before all others."""
CREATED_ROUNDING: Final = timedelta(seconds=1)
"""Difference of two values of `createdAt`, since some responses round it to seconds."""
CLOCK_ERROR: Final = timedelta(minutes=1)
"""Largest difference between the wall clocks of two replicas."""


def parse_time(text: str | None) -> datetime | None:
    """Return the time, to the microsecond, or None if there is none, it is malformed or has no offset."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def as_rfc_3339(text: str) -> str | None:
    """Return the time in a form that a status accepts: as received, if possible. None if it is malformed."""
    moment = parse_time(text)
    if moment is None or re.fullmatch(RFC_3339, text, re.ASCII):
        return None if moment is None else text
    try:
        return moment.astimezone(UTC).isoformat()
    except OverflowError:
        return None


def is_later(text: str | None, than: str | None, *, by: timedelta) -> bool:
    """Return whether the first is more than `by` after the second. False if either is malformed."""
    first, second = parse_time(text), parse_time(than)
    return first is not None and second is not None and first - second > by


def is_apart(text: str | None, other: str | None, *, by: timedelta) -> bool:
    """Return whether both moments are known and more than `by` apart."""
    first, second = parse_time(text), parse_time(other)
    return first is not None and second is not None and abs(first - second) > by


def is_recent(moment: datetime | None, wall: datetime, *, within: timedelta) -> bool:
    """Return whether a moment lies within the time before `wall`.

    A time in the future comes from a wrong clock, and is not recent.
    """
    return moment is not None and -CLOCK_ERROR <= wall - moment < within


def latest(*texts: str | None) -> datetime | None:
    """Return the latest of these times, or None if all are malformed."""
    return max((moment for moment in map(parse_time, texts) if moment is not None), default=None)
