"""A LIST that lags behind NetBird's other answers, as a read replica's does: no decision takes the past for news."""

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
    """A drift was corrected so many seconds ago."""
    return Memory(finalizer_seen_at=NOW - 100, write=LastWrite(at=NOW - seconds, needs_verification=True))


class TestAfterOurOwnWrite:
    @pytest.mark.parametrize(
        "shown",
        [item(enabled=False), item(updated_at=LATER), item(updated_at=BEFORE), item(updated_at=None)],
        ids=["another value", "a later write", "an earlier write", "no time"],
    )
    def test_what_a_list_shows_otherwise_is_looked_at_again_when_it_can_not_lag(self, shown: Any) -> None:
        early = case(resource_of(), memory=corrected(3), snapshot=view(shown, begun=NOW - 2))
        assert decide(early) == WaitForList(NOW - 3 + LAG)

    def test_what_is_shown_then_is_drift(self) -> None:
        memory, shown = corrected(LAG + 3), item(enabled=False)
        assert isinstance(decide(case(resource_of(), memory=memory, snapshot=view(shown, begun=NOW - 3))), Update)

    @pytest.mark.parametrize("former", [NEVER, parse_time(BEFORE)], ids=["a POST", "a PUT"])
    def test_what_is_written_later_than_all_that_was_known_before_is_our_write(self, former: datetime) -> None:
        memory = replace(corrected(3), write=replace(corrected(3).write, remote_updated_before=former))
        action = decide(case(resource_of(updated_at=None), memory=memory, snapshot=view(item(), begun=NOW - 2)))
        assert isinstance(action, Report)
        assert (action.state, action.item) == (ReadyState.READY, item())

    def test_what_shows_the_time_that_a_put_was_answered_with_may_be_from_before_it(self) -> None:
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

    def test_a_time_that_is_not_known_yet_is_taken_from_no_list_that_may_lag(self) -> None:
        resource, shown = resource_of(updated_at=None), view(item(updated_at=BEFORE), begun=NOW - 2)
        assert decide(case(resource, memory=corrected(3), snapshot=shown)) == WaitForList(NOW - 3 + LAG)

    def test_where_the_server_tells_no_times_a_new_leader_needs_no_second_look(self) -> None:
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
    def test_what_nobody_doubts_waits_for_the_next_sweep(self, memory: Memory) -> None:
        shown = view(item(updated_at=BEFORE), begun=NOW - 2)
        action = decide(case(resource_of(updated_at=None), memory=memory, snapshot=shown, account_since=NOW - 3))
        assert isinstance(action, Report)
        assert (action.state, action.item) == (ReadyState.READY, None)

    def test_whoever_asks_for_a_look_gets_one_that_can_not_lag_where_something_differs(self) -> None:
        asked = integration(status=held(integration(), conditions=(SYNCED,)), annotations={RECONCILE_ANNOTATION: "now"})
        memory = Memory(
            finalizer_seen_at=NOW - 100, write=LastWrite(at=NOW - 3), request=ReconcileRequest("now", NOW - 2)
        )
        assert decide(case(asked, memory=memory, snapshot=view(item(enabled=False), begun=NOW - 1))) == WaitForList(
            NOW - 3 + LAG
        )

    def test_what_a_process_before_this_one_undid_is_looked_at_at_once(self) -> None:
        undone = resource_of(updated_at=None, corrections=(Correction(at=WALL, values={"url": "0" * 32}),))
        shown = view(item(updated_at=BEFORE), begun=NOW - 1)
        assert decide(case(undone, snapshot=shown, account_since=NOW - 2)) == WaitForList(NOW - 2 + LAG)

    def test_the_time_that_our_write_shows_before_a_late_one_can_overtake_it_is_told(self) -> None:
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

    def test_what_is_written_later_than_that_time_is_of_somebody_else(self) -> None:
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

    def test_what_a_process_before_this_one_wrote_may_not_show_yet(self) -> None:
        shown = view(item(enabled=False), begun=NOW - 1)
        assert decide(case(resource_of(), snapshot=shown, account_since=NOW - 2)) == WaitForList(NOW - 2 + LAG)
        assert isinstance(decide(case(resource_of(), snapshot=shown, account_since=NOW - 60)), Update)


class TestPresence:
    def test_what_was_just_created_is_not_missed(self) -> None:
        missing = decide(case(resource_of(), memory=corrected(3), snapshot=view(begun=NOW - 2)))
        assert missing == WaitForList(NOW - 3 + LAG)

    def test_what_was_just_created_is_not_gone_though_two_answers_lack_it(self) -> None:
        memory = Memory(finalizer_seen_at=NOW - 100, write=LastWrite(at=NOW - 3), absence=Absence(not_found_at=NOW - 2))
        assert decide(case(resource_of(), memory=memory, snapshot=view(begun=NOW - 1))) == WaitForList(NOW - 3 + LAG)
        later = Memory(
            finalizer_seen_at=NOW - 100,
            write=LastWrite(at=NOW - 70),
            absence=Absence(not_found_at=NOW - 2, since=NOW - 62),
        )
        assert isinstance(decide(case(resource_of(), memory=later, snapshot=view(begun=NOW - 1))), Create)

    def test_what_was_just_deleted_is_no_contradiction_while_a_list_may_show_it(self) -> None:
        memory = Memory(finalizer_seen_at=NOW - 100, absence=Absence(not_found_at=NOW - 2))
        changed = integration({"enabled": False}, status=held(integration()))
        assert decide(case(changed, memory=memory, snapshot=view(item(), begun=NOW - 1))) == WaitForList(NOW - 2 + LAG)
        memory = Memory(finalizer_seen_at=NOW - 100, absence=Absence(not_found_at=NOW - 2 - LAG))
        assert isinstance(decide(case(changed, memory=memory, snapshot=view(item(), begun=NOW - 1))), Update)

    def test_what_we_have_just_deleted_does_not_stop_its_namesake(self) -> None:
        shown = view(item(9), begun=NOW - 1)
        assert decide(case(integration(), snapshot=shown, deleted_at=NOW - 2)) == WaitForList(NOW - 2 + LAG)
        late = decide(case(integration(), snapshot=shown, deleted_at=NOW - 2 - LAG))
        assert isinstance(late, Report)
        assert late.reason is Reason.IDENTICAL_EXISTS


def test_the_latest_of_some_times_is_none_where_none_can_be_read() -> None:
    assert latest(None, BEFORE, LATER, "nonsense", STAMP) == parse_time(LATER)
    assert latest(None, "nonsense") is None


def test_a_list_that_began_when_the_lag_was_over_is_believed() -> None:
    over = NOW - 1 - LAG
    stranger = decide(case(integration(), snapshot=view(item(9)), deleted_at=over))
    assert isinstance(stranger, Report)
    assert stranger.reason is Reason.IDENTICAL_EXISTS
    there = decide(case(resource_of(), memory=Memory(absence=Absence(not_found_at=over)), snapshot=view(item())))
    assert isinstance(there, Report)
    assert there.reason is Reason.SYNCED
