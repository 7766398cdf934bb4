"""Who may lead, decided on one's own clock alone; two never hold the Lease at once."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.cluster.election import Observation, Record, Timing, body, claim, may_take, observe, parse

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TIMING = Timing()
THEIRS = Record(holder="b", version="5", duration=15.0, transitions=3, acquired="2020-01-01T00:00:00.000000Z")


def test_a_lease_is_free_when_its_holder_was_silent_for_its_own_duration() -> None:
    seen = Observation(THEIRS, 100.0)
    assert not may_take(seen, "a", 114.9)
    assert may_take(seen, "a", 115.0)


def test_any_change_of_the_record_starts_its_age_anew_and_the_same_record_does_not() -> None:
    seen = observe(None, THEIRS, 100.0)
    assert observe(seen, THEIRS, 110.0) == seen
    renewed = observe(seen, replace(THEIRS, version="6"), 110.0)
    assert not may_take(renewed, "a", 124.0)


def test_a_released_lease_and_our_own_are_free_at_once() -> None:
    assert may_take(Observation(replace(THEIRS, holder=""), 100.0), "a", 100.0)
    assert may_take(Observation(THEIRS, 100.0), "b", 100.0)


def test_taking_counts_a_transition_and_renewing_does_not() -> None:
    assert claim(None, "a", 15.0, NOW).transitions == 0
    taken = claim(THEIRS, "a", 15.0, NOW)
    assert (taken.holder, taken.transitions, taken.version, taken.acquired) == (
        "a",
        4,
        "5",
        "2026-01-02T03:04:05.000000Z",
    )
    assert claim(THEIRS, "b", 15.0, NOW) == THEIRS


@given(st.text(max_size=5), st.integers(1, 999), st.integers(0, 999))
def test_a_record_survives_being_written(holder: str, duration: int, transitions: int) -> None:
    record = Record(holder, "7", float(duration), transitions, "2020-01-01T00:00:00.000000Z")
    assert parse(body(record, "ns", "name", NOW), 15.0) == record


def test_a_lease_that_somebody_made_by_hand_is_readable() -> None:
    assert parse({"metadata": {"resourceVersion": "1"}}, 15.0) == Record("", "1", 15.0, 0, "")


@pytest.mark.parametrize("timing", [(15, 15, 2), (15, 10, 10), (15, 10, 0), (10, 15, 2)])
def test_unsafe_timings_are_refused(timing: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="0 < retry < renew deadline < duration"):
        Timing(*timing)


# Each step: who acts, the seconds until then, and how late its write lands (None: never, or its answer is lost).
STEPS = st.lists(
    st.tuples(st.sampled_from("ab"), st.floats(0, 12), st.sampled_from(["answered", "lost before", "lost after"])),
    max_size=60,
)


@given(STEPS)
def test_two_never_hold_it_at_once(steps: list[tuple[str, float, str]]) -> None:
    now, stored = 0.0, Record("", "0", 15.0, 0, "")
    seen: dict[str, Observation | None] = {"a": None, "b": None}
    deadline = {"a": -1.0, "b": -1.0}
    for who, seconds, outcome in steps:
        now += seconds
        seen[who] = latest = observe(seen[who], stored, now)
        if may_take(latest, who, now) and outcome != "lost before":
            stored = replace(claim(latest.record, who, TIMING.duration, NOW), version=str(int(stored.version) + 1))
            if outcome == "answered":
                deadline[who] = now + TIMING.renew_deadline
        assert sum(now < until for until in deadline.values()) <= 1
