"""An observed connection: each write becomes a report, and everything else stays the same."""

from dataclasses import replace
from typing import Any

import pytest

from netbird_streaming.api.status import Applied, Origin
from netbird_streaming.core.actions import (
    Create,
    Delete,
    ReadyState,
    RecordId,
    Report,
    Update,
)
from netbird_streaming.core.decide import decide
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.memory import CreateAttempt, CreatedIntegration, Memory
from netbird_streaming.core.policies.observation import SECRET_VALUES, changed_fields
from netbird_streaming.reasons import Reason
from tests.harness.cases import AUTHORITY, KEY, NOW, STAMP, case, held, integration, item, route_of, view

OBSERVED = route_of(observe_only=True)
OTHER = {"url": "https://elsewhere.example/", "headers": "{}", "body_template": ""}
LONG_AGO = Memory(finalizer_seen_at=NOW - 100)
DELETED: dict[str, Any] = {"deletionTimestamp": "2026-05-01T11:59:00Z"}


def observed(inputs: DecisionInput) -> DecisionInput:
    target = inputs.observed.target
    assert not isinstance(target, Exception)
    return replace(inputs, observed=replace(inputs.observed, target=replace(target, observe_only=True)))


def planned(inputs: DecisionInput) -> Report:
    report = decide(observed(inputs))
    assert isinstance(report, Report)
    assert report.planned == decide(inputs)
    assert (report.state, report.reason) == (ReadyState.SUSPENDED, Reason.OBSERVE_ONLY)
    return report


def adopting(policy: str) -> DecisionInput:
    resource = integration({"adoption": {"policy": policy, "id": 5}})
    return case(
        resource, memory=LONG_AGO, snapshot=view(item(5, config=OTHER if policy == "Override" else item().config))
    )


def owned(spec: dict[str, Any] | None = None, *, shown: dict[str, Any] | None = None, **metadata: Any) -> DecisionInput:
    status = held(integration(), created_at=STAMP)
    resource = integration(spec, status, **metadata)
    return case(resource, memory=LONG_AGO, snapshot=view(item(5, **(shown or {}))), account_since=NOW - 100)


@pytest.mark.parametrize(
    ("inputs", "kind", "sentence"),
    [
        (case(integration(), memory=LONG_AGO, snapshot=view()), Create, "create a generic_http integration"),
        (adopting("Match"), RecordId, "adopt integration 5 and send all settings"),
        (
            adopting("Override"),
            RecordId,
            "adopt integration 5 and send all settings (it differs in url)",
        ),
        (owned({"enabled": False}), Update, "update enabled of integration 5"),
        (owned({"genericHTTP": {"url": "https://new.example/"}}), Update, "update url of integration 5"),
        (owned(shown={"enabled": False}), Update, "update enabled of integration 5"),
        (owned(**DELETED), Delete, "delete integration 5"),
    ],
)
def test_observed_write_is_reported_and_not_sent(inputs: DecisionInput, kind: type, sentence: str) -> None:
    report = planned(inputs)
    assert isinstance(report.planned, kind)
    assert report.message == f"The operator would {sentence}. {Reason.OBSERVE_ONLY.remedy}"


def test_observed_drift_is_reported_as_drift() -> None:
    report = planned(owned(shown={"enabled": False}))
    assert report.drifted == report.message
    assert planned(owned({"enabled": False})).drifted is None


def test_observed_secret_values_are_named_without_a_field() -> None:
    inputs = owned()
    payload = replace(inputs.desired.payload, fingerprint="another")  # type: ignore[type-var]
    inputs = replace(inputs, desired=replace(inputs.desired, payload=payload))
    report = planned(inputs)
    assert isinstance(report.planned, Update)
    assert changed_fields(inputs, report.planned) == (SECRET_VALUES,)


def test_observed_resource_without_an_integration_gets_no_finalizer() -> None:
    inputs = case(integration(finalizers=[]), memory=LONG_AGO, snapshot=view(), target=OBSERVED)
    report = decide(inputs)
    assert isinstance(report, Report)
    assert isinstance(report.planned, Create)


def test_observed_resource_without_a_pending_write_is_in_sync() -> None:
    report = decide(observed(owned()))
    assert isinstance(report, Report)
    assert (report.state, report.reason, report.planned) == (ReadyState.READY, Reason.SYNCED, None)


def test_id_of_a_created_integration_is_recorded_while_observed() -> None:
    inputs = case(integration(), memory=LONG_AGO, snapshot=view(item(5)), target=OBSERVED)
    assert isinstance(decide(inputs), Report)
    applied = Applied(fingerprint="fingerprint", key_id=KEY.id)
    created = CreatedIntegration(item(9), AUTHORITY, "proof-1", applied, {}, enabled=True)
    memory = Memory(finalizer_seen_at=NOW - 100, create=CreateAttempt(created=created))
    action = decide(case(integration(), memory=memory, target=OBSERVED))
    assert isinstance(action, RecordId)
    assert action.origin is Origin.CREATED
