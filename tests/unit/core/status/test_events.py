"""Events: each transition once, and none without a change."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.api.connection_status import ConnectionStatus
from netbird_streaming.api.status import Applied, Condition, Correction, Former, Origin, Status
from netbird_streaming.core.actions import ReadyState, RemoveFinalizer
from netbird_streaming.core.netbird.types import Integration
from netbird_streaming.core.status.conditions import ConditionInput, conditions
from netbird_streaming.core.status.events import (
    TRANSIENT,
    EventNote,
    EventReason,
    Reported,
    deletion_events,
    events_for,
    several_enabled_note,
    summarize,
)
from netbird_streaming.reasons import Reason
from tests.harness.cases import WALL

PROBLEMS: Final = sorted(set(Reason) - TRANSIENT - {Reason.DRIFTED})
SYNCED: Final = ConditionInput(ReadyState.READY, Reason.SYNCED, "all is well")
REJECTED: Final = ConditionInput(ReadyState.RECONCILING, Reason.TOKEN_REJECTED, "the token is rejected")
CREATING: Final = ConditionInput(ReadyState.RECONCILING, Reason.PROGRESSING, "being created")
GONE_QUIET: Final = ConditionInput(ReadyState.RECONCILING, Reason.UNAVAILABLE, "no answer")
DRIFTED: Final = ConditionInput(ReadyState.READY, Reason.DRIFTED, "it differs", drifted="it differs")


def standing(each: ConditionInput) -> tuple[Condition, ...]:
    return conditions(each, (), 1, WALL)


def applied(fingerprint: str) -> Applied:
    return Applied(fingerprint=fingerprint, key_id="k")


def corrections(*minutes: int, **values: str) -> tuple[Correction, ...]:
    return tuple(Correction(at=WALL + timedelta(minutes=each), values=values) for each in minutes)


def told_of(steps: Sequence[ConditionInput | None]) -> list[EventNote]:
    """Return the Events of a sequence of statuses; None is a restart."""
    before, reported, said = ConnectionStatus(), None, list[EventNote]()
    for step in steps:
        if step is None:
            reported = None
            continue
        after = ConnectionStatus(conditions=standing(step))
        was = summarize(before.conditions) if reported is None else reported
        said += events_for(before, after, was)
        before, reported = after, summarize(after.conditions, was)
    return said


def one(before: Status, after: Status) -> EventNote:
    (note,) = events_for(before, after, summarize(before.conditions))
    return note


STANDINGS = st.builds(
    ConditionInput,
    st.sampled_from([ReadyState.RECONCILING, ReadyState.STALLED, ReadyState.SUSPENDED]),
    st.sampled_from(sorted(Reason)),
    st.just("why"),
) | st.sampled_from([SYNCED, DRIFTED, CREATING])
STATUSES = st.builds(
    Status().evolve,
    id=st.none() | st.integers(1, 3),
    origin=st.none() | st.sampled_from(Origin),
    applied=st.none() | st.sampled_from([applied("a"), applied("b")]),
    corrections=st.sampled_from([(), corrections(1), corrections(1, 2), corrections(2, 3, 4)]),
    conditions=STANDINGS.map(standing),
)


@given(STATUSES, st.builds(Reported, st.none() | st.just("Synced"), st.none() | st.sampled_from(PROBLEMS)))
def test_rewritten_status_gives_no_event(status: Status, before: Reported) -> None:
    assert events_for(status, status, summarize(status.conditions, before)) == ()
    assert events_for(status, status, summarize(status.conditions)) == ()


@given(STATUSES, STATUSES)
def test_step_gives_one_event(before: Status, after: Status) -> None:
    was = summarize(before.conditions)
    said = events_for(before, after, was)
    assert len({each.reason for each in said}) == len(said)
    assert events_for(after, after, summarize(after.conditions, was)) == ()


@given(st.lists(STANDINGS, max_size=12), st.lists(st.integers(0, 11), max_size=3))
def test_problem_and_recovery_alternate(steps: list[ConditionInput], again: list[int]) -> None:
    """A state that is written twice, as by a retry, changes no Event."""
    said = told_of(steps)
    stood: str | None = None
    for note in said:
        if note.warning:
            assert note.reason != stood
            assert note.reason not in TRANSIENT
            stood = note.reason
        else:
            assert note.reason is EventReason.RECOVERED
            assert stood is not None
            stood = None
    for index in sorted((each for each in again if each < len(steps)), reverse=True):
        steps.insert(index, steps[index])
    assert told_of(steps) == said


@pytest.mark.parametrize("reason", PROBLEMS)
def test_problem_that_needs_a_user_is_a_warning_with_its_remedy(reason: Reason) -> None:
    (problem, recovery) = told_of([SYNCED, ConditionInput(ReadyState.STALLED, reason, reason.remedy), SYNCED])
    assert problem == EventNote(reason, "Reconcile", reason.remedy, warning=True)
    assert recovery == EventNote(EventReason.RECOVERED, "Reconcile", f"Ready again: {reason} is over.")


@pytest.mark.parametrize("reason", sorted(TRANSIENT - {Reason.SYNCED}))
def test_transient_problem_is_no_event(reason: Reason) -> None:
    assert told_of([SYNCED, ConditionInput(ReadyState.RECONCILING, reason, "wait"), SYNCED]) == []


def test_problem_is_not_repeated_by_retries_or_after_an_outage() -> None:
    said = told_of([REJECTED, CREATING, REJECTED, GONE_QUIET, REJECTED, CREATING, SYNCED])
    assert [each.reason for each in said] == [Reason.TOKEN_REJECTED, EventReason.RECOVERED]


def test_restart_repeats_no_event_and_still_reports_the_recovery() -> None:
    assert told_of([REJECTED, None, REJECTED, CREATING, REJECTED]) == told_of([REJECTED])
    assert [each.reason for each in told_of([REJECTED, None, SYNCED])] == [Reason.TOKEN_REJECTED, EventReason.RECOVERED]


def test_one_problem_may_follow_another() -> None:
    said = told_of([REJECTED, ConditionInput(ReadyState.STALLED, Reason.CONTENDED, "who?"), SYNCED])
    assert [each.reason for each in said] == [Reason.TOKEN_REJECTED, Reason.CONTENDED, EventReason.RECOVERED]
    assert said[-1].note == "Ready again: Contended is over."


def test_reported_drift_is_a_warning_although_the_resource_is_ready() -> None:
    drift, over = told_of([SYNCED, DRIFTED, DRIFTED, SYNCED])
    assert drift == EventNote(Reason.DRIFTED, "Reconcile", "it differs", warning=True)
    assert over.reason is EventReason.RECOVERED


def test_drift_warning_describes_the_drift() -> None:
    waits = ConditionInput(ReadyState.READY, Reason.SUSPENDED, "it waits", drifted="it differs")
    assert [each.note for each in told_of([SYNCED, waits])] == ["it differs"]


@pytest.mark.parametrize("standing_of", [SYNCED, DRIFTED, REJECTED, GONE_QUIET])
def test_last_reason_is_recorded_for_the_log(standing_of: ConditionInput) -> None:
    assert summarize(standing(standing_of)).reason == standing_of.reason


@pytest.mark.parametrize(
    ("origin", "happening"),
    [
        (Origin.CREATED, EventReason.CREATED),
        (Origin.ADOPTED, EventReason.ADOPTED),
        (Origin.INFERRED, EventReason.INFERRED),
    ],
)
def test_origin_of_the_integration_is_reported(origin: Origin, happening: EventReason) -> None:
    note = one(Status(), Status(id=7, origin=origin))
    assert (note.reason, note.action, note.warning) == (happening, happening.action, False)
    assert "7" in note.note


def test_accepted_change_is_an_update_and_the_first_is_not() -> None:
    before = Status().evolve(id=7, applied=applied("a"))
    assert one(before, Status().evolve(id=7, applied=applied("b"))).reason is EventReason.UPDATED
    assert events_for(Status(id=7), before, Reported()) == ()


def test_correction_is_one_event_and_no_update() -> None:
    before = Status().evolve(id=7, applied=applied("a"), corrections=corrections(1, url="digest"))
    after = Status().evolve(id=7, applied=applied("b"), corrections=corrections(1, 2))
    assert one(before, after).reason is EventReason.CORRECTED
    # A LIST has shown its result, and its values are removed.
    assert events_for(before, before.evolve(corrections=corrections(1)), Reported()) == ()


def test_lost_integration_and_its_successor_are_two_events() -> None:
    gone = one(Status(id=7, origin=Origin.CREATED), Status())
    assert (gone.reason, "7" in gone.note) == (EventReason.CORRECTED, True)
    both = events_for(Status(id=7), Status(id=8, origin=Origin.ADOPTED), Reported())
    assert [each.reason for each in both] == [EventReason.CORRECTED, EventReason.ADOPTED]


def test_integration_replaced_by_an_adoption_elsewhere_is_left_and_not_lost() -> None:
    before = Status().evolve(id=7, account_id="a", authority="https://one.example")
    for moved in ({"authority": "https://two.example"}, {"account_id": "b"}):
        after = before.evolve(id=8, origin=Origin.ADOPTED, **moved)
        left, adopted = events_for(before, after, Reported())
        assert (left.reason, left.warning, adopted.reason) == (EventReason.ORPHANED, True, EventReason.ADOPTED)
        assert left.note == (
            "Integration 7 of account a was left in NetBird: integration 8 was adopted in its place. Delete it there."
        )
    # An account that the server does not name is no other account.
    gone, _ = events_for(before, before.evolve(id=8, origin=Origin.ADOPTED, account_id=None), Reported())
    assert gone.reason is EventReason.CORRECTED


def test_replaced_integration_without_a_record_is_not_reported_as_deleted() -> None:
    before = Status().evolve(id=7, former=tuple(Former(id=each) for each in range(1, 4)))
    after = before.evolve(id=8, origin=Origin.CREATED, former=(Former(id=3), Former(id=7)))
    assert [each.reason for each in events_for(before, after, Reported())] == [
        EventReason.CORRECTED,
        EventReason.CREATED,
    ]


def test_released_resource_reports_the_fate_of_its_integration() -> None:
    (deleted,) = deletion_events(Status(id=7), RemoveFinalizer())
    assert (deleted.reason, deleted.note) == (EventReason.DELETED, "Integration 7 was deleted in NetBird.")
    orphan = RemoveFinalizer("integration 7 of account a was left in NetBird")
    (orphaned,) = deletion_events(Status(id=7), orphan)
    assert orphaned.reason is EventReason.ORPHANED
    assert "integration 7 of account a" in orphaned.note
    left, deleted = deletion_events(Status(id=7), RemoveFinalizer(left="5 (account b)"))
    assert (left.reason, left.warning, deleted.reason) == (EventReason.ORPHANED, True, EventReason.DELETED)
    assert "5 (account b)" in left.note
    assert list(deletion_events(Status(), RemoveFinalizer())) == []


def test_event_reason_is_in_the_closed_list() -> None:
    assert not {each.value for each in EventReason} & {each.value for each in Reason}


def test_several_enabled_integrations_of_an_account_are_named() -> None:
    on, off = ([Integration(each, "a", "datadog", state, {}) for each in range(1, 501)] for state in (True, False))
    assert several_enabled_note([]) is None
    assert several_enabled_note([on[0], off[1]]) is None
    note = several_enabled_note([on[2], off[1], on[0]])
    assert note is not None
    assert note.reason is EventReason.SEVERAL_ENABLED
    assert note.note.startswith("2 integrations of one account are enabled: 1, 3. ")
    many = several_enabled_note(on)
    assert many is not None
    assert len(many.note) < 1024
