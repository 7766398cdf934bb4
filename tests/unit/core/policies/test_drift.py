"""Drift: other clients' changes are corrected or reported, the server's own are neither, and each has its reason."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from netbird_streaming.api.status import Condition, Correction, Status
from netbird_streaming.api.types import RECONCILE_ANNOTATION
from netbird_streaming.core.actions import Action, ReadyState, Report, Update, WaitForList
from netbird_streaming.core.decide import decide
from netbird_streaming.core.memory import LastWrite, Memory, ReconcileRequest
from netbird_streaming.core.netbird import compare
from netbird_streaming.core.netbird.types import Integration
from netbird_streaming.core.policies import drift
from netbird_streaming.reasons import Reason
from tests.harness.cases import KEY, NOW, STAMP, URL, WALL, case, held, integration, item, payload_of, view

LATER: Final = "2026-05-01T11:30:00Z"
OTHER: Final = {"url": "https://other.example/", "headers": "{}", "body_template": "other"}
CHANGED: Final = {"url": f"{URL}/other", "headers": "{}", "body_template": ""}
LOOKED: Final = Memory(finalizer_seen_at=NOW - 100, write=LastWrite(at=NOW - 60, compared_at=NOW - 50))
FIRST: Final = Memory(finalizer_seen_at=NOW - 100, write=LastWrite(at=NOW - 60))
REPORT: Final = {"driftPolicy": "Report"}
DRIFTED: Final = "Integration 5 in NetBird differs from the resource"


def condition(name: str, status: Any, reason: Reason) -> Condition:
    return Condition(type=name, status=status, reason=reason.value, last_transition_time=WALL)


SYNCED: Final = condition("Ready", "True", Reason.SYNCED)


def seen(shown: Integration, spec: dict[str, Any] | None = None, memory: Memory = LOOKED, **status: Any) -> Action:
    """Return the decision for this view of an owned integration."""
    resource = integration(spec, status=held(integration(spec), **status))
    return decide(case(resource, memory=memory, snapshot=view(shown)))


def report(action: Action) -> Report:
    assert isinstance(action, Report), action
    return action


def correction(action: Action) -> Correction:
    assert isinstance(action, Update), action
    assert action.correction is not None
    return action.correction


class TestSaying:
    """Drift in report mode or while suspended: the report names the differences."""

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"enabled": False}, f"{DRIFTED} (enabled)."),
            ({"config": OTHER, "updated_at": LATER}, f"{DRIFTED} (url, body_template)."),
            ({"config": OTHER, "updated_at": LATER, "enabled": False}, f"{DRIFTED} (url, body_template, enabled)."),
            ({"updated_at": LATER}, "Another client wrote integration 5 in NetBird; a secret may have changed."),
        ],
    )
    def test_report_names_the_differences(self, changes: dict[str, Any], sentence: str) -> None:
        reported = report(seen(item(**changes), REPORT))
        assert reported == Report(ReadyState.READY, Reason.DRIFTED, reported.message, drifted=reported.message)
        assert reported.message == f"{sentence} {Reason.DRIFTED.remedy}"
        waiting = report(seen(item(**changes), {"suspend": True}))
        assert (waiting.state, waiting.reason, waiting.drifted) == (ReadyState.READY, Reason.SUSPENDED, sentence)
        assert waiting.message == f"{sentence} {Reason.SUSPENDED.remedy}"

    def test_contention_is_reported_as_drift(self) -> None:
        times = tuple(Correction(at=WALL - timedelta(minutes=each)) for each in (59, 30, 10))
        fought = report(seen(item(enabled=False), corrections=times))
        assert (fought.state, fought.reason, fought.drifted) == (ReadyState.STALLED, Reason.CONTENDED, fought.message)

    def test_correction_an_hour_ago_is_no_contention(self) -> None:
        times = tuple(Correction(at=WALL - timedelta(minutes=each)) for each in (60, 30, 10))
        assert isinstance(seen(item(enabled=False), corrections=times), Update)

    @pytest.mark.parametrize(
        ("conditions", "fought"),
        [
            ((condition("Ready", "False", Reason.CONTENDED), condition("Stalled", "True", Reason.CONTENDED)), True),
            ((condition("Ready", "False", Reason.CONTENDED),), False),
            ((condition("Ready", "True", Reason.SYNCED),), False),
        ],
    )
    def test_contention_lasts_while_its_condition_holds(self, conditions: Any, fought: bool) -> None:  # noqa: FBT001 # pytest passes it
        assert isinstance(seen(item(enabled=False), conditions=conditions), Report) is fought


class TestCorrecting:
    def test_correction_records_its_time_and_values(self) -> None:
        resource = integration(status=held(integration()))
        moment = case(resource, memory=FIRST, snapshot=view(item(enabled=False, updated_at=LATER)))
        moment = replace(moment, observed=replace(moment.observed, wall=WALL.replace(microsecond=7)))
        assert correction(decide(moment)) == Correction(at=WALL, updated_at=LATER, values={})

    @pytest.mark.parametrize(("memory", "stamp"), [(FIRST, STAMP), (FIRST, LATER), (LOOKED, STAMP)])
    def test_possible_normalized_form_is_recorded(self, memory: Memory, stamp: str) -> None:
        assert set(correction(seen(item(config=CHANGED, updated_at=stamp), memory=memory)).values) == {"url"}

    def test_certain_change_of_another_client_is_not_recorded_as_normalized(self) -> None:
        assert correction(seen(item(config=CHANGED, updated_at=LATER))).values == {}

    def test_no_correction_if_another_owner_has_precedence(self) -> None:
        resource = integration(status=held(integration()))
        rivalled = case(resource, memory=LOOKED, snapshot=view(item(enabled=False)), conflicting_owner="team-a/older")
        assert report(decide(rivalled)).reason is Reason.OWNERSHIP_CONFLICT

    def test_request_is_answered_by_a_list_begun_later(self) -> None:
        status = held(integration(), conditions=(SYNCED,))
        resource = integration(status=status, annotations={RECONCILE_ANNOTATION: "now"})
        memory = replace(LOOKED, request=ReconcileRequest("now", NOW - 0.5))
        assert decide(case(resource, memory=memory, snapshot=view(item()))) == WaitForList(NOW - 0.5)
        never = Memory(finalizer_seen_at=NOW - 100)
        assert decide(case(resource, memory=replace(never, request=ReconcileRequest("now", 0.0)))) == WaitForList(0.0)

    @pytest.mark.parametrize(("conditions", "looks"), [((SYNCED,), False), ((), True)])
    def test_compared_integration_in_sync_needs_no_action(self, conditions: Any, looks: bool) -> None:  # noqa: FBT001 # pytest passes it
        status = held(integration(), conditions=conditions)
        assert isinstance(decide(case(integration(status=status), memory=LOOKED)), WaitForList) is looks


class TestForms:
    """Normalized values of the server, and ignored changes."""

    KEPT: Final = {"url": "digest"}

    @pytest.mark.parametrize(
        "shown",
        [
            {"url": f"{URL}/"},
            {"url": "https://SIEM.example:443/%69n"},
            {"url": "https://siem.example/****"},
            {"url": "https://****/in"},
            {"headers": '{"Content-Type": "application/json"}'},
            {"body_template": " \n"},
        ],
    )
    def test_normalized_form_of_a_sent_value_is_no_difference(self, shown: dict[str, str]) -> None:
        config = {"url": URL, "headers": "{}", "body_template": "", **shown}
        assert report(seen(item(config=config))).reason is Reason.SYNCED

    def test_form_of_the_first_response_stays_accepted(self) -> None:
        resource = integration(status=held(integration()))
        payload = payload_of(resource)
        differs = compare.differences("generic_http", payload.request.config, item(config=OTHER), KEY)
        kept = report(seen(item(config=OTHER), normalized=differs))
        assert kept == Report(
            ReadyState.READY,
            Reason.SYNCED,
            "NetBird accepted this generation with the current values of its Secrets. It stores body_template, url in"
            " another form than the one sent.",
            item=item(config=OTHER),
            normalized=tuple(sorted(differs.items())),
        )
        more = report(seen(item(config={**OTHER, "body_template": ""}), normalized=differs))
        assert dict(more.normalized or ()) == {"url": differs["url"]}
        assert report(seen(item(), normalized=self.KEPT)).normalized == ()

    def test_value_unchanged_by_a_put_is_not_applied(self) -> None:
        first = correction(seen(item(config=CHANGED), memory=FIRST))
        result = report(seen(item(config=CHANGED), memory=FIRST, corrections=(first,)))
        assert (result.state, result.reason, result.item) == (ReadyState.STALLED, Reason.NOT_APPLIED, None)
        assert "another value of url" in result.message
        asked = {RECONCILE_ANNOTATION: "now"}
        resource = integration(status=held(integration(), corrections=(first,)), annotations=asked)
        assert isinstance(decide(case(resource, memory=FIRST, snapshot=view(item(config=CHANGED)))), Update)

    def test_integration_is_unchanged_before_a_list_was_compared(self) -> None:
        status = held(integration(), normalized=self.KEPT, conditions=(SYNCED,))
        rests = report(decide(case(integration(status=status), memory=Memory(write=LastWrite(at=NOW - 0.5)))))
        assert (rests.item, rests.normalized) == (None, tuple(self.KEPT.items()))

    def test_unreadable_element_is_not_compared(self) -> None:
        result = report(seen(Integration(5, unreadable="config of an integration is a list")))
        assert (result.state, result.reason) == (ReadyState.RECONCILING, Reason.UNEXPECTED_ANSWER)


class TestTimes:
    """The weak evidence of `updatedAt` alone: a server may move it by itself."""

    @pytest.mark.parametrize("shown", [LATER, "2026-05-01T10:30:00Z"])
    def test_changed_time_alone_is_answered_by_one_put_without_a_correction(self, shown: str) -> None:
        sent = seen(item(updated_at=shown))
        assert isinstance(sent, Update)
        assert (sent.correction, sent.resent_at) == (None, WALL)

    @pytest.mark.parametrize(("hours", "sent"), [(23, False), (24, True), (-1, True)])
    def test_changed_time_is_answered_once_a_day(self, hours: int, sent: bool) -> None:  # noqa: FBT001 # pytest passes it
        action = seen(item(updated_at=LATER), resent_at=WALL - timedelta(hours=hours))
        assert isinstance(action, Update) is sent
        assert sent or report(action).item == item(updated_at=None)

    def test_changed_time_is_never_contention(self) -> None:
        times = tuple(Correction(at=WALL - timedelta(minutes=each)) for each in (59, 30, 10))
        assert isinstance(seen(item(updated_at=LATER), corrections=times), Update)

    def test_corrections_of_a_clock_that_was_ahead_do_not_count(self) -> None:
        times = tuple(Correction(at=WALL + timedelta(minutes=each)) for each in (2, 3, 4))
        assert isinstance(seen(item(enabled=False), corrections=times), Update)


class TestWhoseItWas:
    """The decision whether a correction is attributed to another client."""

    def is_attributed(
        self, shown: Integration | None, memory: Memory = FIRST, undone: Correction | None = None
    ) -> bool:
        resource = integration(status=held(integration()))
        moment = case(resource, memory=memory, snapshot=None if shown is None else view(shown))
        undone = undone or Correction(at=WALL)
        return drift.overwrites_foreign_change(moment, Update(5, payload_of(resource), undone))

    def test_difference_in_the_first_list_is_the_servers_own(self) -> None:
        assert not self.is_attributed(item(config=CHANGED))
        assert self.is_attributed(item(config=CHANGED), LOOKED)
        assert self.is_attributed(
            item(config=CHANGED), replace(FIRST, write=replace(FIRST.write, compared_at=FIRST.write.at))
        )

    def test_changed_enabled_or_later_time_is_never_the_servers_own(self) -> None:
        assert self.is_attributed(item(enabled=False))
        assert self.is_attributed(item(updated_at=LATER))
        assert not self.is_attributed(item(enabled=None))

    def test_no_client_is_blamed_without_a_list_that_shows_it(self) -> None:
        assert not self.is_attributed(None, LOOKED)
        assert not self.is_attributed(item(9), LOOKED)

    def test_changed_spec_is_not_attributed_to_another_client(self) -> None:
        resource = integration(status=held(integration()))
        moment = case(resource, memory=LOOKED, snapshot=view(item(enabled=False)))
        assert not drift.overwrites_foreign_change(moment, Update(5, payload_of(resource)))


@pytest.mark.parametrize(
    ("looked", "foreign"), [(None, False), (NOW - 60.5, False), (NOW - 60, True), (NOW - 50, True)]
)
def test_list_begun_after_our_write_shows_its_result(looked: float | None, foreign: bool) -> None:  # noqa: FBT001 # pytest passes it
    memory = replace(FIRST, write=replace(FIRST.write, compared_at=looked))
    status: Status = held(integration())
    moment = case(integration(status=status), memory=memory)
    assert drift.is_foreign_write(moment, item(updated_at="2026-05-01T11:00:05Z")) is foreign


@pytest.mark.parametrize(
    ("memory", "shown", "ours"),
    [
        (Memory(), STAMP, True),
        (
            Memory(write=LastWrite(at=NOW - 2, remote_updated_before=WALL - timedelta(hours=1))),
            "2026-05-01T11:00:00.001Z",
            False,
        ),
        (
            Memory(write=LastWrite(at=NOW - 2, remote_updated_before=WALL - timedelta(hours=1))),
            "2026-05-01T11:00:00.002Z",
            True,
        ),
        (Memory(write=LastWrite(at=NOW - 2)), STAMP, False),
    ],
)
def test_lagging_list_is_used_if_it_shows_our_own_write(memory: Memory, shown: str, ours: bool) -> None:  # noqa: FBT001 # pytest passes it
    resource = integration(status=held(integration(), conditions=(SYNCED,)))
    lagging = case(resource, memory=memory, snapshot=view(item(updated_at=shown)), account_since=NOW - 2)
    said = report(decide(lagging))
    assert (said.reason, said.item is not None) == (Reason.SYNCED, ours)
