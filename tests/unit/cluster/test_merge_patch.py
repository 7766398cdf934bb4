"""Merge patches between statuses: applied to the old one they give the new one, and then no difference is left."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.api.connection_status import ConfirmedAccount, ConnectionStatus
from netbird_streaming.api.status import Applied, Condition, Correction, Intent, Status
from netbird_streaming.cluster.merge_patch import document, merge_patch

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
SCALARS = st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS
DOCUMENTS = st.dictionaries(
    TEXTS,
    st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)),
    max_size=5,
)
MAPS = st.dictionaries(TEXTS, TEXTS, max_size=3)
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)) | st.just(  # noqa: DTZ001 - hypothesis wants naive bounds
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
)
IDS = st.integers(1, 2**63 - 1)
INTENTS = st.builds(
    Intent,
    attempt=st.integers(1, 9),
    endpoint=TEXTS,
    account_id=st.none() | TEXTS,
    platform=TEXTS,
    signature=MAPS,
    key_id=TEXTS,
    since=st.none() | TIMES,
    until=st.none() | TIMES,
)
CONDITIONS = st.lists(
    st.builds(Condition, type=TEXTS, reason=TEXTS, message=TEXTS, last_transition_time=TIMES), max_size=3
).map(tuple)
STATUSES = st.builds(
    Status().evolve,
    id=st.none() | IDS,
    enabled=st.none() | st.booleans(),
    config=st.none() | MAPS,
    applied=st.none() | st.builds(Applied, fingerprint=TEXTS, key_id=TEXTS),
    creation=st.none() | INTENTS,
    unresolved_creations=st.lists(INTENTS, max_size=2).map(tuple),
    corrections=st.lists(st.builds(Correction, at=TIMES, updated_at=st.none() | TEXTS, values=MAPS), max_size=2).map(
        tuple
    ),
    normalized=MAPS,
    conditions=CONDITIONS,
)
CONNECTION_STATUSES = st.builds(
    ConnectionStatus,
    path_family=st.none() | TEXTS,
    accounts=st.lists(st.builds(ConfirmedAccount, tenant_id=st.none() | TEXTS), max_size=2).map(tuple),
    conditions=CONDITIONS,
)


def applied(target: Any, patch: Any) -> Any:
    """Apply the algorithm of RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = applied(result.get(name), value)
    return result


@given(DOCUMENTS, DOCUMENTS)
def test_patch_of_the_old_status_gives_the_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert applied(old, merge_patch(old, new)) == new


@given(DOCUMENTS)
def test_equal_statuses_send_nothing(same: dict[str, Any]) -> None:
    assert merge_patch(same, same) == {}


@given(STATUSES, STATUSES)
def test_status_survives_being_written_and_read_back(old: Status, new: Status) -> None:
    stored = json.loads(json.dumps(applied(document(old), merge_patch(document(old), document(new)))))
    read_back = Status.model_validate(stored)
    assert read_back == new
    assert merge_patch(document(read_back), document(new)) == {}


@given(CONNECTION_STATUSES, CONNECTION_STATUSES)
def test_connection_status_survives_being_written_and_read_back(old: ConnectionStatus, new: ConnectionStatus) -> None:
    stored = json.loads(json.dumps(applied(document(old), merge_patch(document(old), document(new)))))
    assert ConnectionStatus.model_validate(stored) == new


def test_times_are_rfc_3339_in_whole_seconds_if_they_were_so() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    condition = Condition(type="Ready", status="True", reason="Synced", last_transition_time=at)
    assert document(Status(conditions=(condition,)))["conditions"] == [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Synced",
            "message": "",
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        }
    ]
    precise = condition.model_copy(update={"last_transition_time": at + timedelta(microseconds=7)})
    assert (
        document(Status(conditions=(precise,)))["conditions"][0]["lastTransitionTime"] == "2026-01-02T03:04:05.000007Z"
    )


def test_cleared_fields_are_removed_and_ids_stay_integers() -> None:
    old = document(Status().evolve(id=2**53 + 1, config={"a": "1", "b": "2"}, normalized={"a": "1"}))
    assert json.dumps(old["id"]) == "9007199254740993"
    assert merge_patch(old, document(Status(config={"a": "1"}))) == {
        "id": None,
        "config": {"b": None},
        "internal": None,
    }
    assert document(Status(config={})) == {"config": {}}
