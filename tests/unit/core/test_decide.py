"""The function decide(): one action for every input, and the right one for the important ones."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.api.status import Applied, Condition, Correction, Origin, Status
from netbird_streaming.api.types import EventStreamingIntegration
from netbird_streaming.core.actions import (
    Action,
    AddFinalizer,
    ConfirmAccount,
    Create,
    Delete,
    DeleteFormer,
    Ignore,
    ProveAbsence,
    ReadyState,
    RecordId,
    RemoveFinalizer,
    Report,
    Update,
    WaitForList,
)
from netbird_streaming.core.decide import decide
from netbird_streaming.core.inputs import DecisionInput, Target
from netbird_streaming.core.memory import Absence, CreateAttempt, CreatedIntegration, LastWrite, Memory
from netbird_streaming.core.netbird.types import Integration
from netbird_streaming.core.policies import existing
from netbird_streaming.core.policies.create_outcome import new_intent
from netbird_streaming.core.status import updates
from netbird_streaming.errors import EditError, OperatorError, WaitError
from netbird_streaming.reasons import Reason
from tests.harness.cases import (
    ACCOUNT,
    AUTHORITY,
    KEY,
    LIMITS,
    NOW,
    STAMP,
    UID,
    URL,
    WALL,
    Others,
    case,
    held,
    integration,
    intent_of,
    item,
    payload_of,
    route_of,
    view,
)

LATER = "2026-05-01T11:30:00Z"
WHOLE = Reason.CONNECTION_NOT_FOUND.remedy
ROUTE = Target(
    AUTHORITY, endpoint_digest="endpoint-1", credential_digest="proof-1", account=ACCOUNT, allow_adoption=True
)
BROKEN = WaitError(Reason.CONNECTION_NOT_FOUND, "NetBirdConnection x does not exist")


def reason_of(action: Action) -> Reason:
    assert isinstance(action, Report), action
    return action.reason


class TestCreating:
    def test_finalizer_is_added_first(self) -> None:
        assert decide(case(integration(finalizers=[]))) == AddFinalizer()

    def test_list_begun_after_the_finalizer_comes_next(self) -> None:
        memory = Memory(finalizer_seen_at=NOW - 5)
        assert decide(case(integration(), memory=memory, snapshot=view(begun=NOW - 6))) == WaitForList(NOW - 5)

    def test_intent_holds_everything_that_a_lost_response_needs(self) -> None:
        action = decide(case(integration(), snapshot=view(item(9, config={"url": "https://other.example/"}))))
        assert isinstance(action, Create)
        assert (action.intent.attempt, action.intent.since) == (1, WALL)
        assert action.intent.until == WALL + timedelta(seconds=20 + 30 + 60)
        assert URL not in action.intent.signature.values()

    def test_old_list_is_not_sufficient(self) -> None:
        assert decide(case(integration(), snapshot=view(begun=NOW - 21))) == WaitForList(NOW)

    def test_list_from_before_our_own_delete_is_not_sufficient(self) -> None:
        assert decide(case(integration(), snapshot=view(begun=NOW - 3), deleted_at=NOW - 2)) == WaitForList(NOW - 2)

    def test_identical_unowned_integration_blocks_the_create(self) -> None:
        assert reason_of(decide(case(integration(), snapshot=view(item(9))))) is Reason.IDENTICAL_EXISTS

    def test_masked_unowned_integration_counts_as_identical(self) -> None:
        masked = item(9, config={"url": "****", "headers": "****", "body_template": ""})
        assert reason_of(decide(case(integration(), snapshot=view(masked)))) is Reason.IDENTICAL_EXISTS

    def test_identical_integration_of_another_resource_is_a_conflict(self) -> None:
        action = decide(case(integration(), snapshot=view(item(9)), owners=Others({9: "team-b/web"})))
        assert reason_of(action) is Reason.OWNERSHIP_CONFLICT

    def test_conflicting_owner_has_precedence(self) -> None:
        assert (
            reason_of(decide(case(integration(), snapshot=view(), conflicting_owner="team-a/older")))
            is Reason.OWNERSHIP_CONFLICT
        )

    def test_suspended_resource_creates_nothing(self) -> None:
        assert reason_of(decide(case(integration({"suspend": True}), snapshot=view()))) is Reason.SUSPENDED

    def test_missing_connection_is_reported(self) -> None:
        assert reason_of(decide(case(integration(), target=BROKEN))) is Reason.CONNECTION_NOT_FOUND

    @pytest.mark.parametrize("resource", [integration(), integration(status=held(integration()))])
    def test_missing_secrets_are_reported(self, resource: EventStreamingIntegration) -> None:
        missing = WaitError(Reason.SECRET_NOT_FOUND, "Secret x does not exist")
        report = Report(ReadyState.RECONCILING, Reason.SECRET_NOT_FOUND, "Secret x does not exist")
        assert decide(case(resource, payload=missing, snapshot=view())) == report

    def test_error_that_only_a_user_can_fix_is_stalled(self) -> None:
        unusable = EditError(Reason.RESOURCE_UNREADABLE, "the block is missing")
        report = Report(ReadyState.STALLED, Reason.RESOURCE_UNREADABLE, "the block is missing")
        assert decide(case(integration(), payload=unusable)) == report


class TestUnknownOutcome:
    def open(self, **changes: Any) -> EventStreamingIntegration:
        resource = integration()
        return integration(status=Status().evolve(creation=intent_of(resource, **changes), owner_uid=UID))

    def case(self, *items: Any, over: float = NOW - 66, begun: float = NOW - 0.5, **observed: Any) -> DecisionInput:
        memory = Memory(
            finalizer_seen_at=NOW - 200,
            create=CreateAttempt(ended_at=over),
            absence=Absence(since=over + 5 if over < NOW - 60 else None),
        )
        return case(self.open(), memory=memory, snapshot=view(*items, begun=begun), **observed)

    def test_create_waits_until_no_late_commit_is_possible(self) -> None:
        action = decide(self.case(over=NOW - 10))
        assert reason_of(action) is Reason.CREATE_OUTCOME_UNKNOWN
        assert isinstance(action, Report)
        assert action.retry_at == NOW + 55

    def test_error_in_place_of_a_response_is_reported(self) -> None:
        known = self.case(over=NOW - 10)
        memory = replace(known.memory, create=replace(known.memory.create, error="NetBird failed (500)."))
        said = decide(replace(known, recorded=replace(known.recorded, memory=memory)))
        assert isinstance(said, Report)
        assert said.message.startswith("NetBird failed (500). The response to the create was lost.")

    def test_outcome_needs_a_list_begun_after_the_wait(self) -> None:
        assert decide(self.case(begun=NOW - 2)) == WaitForList(NOW - 1)

    def test_one_new_match_is_recorded_and_marked_as_inferred(self) -> None:
        assert decide(self.case(item(9))) == RecordId(item(9), Origin.INFERRED)

    def test_no_match_causes_another_attempt_that_remembers_the_first(self) -> None:
        first = self.case()
        once = replace(
            first,
            recorded=replace(
                first.recorded, memory=replace(first.memory, absence=replace(first.memory.absence, since=None))
            ),
        )
        waits = decide(once)
        assert isinstance(waits, Report)
        seen = NOW - 0.5
        assert (waits.reason, waits.absent, waits.retry_at) == (
            Reason.CREATE_OUTCOME_UNKNOWN,
            seen,
            seen + LIMITS.absence,
        )
        action = decide(first)
        assert isinstance(action, Create)
        assert action.intent.attempt == 2
        assert [each.attempt for each in action.unresolved] == [1]

    def test_several_candidates_are_named_and_not_touched(self) -> None:
        action = decide(self.case(item(9), item(10)))
        assert reason_of(action) is Reason.CREATE_AMBIGUOUS
        assert isinstance(action, Report)
        assert "9, 10" in action.message

    def test_user_may_adopt_one_of_several_named_candidates(self) -> None:
        resource = integration({"adoption": {"policy": "Match", "id": 10}}, status=self.open().status)
        memory, listed = (
            Memory(
                finalizer_seen_at=NOW - 100, create=CreateAttempt(ended_at=NOW - 66), absence=Absence(since=NOW - 61)
            ),
            view(item(9), item(10), begun=NOW - 0.5),
        )
        seen = case(resource, memory=memory, snapshot=listed)
        report = decide(seen)
        assert isinstance(report, Report)
        assert (report.reason, report.retry_at) == (Reason.CREATE_AMBIGUOUS, NOW)
        assert "9, 10" in report.message
        knowing = resource.model_copy(update={"status": updates.reported(seen, report)})
        assert decide(case(knowing, memory=memory, snapshot=listed)) == RecordId(item(10), Origin.ADOPTED)

    def test_single_candidate_may_be_adopted_at_once(self) -> None:
        resource = integration({"adoption": {"policy": "Match", "id": 9}}, status=self.open().status)
        memory = Memory(
            finalizer_seen_at=NOW - 100, create=CreateAttempt(ended_at=NOW - 66), absence=Absence(since=NOW - 61)
        )
        chosen = decide(case(resource, memory=memory, snapshot=view(item(9), begun=NOW - 0.5)))
        assert chosen == RecordId(item(9), Origin.ADOPTED)

    @pytest.mark.parametrize(
        "stranger",
        [
            item(9, created_at="2026-04-30T11:00:00Z"),
            item(9, created_at="2026-05-01T13:00:00Z"),
            item(9, config={"url": "https://other.example/", "headers": "{}"}),
            item(9, platform="datadog"),
        ],
        ids=["older", "younger", "other settings", "other platform"],
    )
    def test_integration_that_can_not_be_ours_is_not_recorded(self, stranger: Any) -> None:
        assert not isinstance(decide(self.case(stranger)), RecordId)

    @pytest.mark.parametrize(
        ("created_at", "bound"),
        [
            ("2026-05-01T09:49:59Z", False),
            ("2026-05-01T09:50:00Z", True),
            ("2026-05-01T12:10:00Z", True),
            ("2026-05-01T12:10:01Z", False),
            ("no time", True),
            (None, True),
        ],
    )
    def test_ten_minutes_between_clocks_are_tolerated(self, created_at: str | None, bound: bool) -> None:  # noqa: FBT001 # pytest passes it
        assert isinstance(decide(self.case(item(9, created_at=created_at))), RecordId) is bound

    @pytest.mark.parametrize("missing", [{"since": None}, {"until": None}, {"since": None, "until": None}])
    def test_missing_time_is_not_compared(self, missing: dict[str, None]) -> None:
        resource = integration(status=Status().evolve(creation=intent_of(integration(), **missing), owner_uid=UID))
        memory = Memory(
            finalizer_seen_at=NOW - 100, create=CreateAttempt(ended_at=NOW - 66), absence=Absence(since=NOW - 61)
        )
        late = item(9, created_at="2026-05-01T15:00:00Z")
        action = decide(case(resource, memory=memory, snapshot=view(late, begun=NOW - 0.5)))
        assert action == RecordId(late, Origin.INFERRED)

    def test_equal_attempts_are_merged(self) -> None:
        first = intent_of(integration(), until=WALL - timedelta(minutes=9))
        others = [intent_of(integration(), signature={"url": each}) for each in ("one", "two")]
        last = intent_of(integration(), attempt=4)
        status = Status().evolve(creation=last, unresolved_creations=(others[0], first, others[1]), owner_uid=UID)
        memory = Memory(
            finalizer_seen_at=NOW - 100, create=CreateAttempt(ended_at=NOW - 66), absence=Absence(since=NOW - 61)
        )
        action = decide(case(integration(status=status), memory=memory, snapshot=view(begun=NOW - 0.5)))
        assert isinstance(action, Create)
        merged = first.model_copy(update={"until": last.until, "attempt": 4})
        assert action.unresolved == (others[0], merged, others[1])
        assert action.intent.attempt == 5

    def test_integration_from_before_the_attempt_is_not_recorded(self) -> None:
        known = new_intent(case(integration()), payload_of(integration()), ROUTE, view(item(8), item(9)))
        resource = integration(status=Status().evolve(creation=known, owner_uid=UID))
        memory = Memory(
            finalizer_seen_at=NOW - 100, create=CreateAttempt(ended_at=NOW - 66), absence=Absence(since=NOW - 61)
        )
        listed = (item(8), item(9), item(10, created_at="2026-05-01T10:59:00Z"))
        action = decide(case(resource, memory=memory, snapshot=view(*listed, begun=NOW - 0.5)))
        assert reason_of(action) is Reason.IDENTICAL_EXISTS
        ours = item(11, created_at="2026-05-01T11:59:00Z")
        found = decide(case(resource, memory=memory, snapshot=view(*listed, ours, begun=NOW - 0.5)))
        assert found == RecordId(ours, Origin.INFERRED)

    def test_integration_of_another_resource_is_not_recorded(self) -> None:
        assert not isinstance(decide(self.case(item(9), owners=Others({9: "team-b/web"}))), RecordId)

    def test_other_fingerprint_key_prevents_inference(self) -> None:
        resource = integration(status=Status().evolve(creation=intent_of(integration(), key_id="lost"), owner_uid=UID))
        memory = Memory(
            finalizer_seen_at=NOW - 100, create=CreateAttempt(ended_at=NOW - 66), absence=Absence(since=NOW - 61)
        )
        action = decide(case(resource, memory=memory, snapshot=view(item(9), begun=NOW - 0.5)))
        assert reason_of(action) is Reason.CREATE_AMBIGUOUS

    def test_other_connection_prevents_inference(self) -> None:
        elsewhere = Target(
            authority=AUTHORITY,
            endpoint_digest="endpoint-2",
            credential_digest="proof-2",
            account="acc-2",
            allow_adoption=True,
        )
        assert reason_of(decide(self.case(target=elsewhere))) is Reason.ACCOUNT_UNCONFIRMED

    def test_token_of_another_account_prevents_inference(self) -> None:
        elsewhere = Target(
            authority=AUTHORITY,
            endpoint_digest="endpoint-1",
            credential_digest="proof-1",
            account="acc-2",
            allow_adoption=True,
        )
        assert reason_of(decide(self.case(target=elsewhere))) is Reason.ACCOUNT_UNCONFIRMED

    def test_account_is_confirmed_before_inference(self) -> None:
        unknown = route_of(account=None)
        assert decide(self.case(target=unknown)) == ConfirmAccount()

    def test_answered_post_is_recorded_before_anything_else(self) -> None:
        payload = payload_of(integration())
        created = CreatedIntegration(
            item(9), AUTHORITY, "proof-1", Applied(fingerprint=payload.fingerprint, key_id=KEY.id), {}, enabled=True
        )
        action = decide(case(self.open(), memory=Memory(create=CreateAttempt(created=created)), target=BROKEN))
        assert action == RecordId(item(9), Origin.CREATED, created)

    def test_late_commit_of_an_unresolved_create_is_named(self) -> None:
        resource = integration()
        status = held(resource, unresolved_creations=(intent_of(resource),))
        action = decide(case(integration(status=status), snapshot=view(item(5), item(9))))
        assert reason_of(action) is Reason.CREATE_AMBIGUOUS

    def test_late_commit_is_searched_until_everything_is_in_sync(self) -> None:
        resource = integration()
        synced = Condition(type="Ready", status="True", reason=Reason.SYNCED.value, last_transition_time=WALL)
        memory = Memory(finalizer_seen_at=NOW - 100, write=LastWrite(at=NOW - 1))
        for conditions, looks in (((), True), ((synced,), False)):
            status = held(resource, unresolved_creations=(intent_of(resource),), conditions=conditions)
            assert (decide(case(integration(status=status), memory=memory)) == WaitForList(NOW)) is looks

    @pytest.mark.parametrize(("number", "refused"), [(8, False), (9, True)])
    def test_many_different_attempts_stop_further_creates(self, number: int, refused: bool) -> None:  # noqa: FBT001 # pytest passes it
        attempts = tuple(intent_of(integration(), signature={"url": str(each)}) for each in range(number))
        resource = integration(status=Status().evolve(unresolved_creations=attempts, owner_uid=UID))
        action = decide(case(resource, snapshot=view()))
        assert isinstance(action, Report if refused else Create)
        if refused:
            assert reason_of(action) is Reason.CREATE_AMBIGUOUS


class TestKeeping:
    def test_unchanged_resource_is_ready(self) -> None:
        action = decide(case(integration(status=held(integration())), snapshot=view(item())))
        assert isinstance(action, Report)
        assert (action.state, action.reason) == (ReadyState.READY, Reason.SYNCED)

    def test_changed_spec_is_a_put(self) -> None:
        resource = integration({"genericHTTP": {"url": "https://new.example/"}}, status=held(integration()))
        action = decide(case(resource, snapshot=view(item())))
        assert isinstance(action, Update)
        assert action.correction is None

    def test_post_that_ignored_enabled_is_followed_by_a_put(self) -> None:
        resource = integration({"enabled": False})
        action = decide(
            case(integration({"enabled": False}, status=held(resource, enabled=True)), snapshot=view(item()))
        )
        assert isinstance(action, Update)

    def test_put_uses_the_owned_id_and_the_current_spec(self) -> None:
        resource = integration({"enabled": False}, status=held(integration()))
        assert decide(case(resource, snapshot=view(item()))) == Update(5, payload_of(resource))

    def test_no_put_while_suspended_or_if_another_owner_has_precedence(self) -> None:
        changed = {"enabled": False}
        suspended = integration({**changed, "suspend": True}, status=held(integration()))
        action = decide(case(suspended, snapshot=view(item())))
        assert reason_of(action) is Reason.SUSPENDED
        assert isinstance(action, Report)
        assert action.message.startswith("Updating the integration waits: ")
        rivalled = case(
            integration(changed, status=held(integration())), snapshot=view(item()), conflicting_owner="team-a/older"
        )
        assert reason_of(decide(rivalled)) is Reason.OWNERSHIP_CONFLICT

    @pytest.mark.parametrize(
        ("looked", "seconds", "foreign"), [(None, 5, False), (None, 15, True), (NOW - 3, 5, True), (NOW - 60, 5, False)]
    )
    def test_server_may_stamp_our_write_later_until_it_was_compared(
        self,
        looked: float | None,
        seconds: int,
        foreign: bool,  # noqa: FBT001 # pytest passes it
    ) -> None:
        memory = Memory(finalizer_seen_at=NOW - 100, write=LastWrite(at=NOW - 10, compared_at=looked))
        touched = item(updated_at=f"2026-05-01T11:00:{seconds:02}.000001Z")
        action = decide(case(integration(status=held(integration())), memory=memory, snapshot=view(touched)))
        assert isinstance(action, Update) is foreign

    def test_unanswered_put_is_repeated_only_after_a_list(self) -> None:
        resource = integration({"enabled": False}, status=held(integration()))
        memory = Memory(write=LastWrite(unknown_at=NOW - 1, at=NOW - 50))
        assert decide(case(resource, memory=memory, snapshot=view(item(), begun=NOW - 2))) == WaitForList(NOW - 1)
        assert isinstance(decide(case(resource, memory=memory, snapshot=view(item(), begun=NOW))), Update)

    def test_drift_is_corrected(self) -> None:
        drifted = item(config={"url": "https://evil.example/", "headers": "{}", "body_template": ""})
        action = decide(case(integration(status=held(integration())), snapshot=view(drifted)))
        assert isinstance(action, Update)
        assert action.correction is not None
        assert set(action.correction.values) == {"url"}
        assert "evil" not in str(action.correction)

    def test_repeated_change_of_another_client_is_not_normalized(self) -> None:
        other = {"url": "https://evil.example/", "headers": "{}", "body_template": ""}
        shown, known = (
            view(item(config=other, updated_at=LATER)),
            Memory(finalizer_seen_at=NOW - 100, write=LastWrite(compared_at=NOW - 60)),
        )
        first = decide(case(integration(status=held(integration())), memory=known, snapshot=shown))
        assert isinstance(first, Update)
        undone = integration(status=held(integration(), corrections=(first.correction,), updated_at=None))
        memory = Memory(finalizer_seen_at=NOW - 100, write=LastWrite(at=NOW - 10, needs_verification=True))
        again = decide(
            case(undone, memory=memory, snapshot=view(item(config=other, updated_at="2026-05-01T11:50:00Z")))
        )
        assert isinstance(again, Update)

    def test_later_write_of_another_client_is_drift_although_values_are_equal(self) -> None:
        action = decide(case(integration(status=held(integration())), snapshot=view(item(updated_at=LATER))))
        assert isinstance(action, Update)

    def test_masked_values_and_unknown_keys_are_no_drift(self) -> None:
        shown = item(config={"url": URL, "headers": "****", "body_template": "", "novel": "x"})
        assert reason_of(decide(case(integration(status=held(integration())), snapshot=view(shown)))) is Reason.SYNCED

    def test_drift_in_report_mode_is_reported_and_kept(self) -> None:
        drifted = item(enabled=False)
        resource = integration({"driftPolicy": "Report"}, status=held(integration()))
        action = decide(case(resource, snapshot=view(drifted)))
        assert isinstance(action, Report)
        assert action.drifted is not None

    def test_value_that_returns_after_a_correction_was_not_applied(self) -> None:
        shown = item(config={"url": f"{URL}/other", "headers": "{}", "body_template": ""})
        status = held(integration())
        first = decide(case(integration(status=status), snapshot=view(shown)))
        assert isinstance(first, Update)
        again = status.evolve(corrections=(first.correction,))
        second = decide(case(integration(status=again), snapshot=view(shown)))
        assert isinstance(second, Report)
        assert second.reason is Reason.NOT_APPLIED
        assert "url" in second.message

    def test_third_correction_within_an_hour_is_the_last(self) -> None:
        corrections = tuple(Correction(at=WALL - timedelta(minutes=each), values={}) for each in (50, 30, 10))
        resource = integration(status=held(integration(), corrections=corrections))
        assert reason_of(decide(case(resource, snapshot=view(item(enabled=False))))) is Reason.CONTENDED

    def test_contention_lasts_until_a_user_requests_a_reconcile(self) -> None:
        contended = Condition(type="Ready", status="False", reason="Contended", last_transition_time=WALL)
        stalled = contended.model_copy(update={"type": "Stalled", "status": "True"})
        status = held(integration(), conditions=(contended, stalled))
        shown = view(item(enabled=False))
        assert reason_of(decide(case(integration(status=status), snapshot=shown))) is Reason.CONTENDED
        asked = integration(status=status, annotations={"integrations.netbird.io/reconcile-requested-at": "now"})
        assert isinstance(decide(case(asked, snapshot=shown)), Update)

    def test_interval_between_two_observations_is_a_setting(self) -> None:
        missing = Memory(finalizer_seen_at=NOW - 100, absence=Absence(not_found_at=NOW - 1, since=NOW - 5))
        default = case(integration(status=held(integration())), memory=missing, snapshot=view(begun=NOW))
        waits = decide(default)
        assert isinstance(waits, Report)
        assert (waits.retry_at, "after 60 seconds" in waits.message) == (NOW - 5 + 60.0, True)
        assert isinstance(decide(replace(default, timeouts=replace(LIMITS, absence=4.0))), Create)

    def test_absence_is_proven_by_id_and_by_a_later_list(self) -> None:
        resource = integration(status=held(integration()))
        assert decide(case(resource, snapshot=view())) == ProveAbsence(5)
        missing = Memory(finalizer_seen_at=NOW - 100, absence=Absence(not_found_at=NOW - 0.9, since=NOW - 0.9))
        assert decide(case(resource, memory=missing, snapshot=view())) == WaitForList(NOW - 0.9)
        again = NOW - 0.9 + LIMITS.absence
        once = decide(case(resource, memory=missing, snapshot=view(begun=NOW)))
        assert isinstance(once, Report)
        assert (once.reason, once.retry_at) == (Reason.REMOTE_DELETED, again)
        assert decide(case(resource, now=again, memory=missing, snapshot=view(begun=NOW))) == ProveAbsence(5)
        twice = replace(missing, absence=replace(missing.absence, not_found_at=again))
        assert decide(case(resource, now=again, memory=twice, snapshot=view(begun=NOW))) == WaitForList(again)
        assert isinstance(decide(case(resource, now=again, memory=twice, snapshot=view(begun=again))), Create)
        assert (
            reason_of(
                decide(case(resource, now=again, memory=twice, snapshot=view(begun=again), vanished=frozenset({5})))
            )
            is Reason.INTEGRATIONS_VANISHED
        )

    @pytest.mark.parametrize(
        "other",
        [item(created_at="2026-05-01T11:59:00Z"), item(platform="s3")],
        ids=["another time", "another platform"],
    )
    def test_another_integration_with_our_id_is_not_written(self, other: Integration) -> None:
        changed = integration({"enabled": False}, status=held(integration(), created_at=STAMP))
        assert isinstance(decide(case(changed, snapshot=view(item()))), Update)
        assert decide(case(changed, snapshot=view(other))) == ProveAbsence(5)
        leaving = integration(None, changed.status, deletionTimestamp="2026-05-01T11:59:00Z")
        assert decide(case(leaving, snapshot=view(item()))) == Delete(5)
        assert decide(case(leaving, snapshot=view(other))) == ProveAbsence(5)

    def test_integration_with_two_owners_is_not_written(self) -> None:
        changed = integration({"enabled": False}, status=held(integration()))
        refused = decide(case(changed, snapshot=view(item()), owners=Others({5: "team-b/web"})))
        assert reason_of(refused) is Reason.OWNERSHIP_CONFLICT

    def test_old_list_permits_no_write(self) -> None:
        changed = integration({"enabled": False}, status=held(integration()))
        assert decide(case(changed, snapshot=view(item(), begun=NOW - 21))) == WaitForList(NOW - 20)
        just_written = Memory(finalizer_seen_at=NOW - 100, write=LastWrite(at=NOW - 20))
        assert isinstance(decide(case(changed, memory=just_written)), Update)

    def test_deleted_integration_in_report_mode_is_not_created_again(self) -> None:
        spec = {"driftPolicy": "Report"}
        resource = integration(spec, status=held(integration(spec)))
        missing = Memory(finalizer_seen_at=NOW - 100, absence=Absence(not_found_at=NOW - 0.9, since=NOW - 90))
        gone = decide(case(resource, memory=missing, snapshot=view(begun=NOW)))
        assert reason_of(gone) is Reason.REMOTE_DELETED
        assert isinstance(gone, Report)
        assert gone.drifted == gone.message

    def test_list_from_before_our_own_write_does_not_invalidate_it(self) -> None:
        memory = Memory(finalizer_seen_at=NOW - 100, write=LastWrite(at=NOW - 0.5))
        assert (
            reason_of(decide(case(integration(status=held(integration())), memory=memory, snapshot=view())))
            is Reason.SYNCED
        )

    @pytest.mark.parametrize("missing", [None, NOW - 0.5])
    def test_absence_needs_a_404_and_a_list_that_began_later(self, missing: float | None) -> None:
        assert not existing.is_gone(
            case(
                integration(status=held(integration())),
                memory=Memory(absence=Absence(not_found_at=missing)),
                snapshot=view(),
            )
        )

    @pytest.mark.parametrize(
        "status",
        [
            held(integration()),
            Status().evolve(creation=intent_of(integration()), owner_uid=UID),
            Status().evolve(unresolved_creations=(intent_of(integration()),), owner_uid=UID),
        ],
        ids=["an id", "an open create", "one that was given up"],
    )
    def test_removed_finalizer_is_added_again_while_an_integration_may_exist(self, status: Status) -> None:
        assert decide(case(integration(status=status, finalizers=[]), target=BROKEN)) == AddFinalizer()

    def test_finalizer_is_not_added_if_no_integration_can_exist(self) -> None:
        assert reason_of(decide(case(integration(finalizers=[]), target=BROKEN))) is Reason.CONNECTION_NOT_FOUND

    def test_nothing_is_touched_in_another_account(self) -> None:
        elsewhere = Target(
            authority=AUTHORITY,
            endpoint_digest="endpoint-1",
            credential_digest="proof-1",
            account="acc-2",
            allow_adoption=True,
        )
        resource = integration({"enabled": False}, status=held(integration()))
        assert reason_of(decide(case(resource, target=elsewhere))) is Reason.ACCOUNT_MISMATCH

    def test_unconfirmed_account_is_confirmed_first(self) -> None:
        unknown = route_of(account=None)
        assert (
            decide(case(integration({"enabled": False}, status=held(integration())), target=unknown))
            == ConfirmAccount()
        )

    def test_restart_without_a_change_needs_one_list_and_no_more(self) -> None:
        assert decide(case(integration(status=held(integration())))) == WaitForList(0.0)

    def test_own_write_needs_no_request_afterwards(self) -> None:
        memory = Memory(finalizer_seen_at=NOW - 9, write=LastWrite(at=NOW - 1))
        assert reason_of(decide(case(integration(status=held(integration())), memory=memory))) is Reason.SYNCED


class TestAdopting:
    def adopting(self, policy: str, **adoption: Any) -> EventStreamingIntegration:
        return integration({"adoption": {"policy": policy, **adoption}})

    def test_match_adopts_the_only_identical_one(self) -> None:
        assert decide(case(self.adopting("Match"), snapshot=view(item(9)))) == RecordId(item(9), Origin.ADOPTED)

    def test_none_of_several_identical_ones_is_adopted(self) -> None:
        action = decide(case(integration({"adoption": {"policy": "Match"}}), snapshot=view(item(5), item(9))))
        assert reason_of(action) is Reason.ADOPTION_AMBIGUOUS
        assert isinstance(action, Report)
        assert action.message.startswith("Integrations 5, 9 are identical to the resource.")

    def test_match_creates_if_there_is_none(self) -> None:
        assert isinstance(decide(case(self.adopting("Match"), snapshot=view())), Create)

    @pytest.mark.parametrize(
        ("policy", "shown", "reason"),
        [
            ("Match", (), Reason.ADOPTION_NOT_FOUND),
            ("Override", (), Reason.ADOPTION_NOT_FOUND),
            ("Match", (item(9, config={"url": "https://other.example"}),), Reason.ADOPTION_MISMATCH),
            ("Override", (item(9, platform="s3"),), Reason.PLATFORM_MISMATCH),
        ],
    )
    def test_id_is_adopted_or_refused_and_never_created(self, policy: str, shown: Any, reason: Reason) -> None:
        assert reason_of(decide(case(self.adopting(policy, id=9), snapshot=view(*shown)))) is reason

    def test_override_adopts_a_different_one(self) -> None:
        other = item(9, config={"url": "https://other.example"})
        assert decide(case(self.adopting("Override", id=9), snapshot=view(other))) == RecordId(other, Origin.ADOPTED)

    def test_integration_of_another_resource_is_refused(self) -> None:
        claimed = case(self.adopting("Override", id=9), snapshot=view(item(9)), owners=Others({9: "team-b/web"}))
        assert reason_of(decide(claimed)) is Reason.ADOPTION_CLAIMED

    def test_administrator_may_forbid_adoption(self) -> None:
        target = Target(
            authority=AUTHORITY,
            endpoint_digest="endpoint-1",
            credential_digest="proof-1",
            account=ACCOUNT,
            allow_adoption=False,
        )
        assert (
            reason_of(decide(case(self.adopting("Match"), snapshot=view(item(9)), target=target)))
            is Reason.ADOPTION_NOT_ALLOWED
        )

    def test_id_of_a_restored_status_is_verified_before_use(self) -> None:
        restored = held(integration(), owner_uid="another")
        assert reason_of(decide(case(integration(status=restored), snapshot=view(item(5))))) is Reason.RESTORED_STATUS

    def test_restored_id_survives_its_report(self) -> None:
        resource = integration(status=held(integration(), owner_uid="another"))
        first = case(resource, snapshot=view(item(5, config={"url": "https://changed.example"})))
        action = decide(first)
        assert isinstance(action, Report)
        written = integration(status=updates.reported(first, action))
        assert written.status.id is None
        assert reason_of(decide(replace(first, **_as(written)))) is Reason.RESTORED_STATUS

    def test_status_without_its_owner_is_unverified_and_not_called_restored(self) -> None:
        resource = integration(status=held(integration(), owner_uid=None))
        first = case(resource, snapshot=view(item(5)))
        action = decide(first)
        assert isinstance(action, Report)
        assert action.reason is Reason.OWNER_UNKNOWN
        assert "status.internal.ownerUID is missing" in action.message
        written = integration(status=updates.reported(first, action))
        assert reason_of(decide(replace(first, **_as(written)))) is Reason.OWNER_UNKNOWN


def _as(resource: EventStreamingIntegration) -> dict[str, Any]:
    fresh = case(resource)
    return {"desired": fresh.desired, "recorded": fresh.recorded}


class TestDeleting:
    def gone(self, spec: dict[str, Any] | None = None, status: Status | None = None, **metadata: Any) -> Any:
        return integration(spec, status, deletionTimestamp="2026-05-01T11:59:00Z", **metadata)

    def test_integration_is_deleted_first(self) -> None:
        assert decide(case(self.gone(status=held(integration())), snapshot=view(item()))) == Delete(5)

    def test_finalizer_is_removed_next(self) -> None:
        assert (
            decide(case(self.gone(status=held(integration())), memory=Memory(write=LastWrite(deleted=True))))
            == RemoveFinalizer()
        )

    def test_resource_without_integration_is_released_without_a_connection(self) -> None:
        assert decide(case(self.gone(), target=BROKEN)) == RemoveFinalizer()

    def test_results_of_unresolved_creates_are_searched_before_the_release(self) -> None:
        status = Status().evolve(unresolved_creations=(intent_of(integration()),), owner_uid=UID)
        resource = self.gone(status=status)
        assert decide(case(resource)) == WaitForList(NOW)
        assert decide(case(resource, snapshot=view(item(9)))) == RecordId(item(9), Origin.INFERRED)
        assert reason_of(decide(case(resource, snapshot=view(item(9), item(10))))) is Reason.CREATE_AMBIGUOUS
        assert decide(case(resource, snapshot=view())) == RemoveFinalizer()

    def test_broken_connection_is_a_visible_wait_with_remedies(self) -> None:
        action = decide(case(self.gone(status=held(integration())), target=BROKEN))
        assert isinstance(action, Report)
        assert "Orphan" in action.message

    def test_sentence_before_the_remedies_ends_once(self) -> None:
        whole = WaitError(Reason.CONNECTION_NOT_FOUND, f"NetBirdConnection x does not exist. {WHOLE}")
        action = decide(case(self.gone(status=held(integration())), target=whole))
        assert isinstance(action, Report)
        assert f"{WHOLE} The integration" in action.message

    def test_orphaning_names_the_id_and_needs_no_connection(self) -> None:
        spec = {"deletionPolicy": "Orphan"}
        action = decide(case(self.gone(spec, held(integration(spec))), target=BROKEN))
        assert isinstance(action, RemoveFinalizer)
        assert action.note == "integration 5 of account acc-1 was left in NetBird"

    def test_orphaning_resolves_an_open_create_if_possible(self) -> None:
        status = Status().evolve(creation=intent_of(integration()), owner_uid=UID)
        resource = self.gone({"deletionPolicy": "Orphan"}, status)
        lost = RemoveFinalizer("an integration may be left in NetBird: a create was never answered")
        over = Memory(create=CreateAttempt(ended_at=NOW - 66), absence=Absence(since=NOW - 61))
        assert (
            reason_of(decide(case(resource, memory=Memory(create=CreateAttempt(ended_at=NOW)))))
            is Reason.CREATE_OUTCOME_UNKNOWN
        )
        assert decide(case(resource, memory=over)) == WaitForList(NOW - 1)
        found = decide(case(resource, memory=over, snapshot=view(item(9), begun=NOW)))
        assert found == RecordId(item(9), Origin.INFERRED)
        assert decide(case(resource, memory=over, snapshot=view(item(9), item(10), begun=NOW))) == lost
        assert decide(case(resource, memory=over, snapshot=view(begun=NOW))) == lost
        assert decide(case(resource, memory=over, target=BROKEN)) == lost

    def test_unanswered_delete_is_repeated_only_after_a_list(self) -> None:
        resource = self.gone(status=held(integration()))
        memory = Memory(write=LastWrite(unknown_at=NOW - 1, at=NOW - 50))
        assert decide(case(resource, memory=memory, snapshot=view(item(), begun=NOW - 2))) == WaitForList(NOW - 1)
        assert decide(case(resource, memory=memory, snapshot=view(item(), begun=NOW))) == Delete(5)

    def test_unresolved_create_does_not_block_the_deletion_of_an_owned_integration(self) -> None:
        status = held(integration(), unresolved_creations=(intent_of(integration()),))
        assert decide(case(self.gone(status=status), snapshot=view(item(5), item(9)))) == Delete(5)

    def test_list_from_before_our_own_write_proves_no_absence(self) -> None:
        resource = self.gone(status=held(integration()))
        assert decide(case(resource, memory=Memory(write=LastWrite(at=NOW - 0.5)), snapshot=view())) == Delete(5)

    def test_suspension_does_not_block_a_deletion(self) -> None:
        resource = self.gone({"suspend": True}, held(integration()))
        assert decide(case(resource, snapshot=view(item()))) == Delete(5)

    def test_open_create_is_resolved_first(self) -> None:
        status = Status().evolve(creation=intent_of(integration()), owner_uid=UID)
        memory = Memory(create=CreateAttempt(ended_at=NOW - 66), absence=Absence(since=NOW - 61))
        waiting = decide(case(self.gone(status=status), memory=Memory(create=CreateAttempt(ended_at=NOW))))
        assert reason_of(waiting) is Reason.CREATE_OUTCOME_UNKNOWN
        found = decide(case(self.gone(status=status), memory=memory, snapshot=view(item(9), begun=NOW)))
        assert found == RecordId(item(9), Origin.INFERRED)
        assert decide(case(self.gone(status=status), memory=memory, snapshot=view(begun=NOW))) == RemoveFinalizer()

    def test_404_alone_proves_nothing(self) -> None:
        resource = self.gone(status=held(integration()))
        assert decide(
            case(resource, memory=Memory(absence=Absence(not_found_at=NOW - 0.5)), snapshot=view())
        ) == WaitForList(NOW - 0.5)
        once = Memory(absence=Absence(not_found_at=NOW - 0.5, since=NOW - 0.5))
        assert reason_of(decide(case(resource, memory=once, snapshot=view(begun=NOW)))) is Reason.REMOTE_DELETED
        twice = Memory(absence=Absence(not_found_at=NOW - 0.5, since=NOW - 60.5))
        assert decide(case(resource, memory=twice, snapshot=view(begun=NOW))) == RemoveFinalizer(absent=(5,))

    def test_nothing_is_deleted_in_another_account(self) -> None:
        elsewhere = Target(
            authority=AUTHORITY,
            endpoint_digest="endpoint-1",
            credential_digest="proof-1",
            account="acc-2",
            allow_adoption=True,
        )
        assert (
            reason_of(decide(case(self.gone(status=held(integration())), target=elsewhere))) is Reason.ACCOUNT_MISMATCH
        )

    def test_resource_with_a_restored_id_is_released_untouched(self) -> None:
        action = decide(case(self.gone(status=held(integration(), owner_uid="another"))))
        assert isinstance(action, RemoveFinalizer)
        assert "5" in (action.note or "")

    def test_resource_without_our_finalizer_is_ignored(self) -> None:
        assert decide(case(self.gone(finalizers=[]))) == Ignore()


moments = st.none() | st.sampled_from([NOW - 200, NOW - 66, NOW - 5, NOW - 1, NOW])
intents = st.sampled_from(
    [
        intent_of(integration()),
        intent_of(integration(), key_id="lost"),
        intent_of(integration(), endpoint="endpoint-2"),
        intent_of(integration(), since=None, until=None),
    ]
)
statuses = st.builds(
    Status().evolve,
    id=st.none() | st.just(5),
    account_id=st.sampled_from([None, ACCOUNT, "acc-2"]),
    enabled=st.none() | st.booleans(),
    updated_at=st.sampled_from([None, STAMP, LATER, "nonsense"]),
    applied=st.none() | st.just(held(integration()).internal.applied),
    creation=st.none() | intents,
    unresolved_creations=st.lists(intents, max_size=9).map(tuple),
    corrections=st.just(()),
    normalized=st.just({}),
    owner_uid=st.sampled_from([None, UID, "another"]),
    authority=st.sampled_from([None, AUTHORITY]),
    proof=st.sampled_from([None, "proof-1"]),
    claimed_id=st.none() | st.just(5),
    conditions=st.just(()),
)
specs = st.fixed_dictionaries(
    {
        "enabled": st.booleans(),
        "suspend": st.booleans(),
        "deletionPolicy": st.sampled_from(["Delete", "Orphan"]),
        "driftPolicy": st.sampled_from(["Correct", "Report"]),
        "adoption": st.sampled_from([{"policy": "Never"}, {"policy": "Match"}, {"policy": "Override", "id": 5}]),
    }
)
metadata = st.fixed_dictionaries(
    {"finalizers": st.sampled_from([[], ["integrations.netbird.io/event-streaming"]])},
    optional={"deletionTimestamp": st.just("2026-05-01T11:59:00Z")},
)
problems: st.SearchStrategy[OperatorError] = st.just(BROKEN)
routes = st.builds(
    Target,
    authority=st.sampled_from([AUTHORITY, "authority-2"]),
    endpoint_digest=st.just("endpoint-1"),
    account=st.sampled_from([None, ACCOUNT, "acc-2"]) | problems,
    allow_adoption=st.booleans(),
)
memories = st.builds(
    Memory,
    finalizer_seen_at=moments,
    create=st.builds(CreateAttempt, ended_at=moments),
    write=st.builds(LastWrite, at=moments, unknown_at=moments, compared_at=moments, deleted=st.booleans()),
    absence=st.builds(Absence, not_found_at=moments),
)
items = st.lists(
    st.builds(
        item, st.sampled_from([5, 9, 10]), enabled=st.booleans(), updated_at=st.sampled_from([None, STAMP, LATER])
    ),
    unique_by=lambda each: each.id,
)


@st.composite
def cases(draw: st.DrawFn) -> DecisionInput:
    resource = integration(draw(specs), draw(statuses), **draw(metadata))
    begun, broken = draw(moments), draw(st.booleans())
    seen = view(*draw(items), begun=begun) if begun is not None else None
    payload = BROKEN if broken else None
    return case(resource, memory=draw(memories), payload=payload, target=draw(routes | problems), snapshot=seen)


@given(cases())
def test_decide_is_total_and_writes_only_owned_integrations(this: DecisionInput) -> None:
    action, target, resource = decide(this), this.observed.target, this.desired.resource
    match action:
        case Update() | Delete():
            assert action.id == this.status.id
            assert this.status.internal.owner_uid == UID
            assert isinstance(target, Target)
            assert this.status.account_id in (None, target.account)
            assert this.status.internal.authority == target.authority
        case Create():
            assert resource.has_finalizer
            assert not resource.deleting
            assert not resource.spec.suspend
            assert this.observed.snapshot is not None
        case Report():
            assert action.message
        case _:
            pass


@given(cases())
def test_no_decision_writes_to_netbird_with_an_observed_connection(this: DecisionInput) -> None:
    target = this.observed.target
    if isinstance(target, Target):
        this = replace(this, observed=replace(this.observed, target=replace(target, observe_only=True)))
        action = decide(this)
        assert not isinstance(action, Create | Update | Delete | DeleteFormer)
        assert not isinstance(action, RecordId) or action.origin is not Origin.ADOPTED
