"""The rules of a process' memory about a resource."""

from dataclasses import replace

import pytest

from netbird_streaming.core.memory import MAX_UNSENT, Absence, CreateAttempt, LastWrite, Memory, ReconcileRequest
from tests.harness.cases import NOW, integration, intent_of, item


def test_new_create_keeps_only_the_finalizer_and_the_request() -> None:
    request = ReconcileRequest("now", NOW)
    before = Memory(NOW, CreateAttempt(error="500"), LastWrite(at=NOW), Absence(since=NOW), request)
    assert before.create_begins() == Memory(finalizer_seen_at=NOW, request=request)


def test_unsent_intents_are_bounded_and_the_newest_are_kept() -> None:
    memory, intents = Memory(), [intent_of(integration(), attempt=each + 1) for each in range(MAX_UNSENT + 2)]
    for intent in intents:
        memory = memory.create_unsent(intent)
    assert memory.create.unsent == tuple(intents[2:])


def test_request_keeps_the_time_at_which_it_was_first_seen() -> None:
    memory = Memory().requested("now", NOW).requested("now", NOW + 1).requested(None, NOW + 2)
    assert memory.request == ReconcileRequest("now", NOW)
    assert memory.requested("again", NOW + 3).request == ReconcileRequest("again", NOW + 3)


@pytest.mark.parametrize(
    ("write", "other", "until"),
    [
        (LastWrite(), True, NOW + 90),
        (LastWrite(), False, None),
        (LastWrite(at=NOW - 1), True, None),
        (LastWrite(compared_at=NOW - 1), True, None),
        (LastWrite(at=NOW - 1, late_until=NOW + 5), True, NOW + 5),
        (LastWrite(late_until=NOW), False, None),
    ],
)
def test_earlier_put_can_be_applied_later_until_its_window_ends(
    write: LastWrite,
    other: bool,  # noqa: FBT001 # pytest passes it
    until: float | None,
) -> None:
    assert write.overtaken_until(NOW, 90, by_another_process=other) == until


def test_absence_begins_with_its_first_observation_and_ends_with_the_integration() -> None:
    twice = Memory().not_found(NOW).not_found(NOW + 60)
    assert twice.absence == Absence(not_found_at=NOW + 60, since=NOW)
    assert twice.absence.is_proven_apart(60)
    assert not twice.absence.is_proven_apart(61)
    assert not Absence(not_found_at=NOW).is_proven_apart(0)
    assert twice.found(item(), NOW + 61).absence == Absence(fetched=item(), fetched_at=NOW + 61)
    assert twice.updated(NOW + 61, None, None, verify=False).absence == Absence()


@pytest.mark.parametrize(("compared_at", "late_until"), [(NOW, NOW + 5), (NOW + 5, None)])
def test_list_begun_after_the_window_ends_the_wait_for_a_late_write(
    compared_at: float, late_until: float | None
) -> None:
    memory = replace(Memory(NOW), write=LastWrite(late_until=NOW + 5, own_updated_at="now"))
    assert memory.in_sync(compared_at) == Memory(write=LastWrite(late_until=late_until, compared_at=compared_at))
