"""A LIST that lags behind NetBird's other responses, as a read replica's does: old state is not taken for a change."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from netbird_streaming.api.status import Condition, Correction
from netbird_streaming.api.timestamps import NEVER, latest, parse_time
from netbird_streaming.api.types import RECONCILE_ANNOTATION, EventStreamingIntegration
from netbird_streaming.core.actions import Create, ReadyState, Report, Update, WaitForList
from netbird_streaming.core.decide import decide
from netbird_streaming.core.memory import Absence, LastWrite, Memory, ReconcileRequest
from netbird_streaming.reasons import Reason
from tests.harness.cases import LIMITS, NOW, STAMP, WALL, case, held, integration, item, view

LAG = LIMITS.list_lag
BEFORE = "2026-05-01T10:00:00Z"
LATER = "2026-05-01T11:30:00Z"
SYNCED = Condition(type="Ready", status="True", reason=Reason.SYNCED.value, last_transition_time=WALL)


def resource_of(**changes: Any) -> EventStreamingIntegration:
    return integration(status=held(integration(), **changes))


def corrected(seconds: float) -> Memory:
    """Return an integration whose drift was corrected so many seconds ago."""
    return Memory(finalizer_seen_at=NOW - 100, write=LastWrite(at=NOW - seconds, needs_verification=True))


class TestAfterOurOwnWrite:
    @pytest.mark.parametrize(
        "shown",
        [item(enabled=False), item(updated_at=LATER), item(updated_at=BEFORE), item(updated_at=None)],
        ids=["another value", "a later write", "an earlier write", "no time"],
    )
    def test_difference_in_a_lagging_list_is_checked_again_when_it_can_not_lag(self, shown: Any) -> None:
        early = case(resource_of(), memory=corrected(3), snapshot=view(shown, begun=NOW - 2))
        assert decide(early) == WaitForList(NOW - 3 + LAG)

    def test_difference_after_the_lag_is_drift(self) -> None:
        memory, shown = corrected(LAG + 3), item(enabled=False)
        assert isinstance(decide(case(resource_of(), memory=memory, snapshot=view(shown, begun=NOW - 3))), Update)

    @pytest.mark.parametrize("former", [NEVER, parse_time(BEFORE)], ids=["a POST", "a PUT"])
    def test_later_time_than_all_known_ones_is_our_write(self, former: datetime) -> None:
        memory = replace(corrected(3), write=replace(corrected(3).write, remote_updated_before=former))
        action = decide(case(resource_of(updated_at=None), memory=memory, snapshot=view(item(), begun=NOW - 2)))
        assert isinstance(action, Report)
        assert (action.state, action.item) == (ReadyState.READY, item())

    def test_list_with_the_time_of_a_puts_response_may_be_older(self) -> None:
        early, memory = (
            view(item(), begun=NOW - 2),
            replace(corrected(3), write=replace(corrected(3).write, remote_updated_before=parse_time(STAMP))),
        )
        assert decide(case(resource_of(), memory=memory, snapshot=early)) == WaitForList(NOW - 3 + LAG)
        late = replace(memory, write=replace(memory.write, needs_verification=False, late_until=NOW + 9))
        assert decide(case(resource_of(), memory=late, snapshot=early)) == WaitForList(NOW - 3 + LAG)
        action = decide(
            case(
                resource_of(),
                memory=replace(memory, write=replace(memory.write, needs_verification=False)),
                snapshot=early,
            )
        )
        assert isinstance(action, Report)
        assert (action.state, action.item) == (ReadyState.READY, None)

    def test_unknown_time_is_taken_from_no_lagging_list(self) -> None:
        resource, shown = resource_of(updated_at=None), view(item(updated_at=BEFORE), begun=NOW - 2)
        assert decide(case(resource, memory=corrected(3), snapshot=shown)) == WaitForList(NOW - 3 + LAG)

    def test_new_leader_needs_no_second_check_if_the_server_has_no_times(self) -> None:
        shown = item(updated_at=None)
        action = decide(case(resource_of(updated_at=None), snapshot=view(shown, begun=NOW - 2), account_since=NOW - 3))
        assert isinstance(action, Report)
        assert action.item == shown

    @pytest.mark.parametrize(
        "memory",
        [
            replace(corrected(3), write=replace(corrected(3).write, needs_verification=False)),
            Memory(finalizer_seen_at=NOW - 100),
        ],
    )
    def test_undoubted_state_waits_for_the_next_resync(self, memory: Memory) -> None:
        shown = view(item(updated_at=BEFORE), begun=NOW - 2)
        action = decide(case(resource_of(updated_at=None), memory=memory, snapshot=shown, account_since=NOW - 3))
        assert isinstance(action, Report)
        assert (action.state, action.item) == (ReadyState.READY, None)

    def test_requested_reconcile_uses_a_list_without_lag_if_something_differs(self) -> None:
        asked = integration(status=held(integration(), conditions=(SYNCED,)), annotations={RECONCILE_ANNOTATION: "now"})
        memory = Memory(
            finalizer_seen_at=NOW - 100, write=LastWrite(at=NOW - 3), request=ReconcileRequest("now", NOW - 2)
        )
        assert decide(case(asked, memory=memory, snapshot=view(item(enabled=False), begun=NOW - 1))) == WaitForList(
            NOW - 3 + LAG
        )

    def test_correction_of_an_earlier_process_is_checked_at_once(self) -> None:
        undone = resource_of(updated_at=None, corrections=(Correction(at=WALL, values={"url": "0" * 32}),))
        shown = view(item(updated_at=BEFORE), begun=NOW - 1)
        assert decide(case(undone, snapshot=shown, account_since=NOW - 2)) == WaitForList(NOW - 2 + LAG)

    def test_time_of_our_write_before_a_late_one_is_recorded(self) -> None:
        memory = replace(
            corrected(3),
            write=replace(corrected(3).write, remote_updated_before=parse_time(BEFORE), late_until=NOW + 9),
        )
        shown = view(item(enabled=False), begun=NOW - 2)
        assert decide(case(resource_of(), memory=memory, snapshot=shown)) == WaitForList(
            NOW - 3 + LAG, own_write_updated_at=STAMP
        )
        unknown = replace(memory, write=replace(memory.write, remote_updated_before=parse_time(STAMP)))
        assert decide(case(resource_of(), memory=unknown, snapshot=shown)) == WaitForList(NOW - 3 + LAG)
        alone = replace(memory, write=replace(memory.write, late_until=None))
        assert decide(case(resource_of(), memory=alone, snapshot=shown)) == WaitForList(NOW - 3 + LAG)

    def test_later_write_is_another_clients(self) -> None:
        memory = replace(
            corrected(LAG + 3),
            write=replace(corrected(LAG + 3).write, remote_updated_before=parse_time(BEFORE), late_until=NOW + 9),
        )
        soon = "2026-05-01T11:00:04Z"
        shown = view(item(updated_at=soon), begun=NOW - 2)
        assert isinstance(decide(case(resource_of(), memory=memory, snapshot=shown)), Report)
        assert isinstance(
            decide(
                case(
                    resource_of(),
                    memory=replace(memory, write=replace(memory.write, own_updated_at=STAMP)),
                    snapshot=shown,
                )
            ),
            Update,
        )

    def test_write_of_an_earlier_process_may_not_show_yet(self) -> None:
        shown = view(item(enabled=False), begun=NOW - 1)
        assert decide(case(resource_of(), snapshot=shown, account_since=NOW - 2)) == WaitForList(NOW - 2 + LAG)
        assert isinstance(decide(case(resource_of(), snapshot=shown, account_since=NOW - 60)), Update)


class TestPresence:
    def test_created_integration_is_not_missed(self) -> None:
        missing = decide(case(resource_of(), memory=corrected(3), snapshot=view(begun=NOW - 2)))
        assert missing == WaitForList(NOW - 3 + LAG)

    def test_created_integration_is_present_although_two_responses_lack_it(self) -> None:
        memory = Memory(finalizer_seen_at=NOW - 100, write=LastWrite(at=NOW - 3), absence=Absence(not_found_at=NOW - 2))
        assert decide(case(resource_of(), memory=memory, snapshot=view(begun=NOW - 1))) == WaitForList(NOW - 3 + LAG)
        later = Memory(
            finalizer_seen_at=NOW - 100,
            write=LastWrite(at=NOW - 70),
            absence=Absence(not_found_at=NOW - 2, since=NOW - 62),
        )
        assert isinstance(decide(case(resource_of(), memory=later, snapshot=view(begun=NOW - 1))), Create)

    def test_deleted_integration_in_a_lagging_list_is_no_contradiction(self) -> None:
        memory = Memory(finalizer_seen_at=NOW - 100, absence=Absence(not_found_at=NOW - 2))
        changed = integration({"enabled": False}, status=held(integration()))
        assert decide(case(changed, memory=memory, snapshot=view(item(), begun=NOW - 1))) == WaitForList(NOW - 2 + LAG)
        memory = Memory(finalizer_seen_at=NOW - 100, absence=Absence(not_found_at=NOW - 2 - LAG))
        assert isinstance(decide(case(changed, memory=memory, snapshot=view(item(), begun=NOW - 1))), Update)

    def test_own_deletion_does_not_block_a_new_resource_with_the_name(self) -> None:
        shown = view(item(9), begun=NOW - 1)
        assert decide(case(integration(), snapshot=shown, deleted_at=NOW - 2)) == WaitForList(NOW - 2 + LAG)
        late = decide(case(integration(), snapshot=shown, deleted_at=NOW - 2 - LAG))
        assert isinstance(late, Report)
        assert late.reason is Reason.IDENTICAL_EXISTS


def test_latest_of_unreadable_times_is_none() -> None:
    assert latest(None, BEFORE, LATER, "nonsense", STAMP) == parse_time(LATER)
    assert latest(None, "nonsense") is None


def test_list_begun_after_the_lag_is_used() -> None:
    over = NOW - 1 - LAG
    stranger = decide(case(integration(), snapshot=view(item(9)), deleted_at=over))
    assert isinstance(stranger, Report)
    assert stranger.reason is Reason.IDENTICAL_EXISTS
    there = decide(case(resource_of(), memory=Memory(absence=Absence(not_found_at=over)), snapshot=view(item())))
    assert isinstance(there, Report)
    assert there.reason is Reason.SYNCED
