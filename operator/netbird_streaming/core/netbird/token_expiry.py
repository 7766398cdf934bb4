"""The expiry of the token in use, found among all tokens of its user."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from netbird_streaming.api.timestamps import NEVER
from netbird_streaming.core.netbird.types import AccessToken

APART: Final = timedelta(minutes=1)
"""Each request marks its token as used; a token that was used less than this before another one may be either."""
NOTICE_DAYS: Final = (30, 7, 1)
"""The numbers of days before the expiry at which an Event is published."""


def expiry_of(tokens: Sequence[AccessToken]) -> datetime | None:
    """Return when the token that was used last expires; None if that could be another token.

    NetBird lists a user's tokens without their values. The request for the list has just used the token in question.
    """
    if len(tokens) == 1:
        return tokens[0].expires_at
    last = sorted(tokens, key=_last_used, reverse=True)[:2]
    if not last or _last_used(last[0]) - _last_used(last[1]) <= APART:
        return None
    return last[0].expires_at


def notice_for(expires_at: datetime | None, wall: datetime) -> int | None:
    """Return the last of NOTICE_DAYS that has been reached; None before the first."""
    if expires_at is None:
        return None
    remaining = expires_at - wall
    return min((days for days in NOTICE_DAYS if remaining <= timedelta(days=days)), default=None)


def _last_used(token: AccessToken) -> datetime:
    return token.last_used or NEVER
