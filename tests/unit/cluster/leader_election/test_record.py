"""The decision who may lead, by the own clock alone: two never hold the Lease at once."""

import ast
import inspect
from argparse import ArgumentParser
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netbird_streaming.cluster.leader_election import record as election
from netbird_streaming.cluster.leader_election.record import (
    MAX_DURATION,
    RELEASED_DURATION,
    LeaderElectionRecord,
    LeaseTiming,
    Observation,
    acquire,
    body,
    may_take,
    observe,
    observe_absence,
    parse,
    release,
)
from netbird_streaming.config.settings import SettingsError, add_flags, read_settings
from tests.harness.cases import LEASE_TIMING

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TIMING = LEASE_TIMING
OURS = 15.0
THEIRS = LeaderElectionRecord(
    holder="b", version="5", duration=15.0, transitions=3, acquired="2020-01-01T00:00:00.000000Z"
)
MINE = replace(THEIRS, holder="a")


def test_lease_is_free_after_its_duration_without_a_renewal() -> None:
    seen = Observation(THEIRS, 100.0)
    assert not may_take(seen, None, OURS, 114.9)
    assert may_take(seen, None, OURS, 115.0)


@pytest.mark.parametrize(
    ("theirs", "ours", "wait"), [(15, 60, 60), (60, 15, 60), (1, 15, 15), (10**9, 15, MAX_DURATION)]
)
def test_longer_of_two_durations_counts_and_impossible_ones_are_ignored(
    theirs: float, ours: float, wait: float
) -> None:
    seen = Observation(replace(THEIRS, duration=theirs), 100.0)
    assert not may_take(seen, None, ours, 100 + wait - 0.1)
    assert may_take(seen, None, ours, 100 + wait)


def test_no_setting_allows_a_duration_that_others_would_not_wait() -> None:
    flags = ArgumentParser()
    add_flags(flags)
    with pytest.raises(SettingsError, match=f"--lease-duration.* {MAX_DURATION:g}"):
        read_settings(flags.parse_args([f"--lease-duration={MAX_DURATION + 1:g}"]), {})


def test_any_change_of_the_record_restarts_its_age() -> None:
    seen = observe(None, THEIRS, 100.0)
    assert observe(seen, THEIRS, 110.0) == seen
    renewed = observe(seen, replace(THEIRS, version="6"), 110.0)
    assert not may_take(renewed, None, OURS, 124.0)


def test_released_and_own_leases_are_free_at_once() -> None:
    assert may_take(Observation(release(THEIRS), 100.0), None, OURS, 100.0)
    assert may_take(Observation(MINE, 100.0), MINE, OURS, 100.0)


def test_manual_edit_frees_nothing_at_once() -> None:
    for edited in (
        replace(THEIRS, holder=""),
        replace(THEIRS, holder="a"),
        replace(THEIRS, duration=RELEASED_DURATION),
    ):
        seen = observe(Observation(THEIRS, 90.0), replace(edited, version="6"), 100.0)
        # Neither for a candidate that never sent anything, nor for one whose Lease another has held since.
        for mine in (None, replace(MINE, transitions=2), replace(MINE, acquired="2020-01-01T00:00:00.000001Z")):
            assert not may_take(seen, mine, OURS, 114.9)
            assert may_take(seen, mine, OURS, 115.0)


def test_missing_lease_is_created_at_once_and_a_deleted_one_after_its_duration() -> None:
    assert observe_absence(None, None, 0.0, 100.0) is None
    gone = observe_absence(Observation(THEIRS, 99.0), None, 0.0, 100.0)
    assert gone is not None
    assert observe_absence(gone, None, 0.0, 110.0) == gone
    assert not may_take(gone, None, OURS, 114.9)
    assert may_take(gone, None, OURS, 115.0)
    made = acquire(gone.record, None, "a", OURS, NOW)
    assert (made.version, made.transitions) == ("", THEIRS.transitions + 1)


def test_own_deleted_lease_is_re_created_at_once_unless_another_could_have_held_it() -> None:
    # Seen long after it was sent: the time at which others can have seen it first counts.
    held = Observation(MINE, 112.0)
    assert observe_absence(held, MINE, 115.0, 114.9) is None
    late = observe_absence(held, MINE, 115.0, 115.0)
    assert late is not None
    assert not may_take(late, MINE, OURS, 129.9)
    assert may_take(late, MINE, OURS, 130.0)


def test_released_and_deleted_lease_may_have_been_acquired_between_two_reads() -> None:
    gone = observe_absence(Observation(release(THEIRS), 90.0), None, 0.0, 100.0)
    assert gone is not None
    assert not may_take(gone, None, OURS, 114.9)


def test_acquiring_counts_a_transition_and_renewing_does_not() -> None:
    assert acquire(None, None, "a", 15.0, NOW).transitions == 0
    taken = acquire(THEIRS, None, "a", 15.0, NOW)
    assert (taken.holder, taken.transitions, taken.version, taken.acquired) == (
        "a",
        4,
        "5",
        "2026-01-02T03:04:05.000000Z",
    )
    assert acquire(MINE, MINE, "a", 15.0, NOW) == MINE


