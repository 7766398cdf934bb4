"""The status after each event: its new content, and the kept and removed parts."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from netbird_streaming.api.status import Applied, Condition, Correction, Former, Intent, Origin, Status
from netbird_streaming.api.types import RECONCILE_ANNOTATION
from netbird_streaming.core.actions import Create, ReadyState, RecordId, Report, Update
from netbird_streaming.core.inputs import DecisionInput, Target
from netbird_streaming.core.memory import CreatedIntegration, LastWrite, Memory
from netbird_streaming.core.netbird.types import Integration
from netbird_streaming.core.status import updates
from netbird_streaming.errors import OperatorError, WaitError
from netbird_streaming.reasons import Reason
from tests.harness.cases import (
    ACCOUNT,
    AUTHORITY,
    KEY,
    NOW,
    STAMP,
    UID,
    URL,
    WALL,
    case,
    held,
    integration,
    item,
    payload_of,
)

LATER: Final = "2026-05-01T11:30:00Z"
THIN: Final = Integration(id=5)
BROKEN: Final = WaitError(Reason.CONNECTION_NOT_FOUND, "NetBirdConnection x does not exist")
CORRECTED: Final = Correction(at=WALL, updated_at=LATER, values={"url": "digest"})
LATE: Final = Intent(attempt=1, endpoint="endpoint-1", platform="generic_http", signature={}, key_id=KEY.id)
POSTED: Final = CreatedIntegration(
    item(), AUTHORITY, "proof-1", Applied(fingerprint="f", key_id="k"), {"url": URL}, enabled=False
)


def said(status: Status) -> list[tuple[str, str, str]]:
    return [(each.type, each.status, each.reason) for each in status.conditions]


def without_conditions(status: Status) -> Status:
    return status.model_copy(update={"conditions": ()})


def asked(**more: Any) -> dict[str, Any]:
    return {"annotations": {RECONCILE_ANNOTATION: "now"}, **more}


class TestIntending:
    INTENT = LATE.model_copy(update={"attempt": 2})

    def written(self) -> Status:
        before = held(
            integration(),
            observed_generation=3,
            last_handled_reconcile_at="then",
            config={"url": URL},
            normalized={"url": "d"},
        )
        resource = integration(status=before, **asked(generation=4))
        return updates.with_intent(case(resource), Create(self.INTENT, (LATE,), payload_of(resource)))

    def test_new_intent_holds_the_attempts_and_nothing_obsolete(self) -> None:
        assert without_conditions(self.written()) == Status().evolve(
            platform="generic_http",
            creation=self.INTENT,
            unresolved_creations=(LATE,),
            observed_generation=3,
            last_handled_reconcile_at="then",
            owner_uid=UID,
            corrections=(Correction(at=WALL),),
            former=(Former(id=5, authority=AUTHORITY, account_id=ACCOUNT, platform="generic_http"),),
        )

    def test_new_intent_reports_that_the_integration_is_being_created(self) -> None:
        written = self.written()
        assert said(written) == [("Ready", "False", "Progressing"), ("Reconciling", "True", "Progressing")]
        assert written.conditions[0].message == "The integration is being created in NetBird."
        assert {each.last_transition_time for each in written.conditions} == {WALL}


class TestBinding:
    def bind(
        self, bind: RecordId, target: Target | OperatorError | None = None, spec: dict[str, Any] | None = None
    ) -> Status:
        before = Status().evolve(
            creation=LATE,
            unresolved_creations=(LATE,),
            observed_generation=3,
            claimed_id=5,
            corrections=(CORRECTED,),
            normalized={"url": "digest"},
            config={"url": "https://old.example"},
            applied=Applied(fingerprint="old", key_id="k"),
            owner_uid=UID,
        )
        seen: dict[str, Any] = {} if target is None else {"target": target}
        return updates.with_id(case(integration(spec, status=before), **seen), bind)

    def test_created_integration_is_recorded_as_sent_and_answered(self) -> None:
        bound = self.bind(RecordId(item(enabled=True), Origin.CREATED, POSTED))
        assert without_conditions(bound) == Status().evolve(
            id=5,
            origin=Origin.CREATED,
            account_id=ACCOUNT,
            platform="generic_http",
            enabled=True,
            config={"url": URL},
            created_at=STAMP,
            updated_at=STAMP,
            applied=POSTED.applied,
            unresolved_creations=(LATE,),
            observed_generation=3,
            corrections=(CORRECTED,),
            owner_uid=UID,
            authority=AUTHORITY,
            proof="proof-1",
        )

    @pytest.mark.parametrize("origin", [Origin.ADOPTED, Origin.INFERRED])
    def test_unanswered_create_counts_nothing_as_accepted(self, origin: Origin) -> None:
        bound = self.bind(RecordId(item(enabled=False), origin))
        assert (bound.id, bound.origin, bound.enabled) == (5, origin, False)
        assert (bound.internal.applied, bound.config, bound.internal.creation, bound.internal.claimed_id) == (
            None,
            None,
            None,
            None,
        )
        counted = () if origin is Origin.ADOPTED else (CORRECTED,)
        assert (bound.internal.corrections, bound.internal.normalized) == (counted, {})

    def test_new_id_makes_the_status_the_resources_own(self) -> None:
        assert updates.with_id(case(integration()), RecordId(item(), Origin.ADOPTED)).internal.owner_uid == UID

    def test_new_id_reports_that_the_settings_are_being_applied(self) -> None:
        bound = self.bind(RecordId(item(), Origin.ADOPTED))
        assert said(bound) == [("Ready", "False", "Progressing"), ("Reconciling", "True", "Progressing")]
        assert bound.conditions[0].message == "The integration's settings are being applied in NetBird."
        assert {each.last_transition_time for each in bound.conditions} == {WALL}

    def test_fields_missing_in_a_thin_response_are_the_sent_ones(self) -> None:
        bound = self.bind(RecordId(THIN, Origin.CREATED, POSTED))
        assert (bound.account_id, bound.platform, bound.enabled) == (ACCOUNT, "generic_http", False)

    def test_enabled_is_unknown_without_a_response(self) -> None:
        assert self.bind(RecordId(THIN, Origin.INFERRED)).enabled is None

    def test_account_of_the_response_has_precedence_over_the_connections(self) -> None:
        elsewhere = Target(
            authority=AUTHORITY,
            endpoint_digest="endpoint-1",
            credential_digest="proof-1",
            account="acc-2",
            allow_adoption=True,
        )
        assert self.bind(RecordId(item(), Origin.CREATED, POSTED), elsewhere).account_id == ACCOUNT
        assert self.bind(RecordId(THIN, Origin.CREATED, POSTED), elsewhere).account_id == "acc-2"

    @pytest.mark.parametrize(
        "target",
        [
            BROKEN,
            *(Target(AUTHORITY, "endpoint-1", "proof-1", account, allow_adoption=True) for account in (None, BROKEN)),
            Target(AUTHORITY, "endpoint-1", "proof-2", ACCOUNT, allow_adoption=True),
        ],
    )
    def test_unknown_account_is_not_guessed(self, target: Target | OperatorError) -> None:
        assert self.bind(RecordId(THIN, Origin.CREATED, POSTED), target).account_id is None


class TestUpdating:
    SPEC: Final = {"enabled": False, "genericHTTP": {"url": "https://new.example/in?token=x"}}

    def update(
        self, answer: Integration, correction: Correction | None = None, began: Any = WALL, **metadata: Any
    ) -> tuple[DecisionInput, Status]:
        fields: dict[str, Any] = {"last_handled_reconcile_at": "then", "observed_generation": 1}
        status = held(integration(), conditions=(condition("Ready", "True"),), **fields)
        resource = integration(self.SPEC, status=status, **metadata)
        before = case(resource, server_now=began)
        return before, updates.updated(before, Update(5, payload_of(resource), correction), answer)

    def test_accepted_settings_are_the_sent_ones(self) -> None:
        before, after = self.update(item(updated_at="2026-05-01T12:00:01Z"))
        payload = payload_of(integration(self.SPEC))
        assert after == before.status.evolve(
            enabled=False,
            config={"url": "https://new.example/in"},
            updated_at="2026-05-01T12:00:01Z",
            applied=Applied(fingerprint=payload.fingerprint, key_id=KEY.id),
        )

    def test_condition_of_a_previous_generation_is_not_kept(self) -> None:
        after = self.update(item(), generation=2)[1]
        assert [(each.type, each.status, each.observed_generation) for each in after.conditions] == [
            ("Ready", "False", 2),
            ("Reconciling", "True", 2),
        ]

    def test_request_of_a_user_is_acknowledged(self) -> None:
        assert self.update(item(), **asked())[1].last_handled_reconcile_at == "now"

    @pytest.mark.parametrize(
        ("shown", "counts"),
        [
            ("2026-05-01T12:00:01Z", True),
            ("2026-05-01T11:59:55Z", True),
            ("2026-05-01T11:59:54Z", False),
            (STAMP, False),
            ("soon", False),
            (None, False),
        ],
    )
    def test_time_before_the_put_is_no_baseline(self, shown: str | None, counts: bool) -> None:  # noqa: FBT001 # pytest passes it
        assert self.update(item(updated_at=shown))[1].updated_at == (shown if counts else None)

    def test_time_is_no_baseline_if_the_servers_clock_is_unknown(self) -> None:
        assert self.update(item(updated_at="2026-05-01T12:00:01Z"), began=None)[1].updated_at is None

    def test_correction_is_counted(self) -> None:
        assert self.update(item(), CORRECTED)[1].internal.corrections == (CORRECTED,)

    def test_last_three_corrections_are_recorded(self) -> None:
        every = [CORRECTED.model_copy(update={"at": WALL + timedelta(minutes=each)}) for each in range(5)]
        status = Status(id=5)
        for each in every:
            status = updates.corrected(status, Update(5, payload_of(integration()), each))
        assert status == Status().evolve(id=5, corrections=tuple(every[2:]))
        assert updates.corrected(status, Update(5, payload_of(integration()))) is status

    def test_put_for_a_time_alone_is_no_correction(self) -> None:
        sent = updates.corrected(Status(id=5), Update(5, payload_of(integration()), resent_at=WALL))
        assert sent == Status().evolve(id=5, resent_at=WALL)

    def test_refused_create_removes_only_its_intent(self) -> None:
        status = Status().evolve(creation=LATE, unresolved_creations=(LATE,), owner_uid=UID)
        assert updates.create_refused(status) == Status().evolve(unresolved_creations=(LATE,), owner_uid=UID)


def condition(name: str, status: Any, reason: str = "Progressing") -> Condition:
    return Condition(type=name, status=status, reason=reason, last_transition_time=WALL - timedelta(hours=1))


class TestReporting:
    REPORT: Final = Report(ReadyState.READY, Reason.SYNCED, "All is well.")

    def report(self, report: Report, memory: Memory | None = None, status: Status | None = None, **more: Any) -> Status:
        before = held(integration()) if status is None else status
        return updates.reported(case(integration(status=before, **more), memory=memory), report)

    def test_report_sets_the_conditions_and_nothing_else(self) -> None:
        before = held(integration(), last_handled_reconcile_at="then", normalized={"url": "digest"})
        after = self.report(self.REPORT, status=before, generation=4)
        assert without_conditions(after) == before.model_copy(update={"observed_generation": 4})
        assert said(after) == [("Ready", "True", "Synced")]
        assert after.conditions[0].observed_generation == 4
        assert after.conditions[0].last_transition_time == WALL

    def test_request_of_a_user_is_acknowledged(self) -> None:
        assert self.report(self.REPORT, **asked()).last_handled_reconcile_at == "now"

    def test_first_report_makes_the_status_the_resources_own(self) -> None:
        assert self.report(self.REPORT, status=Status()).internal.owner_uid == UID

    def test_drift_and_suspension_are_separate_conditions(self) -> None:
        drifted = replace(self.REPORT, drifted="It differs.")
        suspended = integration({"suspend": True}, status=held(integration()))
        after = updates.reported(case(suspended), drifted)
        assert said(after) == [
            ("Ready", "True", "Synced"),
            ("Drifted", "True", "Drifted"),
            ("Suspended", "True", "Suspended"),
        ]
        assert after.conditions[1].message == "It differs."

    def test_unchanged_condition_keeps_its_time(self) -> None:
        ready = condition("Ready", "True", "Synced")
        after = self.report(self.REPORT, status=held(integration(), conditions=(ready,)))
        assert after.conditions[0].last_transition_time == ready.last_transition_time

    def test_normalized_values_are_replaced_by_compared_ones(self) -> None:
        before = held(integration(), normalized={"url": "digest"})
        after = self.report(replace(self.REPORT, normalized=(("headers", "d"),)), status=before)
        assert after.internal.normalized == {"headers": "d"}
        assert self.report(replace(self.REPORT, normalized=()), status=before).internal.normalized == {}

    def test_values_of_a_list_are_recorded(self) -> None:
        before = held(integration(), account_id=None, corrections=(CORRECTED,))
        shown = item(created_at=LATER, updated_at="2026-05-01T10:30:00Z")
        after = self.report(replace(self.REPORT, item=shown), status=before)
        assert (after.account_id, after.created_at, after.updated_at) == (ACCOUNT, LATER, "2026-05-01T10:30:00Z")
        assert after.internal.corrections == (CORRECTED.model_copy(update={"values": {}}),)
        assert (after.observed_generation, said(after)) == (1, [("Ready", "True", "Synced")])

    def test_values_missing_in_a_list_stay(self) -> None:
        assert self.report(replace(self.REPORT, item=THIN), status=held(integration())).account_id == ACCOUNT

    def test_another_form_of_the_same_time_is_no_change(self) -> None:
        before = held(integration(), created_at=STAMP)
        shown = item(created_at="2026-05-01T13:00:00.000001+02:00", updated_at="2026-05-01T11:00:00.000001+00:00")
        after = self.report(replace(self.REPORT, item=shown), status=before)
        assert (after.created_at, after.updated_at) == (STAMP, STAMP)

    def test_time_of_an_integration_in_sync_is_the_baseline(self) -> None:
        looked = Memory(finalizer_seen_at=NOW - 100, write=LastWrite(compared_at=NOW - 10))
        after = self.report(replace(self.REPORT, item=item(updated_at=LATER)), memory=looked)
        assert after.updated_at == LATER
