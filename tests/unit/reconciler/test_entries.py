"""What is kept of each resource."""

from netbird_streaming.core.status import Applied, Intent, Status
from netbird_streaming.reconciler.entries import entry_for, number
from tests.support.cases import ACCOUNT, UID, URL, WALL, integration

STATUS = Status().having(
    id=5,
    account_id=ACCOUNT,
    config={"url": URL},
    applied=Applied(fingerprint="f", key_id="k"),
    creation=Intent(attempt=2, endpoint="e", platform="generic_http", signature={"url": "s"}, key_id="k", since=WALL),
    owner_uid=UID,
)


def test_a_packed_version_comes_back_whole() -> None:
    header = {"name": "X-Key", "valueFrom": {"secretKeyRef": {"name": "siem", "key": "token"}}}
    connection = {"kind": "NetBirdConnection", "name": "own"}
    spec = {"genericHTTP": {"url": URL, "headers": [header]}, "connectionRef": connection}
    resource = integration(spec, STATUS, annotations={"a": "ü"}, deletionTimestamp="2026-05-01T10:30:00Z")
    entry = entry_for(resource)
    entry.pack()
    assert entry.resource is None
    assert entry.unpack() == resource
    assert entry.packed is None


def test_a_newer_version_replaces_a_packed_one() -> None:
    entry = entry_for(integration())
    entry.pack()
    newer = integration(resourceVersion="8")
    entry.take(newer)
    assert entry.unpack() is newer


def test_resources_of_one_connection_share_what_names_it() -> None:
    first, second = (entry_for(integration(name=name, uid=name)) for name in ("a", "b"))
    assert first.connection is second.connection


def test_versions_are_compared_as_numbers() -> None:
    assert number("1000") > number("999") > number("no number") == 0