def test_counter_at_the_end_of_its_range_still_distinguishes_holders() -> None:
    taken = acquire(replace(THEIRS, transitions=2**31 - 1), None, "a", 15.0, NOW)
    assert taken.transitions == 1


@pytest.mark.parametrize(("duration", "written"), [(15.0, 15), (4.4, 5), (RELEASED_DURATION, 1)])
def test_record_states_at_least_the_own_duration(duration: float, written: int) -> None:
    assert body(replace(THEIRS, duration=duration), "ns", "name", NOW)["spec"]["leaseDurationSeconds"] == written


def test_no_decision_depends_on_a_clock_or_a_time_in_the_record() -> None:
    tree = ast.parse(inspect.getsource(election))
    used = {each.attr for each in ast.walk(tree) if isinstance(each, ast.Attribute)}
    assert "strftime" in used, "what people read is written"
    assert not used & {"now", "utcnow", "today", "fromisoformat", "strptime", "fromtimestamp", "time", "monotonic"}
    later = replace(THEIRS, acquired="9999-01-01T00:00:00.000000Z")
    assert may_take(Observation(later, 100.0), None, OURS, 115.0)


@given(st.text(max_size=5), st.integers(1, 999), st.integers(0, 999))
def test_record_survives_serialization(holder: str, duration: int, transitions: int) -> None:
    record = LeaderElectionRecord(holder, "7", float(duration), transitions, "2020-01-01T00:00:00.000000Z")
    assert parse(body(record, "ns", "name", NOW), 15.0) == record


def test_manually_created_lease_is_readable() -> None:
    assert parse({"metadata": {"resourceVersion": "1"}}, 15.0) == LeaderElectionRecord("", "1", 15.0, 0, "")


@pytest.mark.parametrize("timing", [(15, 15, 2), (15, 10, 10), (15, 10, 0), (10, 15, 2)])
def test_unsafe_timings_are_refused(timing: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="0 < retry < renew deadline < duration"):
        LeaseTiming(*timing)


# Each step: the candidate, the seconds until then, and the outcome of its write, or a user's change of the Lease before
# it.
OUTCOMES = ("answered", "lost before", "lost after")
HANDS = ("deleted", "emptied", "shortened", "renamed")
STEPS = st.lists(
    st.tuples(st.sampled_from("ab"), st.floats(0, 12), st.sampled_from(OUTCOMES + HANDS)),
    max_size=60,
)


def edited(record: LeaderElectionRecord, hand: str, who: str) -> LeaderElectionRecord:
    """A user's edit: anything but the content of a release, which would be indistinguishable."""
    match hand:
        case "emptied" if record.duration > RELEASED_DURATION:
            return replace(record, holder="")
        case "shortened" if record.holder:
            return replace(record, duration=RELEASED_DURATION)
        case _:
            return replace(record, holder=who)


@example([("a", 0.0, "lost before"), ("b", 0.0, "answered"), ("a", 0.0, "renamed"), ("a", 0.0, "answered")])
@given(STEPS)
def test_two_never_hold_it_at_once_with_any_manual_edits(steps: list[tuple[str, float, str]]) -> None:
    now, versions, stored = 0.0, 0, LeaderElectionRecord("", "0", RELEASED_DURATION, 0, "")
    there, deleted = True, False
    mine: dict[str, LeaderElectionRecord | None] = {"a": None, "b": None}
    # Both read once before anything happens, because an earlier deletion is undetectable.
    seen: dict[str, Observation | None] = dict.fromkeys("ab", Observation(stored, now))
    deadline = {"a": -1.0, "b": -1.0}
    until = dict(deadline)
    moments = count()
    for who, seconds, what in steps:
        now += seconds
        if what == "deleted" and not deleted:
            # Once: a Lease that existed only between two reads is undetectable too.
            there, deleted = False, True
        elif what in HANDS and what != "deleted" and there:
            versions += 1
            stored = replace(edited(stored, what, who), version=str(versions))
        elif what in OUTCOMES:
            before = seen[who]
            latest = observe(before, stored, now) if there else observe_absence(before, mine[who], until[who], now)
            seen[who] = latest
            if latest is not None and not may_take(latest, mine[who], OURS, now):
                continue
            # No two acquires are in the same microsecond: a user who renames the holder does not copy another's record.
            moment = NOW + timedelta(microseconds=next(moments))
            sent = mine[who] = acquire(latest.record if latest else None, mine[who], who, OURS, moment)
            if what == "lost before":
                continue
            versions += 1
            stored, there = replace(sent, version=str(versions)), True
            if what == "answered":
                seen[who] = Observation(stored, now)
                deadline[who], until[who] = now + TIMING.renew_deadline, now + OURS
        assert sum(now < end for end in deadline.values()) <= 1
