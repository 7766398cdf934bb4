"""The order of versions: by version within a watch, by time if a consistent read contradicts it."""

from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.reconciler.versions import TOMBSTONE_LIFETIME, Known, Tombstones, number
from tests.unit.netbird.fakes import FakeClock

VERSIONS = st.integers(0, 5)
MOMENTS = st.floats(0, 5)


@given(VERSIONS, VERSIONS, MOMENTS)
def test_event_is_newer_if_its_version_is_higher(known: int, version: int, at: float) -> None:
    assert Known(known, at).is_replaced_by(version, None) is (version > known)


@given(VERSIONS, VERSIONS, MOMENTS, MOMENTS)
def test_read_that_began_later_is_newer_with_any_version(known: int, version: int, at: float, since: float) -> None:
    expected = version > known or (version < known and at < since)
    assert Known(known, at).is_replaced_by(version, since) is expected


async def test_tombstone_hides_reads_from_before_the_deletion() -> None:
    clock = FakeClock()
    gone, began = Tombstones(clock), clock.monotonic()
    await clock.advance(1)
    gone.add("uid")
    await clock.advance(1)
    assert gone.hides("uid", None)
    assert gone.hides("uid", began)
    assert not gone.hides("uid", clock.monotonic())
    assert not gone.hides("other", None)
    gone.discard("uid")
    assert not gone.hides("uid", None)


async def test_tombstone_is_kept_for_as_long_as_a_watch_may_be_late() -> None:
    clock = FakeClock()
    gone = Tombstones(clock)
    gone.add("uid")
    await clock.advance(TOMBSTONE_LIFETIME - 1)
    gone.expire()
    assert gone.hides("uid", None)
    await clock.advance(1)
    gone.expire()
    assert not gone.hides("uid", None)


def test_versions_are_compared_as_numbers() -> None:
    assert number("1000") > number("999") > number("no number") == 0
