"""The token in use among a user's tokens, and the days of the Events before it expires."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.core.netbird.token_expiry import APART, NOTICE_DAYS, expiry_of, notice_for
from netbird_streaming.core.netbird.types import AccessToken
from tests.harness.cases import WALL

SOON = WALL + timedelta(days=3)
LATER = WALL + timedelta(days=300)
OLD = WALL - timedelta(hours=1)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ((), None),
        ((AccessToken(SOON),), SOON),
        ((AccessToken(SOON, OLD), AccessToken(LATER, WALL)), LATER),
        ((AccessToken(SOON), AccessToken(LATER, WALL)), LATER),
        ((AccessToken(SOON), AccessToken(LATER)), None),
        ((AccessToken(SOON, WALL - APART), AccessToken(LATER, WALL)), None),
        ((AccessToken(SOON, WALL - APART * 1.1), AccessToken(LATER, WALL)), LATER),
    ],
)
def test_token_in_use_is_the_one_used_last_by_far(tokens: tuple[AccessToken, ...], expected: object) -> None:
    assert expiry_of(tokens) == expected
    assert expiry_of(tokens[::-1]) == expected


@pytest.mark.parametrize(
    ("remaining", "expected"),
    [(30.01, None), (30, 30), (7.01, 30), (7, 7), (1.01, 7), (1, 1), (0, 1), (-400, 1)],
)
def test_notice_is_the_last_one_that_is_due(remaining: float, expected: int | None) -> None:
    assert notice_for(WALL + timedelta(days=remaining), WALL) == expected
    assert notice_for(None, WALL) is None


@given(st.floats(-1000, 1000), st.floats(0, 100))
def test_notice_never_grows_while_time_passes(remaining: float, days: float) -> None:
    expires_at = WALL + timedelta(days=remaining)
    before, after = (notice_for(expires_at, now) or 31 for now in (WALL, WALL + timedelta(days=days)))
    assert after <= before
    assert after in {31, *NOTICE_DAYS}
