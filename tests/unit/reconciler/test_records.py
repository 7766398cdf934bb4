"""The record of each resource."""

import random

import pytest

from netbird_streaming.api.status import Applied, Intent, Status
from netbird_streaming.api.types import RECONCILE_ANNOTATION, ObjectKey
from netbird_streaming.core.netbird.types import Priority
from netbird_streaming.reconciler.records import MAX_PACKED, lane_of, priority_of, record_for
from tests.harness.cases import ACCOUNT, UID, URL, WALL, integration

STATUS = Status().evolve(
    id=5,
    account_id=ACCOUNT,
    config={"url": URL},
    applied=Applied(fingerprint="f", key_id="k"),
    creation=Intent(attempt=2, endpoint="e", platform="generic_http", signature={"url": "s"}, key_id="k", since=WALL),
    owner_uid=UID,
)


def test_packed_version_is_unpacked_completely() -> None:
    header = {"name": "X-Key", "valueFrom": {"secretKeyRef": {"name": "siem", "key": "token"}}}
    connection = {"kind": "NetBirdConnection", "name": "own"}
    spec = {"genericHTTP": {"url": URL, "headers": [header]}, "connectionRef": connection}
    resource = integration(spec, STATUS, annotations={"a": "ü"}, deletionTimestamp="2026-05-01T10:30:00Z")
    record = record_for(resource, 0.0)
    record.cache.compress()
    assert record.cache.size
    assert record.cache.get() == resource
    assert record.cache.size is None


@pytest.mark.parametrize("size", [10, 2**20])
def test_large_version_is_not_kept(size: int) -> None:
    """Random text can't be packed: 750 resources of the largest size took all memory."""
    text = random.Random(1).randbytes(size).hex()
    record = record_for(integration({"genericHTTP": {"url": URL, "bodyTemplate": text}}), 0.0)
    record.cache.compress()
    assert (record.cache.size or 0) <= MAX_PACKED
    assert (record.cache.get() is None) == (size > MAX_PACKED)


def test_newer_version_replaces_a_packed_one() -> None:
    record = record_for(integration(), 0.0)
    record.cache.compress()
    newer = integration(resourceVersion="8")
    record.use_version(newer, 1.0)
    assert record.cache.get() is newer


def test_resources_of_one_connection_share_its_key() -> None:
    first, second = (record_for(integration(name=name, uid=name), 0.0) for name in ("a", "b"))
    assert first.summary.connection is second.summary.connection


def test_namespace_is_one_lane_with_any_number_of_connections() -> None:
    keys = [ObjectKey("NetBirdConnection", "team", f"c{index}") for index in range(3)]
    keys += [ObjectKey("EventStreamingIntegration", "team", "r"), ObjectKey("NetBirdConnection", "other", "c0")]
    assert [lane_of(key) for key in keys] == ["team"] * 4 + ["other"]


def test_user_changes_precede_new_resources_and_those_precede_the_rest() -> None:
    done = STATUS.model_copy(update={"observed_generation": 3, "last_handled_reconcile_at": "1"})
    assert priority_of(integration(status=done, generation=3)) is Priority.LOW
    assert priority_of(integration(status=done, generation=3, annotations={"a": "b"})) is Priority.LOW
    assert priority_of(integration(status=done, generation=4)) is Priority.HIGH
    assert priority_of(integration(status=done, generation=3, annotations={RECONCILE_ANNOTATION: "1"})) is Priority.LOW
    assert priority_of(integration(status=done, generation=3, annotations={RECONCILE_ANNOTATION: "2"})) is Priority.HIGH
    assert priority_of(integration(status=Status())) is Priority.NEW
    assert priority_of(integration(status=Status(), deletionTimestamp="2026-05-01T10:30:00Z")) is Priority.HIGH
