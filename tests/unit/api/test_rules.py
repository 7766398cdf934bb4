"""Small pure rules: access to a connection, durations, timestamps, conditions."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.api.status import Condition
from netbird_streaming.api.timestamps import is_later, parse_time
from netbird_streaming.api.types import ClusterConnectionSpec, ConnectionSpec, LabelSelector, RateLimit
from netbird_streaming.core.actions import ReadyState
from netbird_streaming.core.namespace_access import access_of, needs_labels, selects
from netbird_streaming.core.netbird.endpoints import resync_interval, seconds, url_fault
from netbird_streaming.core.status.conditions import NOT_REPORTED, ConditionInput, Readiness, conditions, readiness
from netbird_streaming.reasons import Reason
from tests.harness.cases import WALL

TOKEN = {"tokenSecretRef": {"name": "t", "key": "k"}}


def test_access_is_denied_by_default_and_the_first_match_decides() -> None:
    access = [
        {"namespaces": ["team-a"], "tenantID": "t1"},
        {"namespaceSelector": {"matchLabels": {"tier": "gold"}}, "allowAdoption": True},
        {"namespaces": ["team-a"], "tenantID": "t2"},
    ]
    spec = ClusterConnectionSpec.model_validate({**TOKEN, "access": access})
    first = access_of(spec, "team-a", {"tier": "gold"})
    assert first is not None
    assert (first.tenant_id, first.allow_adoption) == ("t1", False)
    assert access_of(spec, "team-b", {}) is None
    gold = access_of(spec, "team-b", {"tier": "gold"})
    assert gold is not None
    assert gold.allow_adoption


@pytest.mark.parametrize(
    ("access", "needed"),
    [
        ([], False),
        ([{"namespaces": ["team-a"]}], False),
        ([{"namespaces": ["team-a"]}, {"namespaceSelector": {}}], True),
    ],
)
def test_namespace_labels_are_read_only_for_a_selector(access: list[object], needed: object) -> None:
    assert needs_labels(ClusterConnectionSpec.model_validate({**TOKEN, "access": access})) is needed


@pytest.mark.parametrize(
    ("operator", "values", "labels", "selected"),
    [
        ("In", ["a"], {"k": "a"}, True),
        ("In", ["a"], {}, False),
        ("NotIn", ["a"], {}, True),
        ("NotIn", ["a"], {"k": "a"}, False),
        ("Exists", [], {"k": "x"}, True),
        ("Exists", [], {}, False),
        ("DoesNotExist", [], {}, True),
        ("DoesNotExist", [], {"k": "x"}, False),
    ],
)
def test_selectors_follow_kubernetes_semantics(
    operator: str, values: list[str], labels: dict[str, str], selected: object
) -> None:
    expression = {"key": "k", "operator": operator, "values": values}
    assert selects(LabelSelector.model_validate({"matchExpressions": [expression]}), labels) is selected


def test_empty_selector_selects_everything() -> None:
    assert selects(LabelSelector(), {})


@pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("5m", 300), ("1h30m", 5400), ("", 300), ("soon", 300)])
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("a_minute", "accounts", "interval"),
    [(6, 100, 4000), (6, 1, 60), (120, 1, 60), (1, 10, 2400), (0, 10, 2400)],
)
def test_resyncs_never_use_more_than_a_quarter_of_the_budget(a_minute: int, accounts: int, interval: float) -> None:
    limit = RateLimit.model_construct(requests_per_minute=a_minute)
    spec = ConnectionSpec.model_validate({**TOKEN, "resyncInterval": "1m"}).model_copy(update={"rate_limit": limit})
    assert resync_interval(spec, accounts) == pytest.approx(interval)


@pytest.mark.parametrize(
    ("url", "allow_http", "accepted"),
    [
        ("https://api.netbird.io", False, True),
        ("http://127.0.0.1:8080", False, True),
        ("http://netbird.internal", False, False),
        ("http://netbird.internal", True, True),
        ("ftp://netbird.internal", True, False),
        ("https://", False, False),
        ("https://[::1", False, False),
        ("https://api.netbird.io:99999", False, False),
    ],
)
def test_token_is_sent_in_clear_only_if_allowed(url: str, allow_http: object, accepted: object) -> None:
    assert (url_fault(url, allow_http=bool(allow_http)) is None) is accepted


def test_timestamps_of_both_formats_are_equal() -> None:
    first, second = parse_time("2024-01-04T14:03:26.634554Z"), parse_time("2024-01-04T15:03:26.634554999+01:00")
    assert first == second


@given(st.text() | st.datetimes().map(str))
def test_any_text_is_a_time_or_none(text: str) -> None:
    moment = parse_time(text)
    assert moment is None or moment.tzinfo is not None


def test_unreadable_time_is_never_later() -> None:
    assert not is_later("nonsense", "2024-01-04T14:03:26Z", by=timedelta(0))
    assert not is_later("2024-01-04T14:03:26Z", None, by=timedelta(0))


def test_time_is_later_only_beyond_the_tolerance() -> None:
    one, other = "2024-01-04T14:03:27Z", "2024-01-04T14:03:26Z"
    assert is_later(one, other, by=timedelta(seconds=0.9))
    assert not is_later(one, other, by=timedelta(seconds=1))


def standing(state: ReadyState, message: str = "m") -> ConditionInput:
    return ConditionInput(state, Reason.SYNCED if state is ReadyState.READY else Reason.UNAVAILABLE, message)


def test_conditions_follow_kstatus() -> None:
    def types(state: ReadyState) -> list[tuple[str, str]]:
        return [(each.type, each.status) for each in conditions(standing(state), (), 1, WALL)]

    assert types(ReadyState.READY) == [("Ready", "True")]
    assert types(ReadyState.RECONCILING) == [("Ready", "False"), ("Reconciling", "True")]
    assert types(ReadyState.STALLED) == [("Ready", "False"), ("Stalled", "True")]
    assert types(ReadyState.SUSPENDED) == [("Ready", "False")]


def test_short_form_of_ready() -> None:
    def said(name: str, status: Literal["True", "False", "Unknown"], reason: str) -> Condition:
        return Condition(type=name, status=status, reason=reason, last_transition_time=WALL)

    stalled = said("Stalled", "True", Reason.CONTENDED.value)
    assert readiness((stalled, said("Ready", "True", Reason.SYNCED.value))) == Readiness(
        ready=True, reason=Reason.SYNCED
    )
    assert readiness((said("Ready", "Unknown", Reason.SYNCED.value),)) == Readiness(ready=False, reason=Reason.SYNCED)
    assert readiness(()) == readiness((stalled,)) == readiness((said("Ready", "True", "Later"),)) == NOT_REPORTED


def test_equal_conditions_give_an_equal_status() -> None:
    first = conditions(standing(ReadyState.RECONCILING), (), 1, WALL)
    assert conditions(standing(ReadyState.RECONCILING), first, 1, WALL + timedelta(hours=1)) == first


@given(st.sampled_from(ReadyState), st.sampled_from(ReadyState))
def test_transition_time_changes_only_with_the_status(before: ReadyState, after: ReadyState) -> None:
    later = datetime(2026, 6, 1, tzinfo=UTC)
    first = conditions(standing(before), (), 1, WALL)
    second = conditions(standing(after), first, 2, later)
    assert (second[0].last_transition_time == later) == (first[0].status != second[0].status)


def test_message_never_exceeds_the_schemas_length() -> None:
    message = conditions(standing(ReadyState.RECONCILING, "x" * 5000), (), 1, WALL)[0].message
    assert len(message.encode()) == 1024
