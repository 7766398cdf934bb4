"""Who may lead, decided on one's own clock alone; two never hold the Lease at once."""

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

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TIMING = LeaseTiming()
OURS = 15.0
THEIRS = LeaderElectionRecord(
    holder="b", version="5", duration=15.0, transitions=3, acquired="2020-01-01T00:00:00.000000Z"
)
MINE = replace(THEIRS, holder="a")


def test_a_lease_is_free_when_its_holder_was_silent_for_its_own_duration() -> None:
    seen = Observation(THEIRS, 100.0)
    assert not may_take(seen, None, OURS, 114.9)
    assert may_take(seen, None, OURS, 115.0)


@pytest.mark.parametrize(
    ("theirs", "ours", "wait"), [(15, 60, 60), (60, 15, 60), (1, 15, 15), (10**9, 15, MAX_DURATION)]
)
def test_of_two_durations_the_longer_is_waited_and_none_that_nobody_could_have_set(
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


def test_any_change_of_the_record_starts_its_age_anew_and_the_same_record_does_not() -> None:
    seen = observe(None, THEIRS, 100.0)
    assert observe(seen, THEIRS, 110.0) == seen
    renewed = observe(seen, replace(THEIRS, version="6"), 110.0)
    assert not may_take(renewed, None, OURS, 124.0)


def test_a_released_lease_and_our_own_are_free_at_once() -> None:
    assert may_take(Observation(release(THEIRS), 100.0), None, OURS, 100.0)
    assert may_take(Observation(MINE, 100.0), MINE, OURS, 100.0)


def test_what_a_person_writes_frees_nothing_at_once() -> None:
    for edited in (
        replace(THEIRS, holder=""),
        replace(THEIRS, holder="a"),
        replace(THEIRS, duration=RELEASED_DURATION),
    ):
        seen = observe(Observation(THEIRS, 90.0), replace(edited, version="6"), 100.0)
        # Neither to one who never sent anything, nor to one whose own Lease somebody else held since.
        for mine in (None, replace(MINE, transitions=2), replace(MINE, acquired="2020-01-01T00:00:00.000001Z")):
            assert not may_take(seen, mine, OURS, 114.9)
            assert may_take(seen, mine, OURS, 115.0)


def test_a_lease_that_was_never_there_is_made_at_once_a_deleted_one_when_its_holder_must_have_stopped() -> None:
    assert observe_absence(None, None, 0.0, 100.0) is None
    gone = observe_absence(Observation(THEIRS, 99.0), None, 0.0, 100.0)
    assert gone is not None
    assert observe_absence(gone, None, 0.0, 110.0) == gone
    assert not may_take(gone, None, OURS, 114.9)
    assert may_take(gone, None, OURS, 115.0)
    made = acquire(gone.record, None, "a", OURS, NOW)
    assert (made.version, made.transitions) == ("", THEIRS.transitions + 1)


def test_our_own_deleted_lease_is_made_anew_at_once_unless_another_could_have_held_it_meanwhile() -> None:
    # Seen long after it was sent: what counts is when others can have seen it first.
    held = Observation(MINE, 112.0)
    assert observe_absence(held, MINE, 115.0, 114.9) is None
    late = observe_absence(held, MINE, 115.0, 115.0)
    assert late is not None
    assert not may_take(late, MINE, OURS, 129.9)
    assert may_take(late, MINE, OURS, 130.0)


def test_a_released_lease_that_is_deleted_may_have_been_taken_between_two_looks() -> None:
    gone = observe_absence(Observation(release(THEIRS), 90.0), None, 0.0, 100.0)
    assert gone is not None
    assert not may_take(gone, None, OURS, 114.9)


def test_taking_counts_a_transition_and_renewing_does_not() -> None:
    assert acquire(None, None, "a", 15.0, NOW).transitions == 0
    taken = acquire(THEIRS, None, "a", 15.0, NOW)
    assert (taken.holder, taken.transitions, taken.version, taken.acquired) == (
        "a",
        4,
        "5",
        "2026-01-02T03:04:05.000000Z",
    )
    assert acquire(MINE, MINE, "a", 15.0, NOW) == MINE


def test_a_counter_that_somebody_set_to_the_end_of_its_range_still_tells_takers_apart() -> None:
    taken = acquire(replace(THEIRS, transitions=2**31 - 1), None, "a", 15.0, NOW)
    assert taken.transitions == 1


@pytest.mark.parametrize(("duration", "written"), [(15.0, 15), (4.4, 5), (RELEASED_DURATION, 1)])
def test_others_are_told_to_wait_no_less_than_our_duration(duration: float, written: int) -> None:
    assert body(replace(THEIRS, duration=duration), "ns", "name", NOW)["spec"]["leaseDurationSeconds"] == written


def test_no_decision_reads_a_clock_or_a_time_that_somebody_wrote() -> None:
    tree = ast.parse(inspect.getsource(election))
    used = {each.attr for each in ast.walk(tree) if isinstance(each, ast.Attribute)}
    assert "strftime" in used, "what people read is written"
    assert not used & {"now", "utcnow", "today", "fromisoformat", "strptime", "fromtimestamp", "time", "monotonic"}
    later = replace(THEIRS, acquired="9999-01-01T00:00:00.000000Z")
    assert may_take(Observation(later, 100.0), None, OURS, 115.0)


@given(st.text(max_size=5), st.integers(1, 999), st.integers(0, 999))
def test_a_record_survives_being_written(holder: str, duration: int, transitions: int) -> None:
    record = LeaderElectionRecord(holder, "7", float(duration), transitions, "2020-01-01T00:00:00.000000Z")
    assert parse(body(record, "ns", "name", NOW), 15.0) == record


def test_a_lease_that_somebody_made_by_hand_is_readable() -> None:
    assert parse({"metadata": {"resourceVersion": "1"}}, 15.0) == LeaderElectionRecord("", "1", 15.0, 0, "")


@pytest.mark.parametrize("timing", [(15, 15, 2), (15, 10, 10), (15, 10, 0), (10, 15, 2)])
def test_unsafe_timings_are_refused(timing: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="0 < retry < renew deadline < duration"):
        LeaseTiming(*timing)


# Each step: who acts, the seconds until then, and what becomes of its write, or what a person does to the Lease first.
OUTCOMES = ("answered", "lost before", "lost after")
HANDS = ("deleted", "emptied", "shortened", "renamed")
STEPS = st.lists(
    st.tuples(st.sampled_from("ab"), st.floats(0, 12), st.sampled_from(OUTCOMES + HANDS)),
    max_size=60,
)


def edited(record: LeaderElectionRecord, hand: str, who: str) -> LeaderElectionRecord:
    """What a person leaves behind: anything but what a release writes, which nobody could tell from one."""
    match hand:
        case "emptied" if record.duration > RELEASED_DURATION:
            return replace(record, holder="")
        case "shortened" if record.holder:
            return replace(record, duration=RELEASED_DURATION)
        case _:
            return replace(record, holder=who)


@example([("a", 0.0, "lost before"), ("b", 0.0, "answered"), ("a", 0.0, "renamed"), ("a", 0.0, "answered")])
@given(STEPS)
def test_two_never_hold_it_at_once_whatever_a_person_does_to_it(steps: list[tuple[str, float, str]]) -> None:
    now, versions, stored = 0.0, 0, LeaderElectionRecord("", "0", RELEASED_DURATION, 0, "")
    there, deleted = True, False
    mine: dict[str, LeaderElectionRecord | None] = {"a": None, "b": None}
    # Both look once before anything happens: nobody can know what was deleted before.
    seen: dict[str, Observation | None] = dict.fromkeys("ab", Observation(stored, now))
    deadline = {"a": -1.0, "b": -1.0}
    until = dict(deadline)
    moments = count()
    for who, seconds, what in steps:
        now += seconds
        if what == "deleted" and not deleted:
            # Once: a Lease that came and went between two looks is the other thing that nobody can know.
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
            # No two claims are of the same microsecond: a person who renames the holder does not make up another's.
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
