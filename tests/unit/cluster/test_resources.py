"""The adapter's requests: as few as possible, each a compare-and-swap, and one object's failure affects no other."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from netbird_streaming.api.status import MAX_CONDITIONS, Condition, Status
from netbird_streaming.api.types import FINALIZER, ObjectKey, Resource
from netbird_streaming.cluster.events import EventPublisher
from netbird_streaming.cluster.parsing import KINDS
from netbird_streaming.cluster.resources import Resources
from netbird_streaming.errors import LeaseLostError, ObjectGoneError
from netbird_streaming.reasons import Reason
from tests.unit.cluster.fakes import ScriptedApi, integration, raw_integration

if TYPE_CHECKING:
    from netbird_streaming.reconciler.ports import Cluster

GONE = ObjectGoneError(Reason.KUBERNETES_REFUSED, "gone")


def adapter(api: ScriptedApi, **options: Any) -> Resources:
    publisher = EventPublisher(api.api, "pod", lambda: datetime(2026, 1, 2, tzinfo=UTC))
    return Resources(api.api, publisher, **options)


def anything(_identity: ObjectKey, _uid: str, _version: str) -> bool:
    return True


def test_adapter_implements_the_port() -> None:
    port: Cluster = adapter(ScriptedApi(lambda _: GONE))
    assert asyncio.run(port.read(ObjectKey("ClusterNetBirdConnection", None, "default"))) is None


def test_equal_status_and_present_finalizer_send_no_request() -> None:
    api = ScriptedApi(lambda _: GONE)
    resource = integration(finalizers=[FINALIZER])
    cluster = adapter(api)
    assert asyncio.run(cluster.write_status(resource, Status())) is resource
    assert asyncio.run(cluster.add_finalizer(resource)) is resource
    asyncio.run(cluster.remove_finalizer(integration()))
    assert api.requests == []


def test_different_status_is_patched_with_the_version_that_was_read() -> None:
    api = ScriptedApi(lambda _: {**raw_integration(resourceVersion="8"), "status": {"id": 5}})
    written = asyncio.run(adapter(api).write_status(integration(), Status(id=5)))
    assert (written.status.id, written.metadata.resource_version) == (5, "8")
    (request,) = api.requests
    base = "/apis/integrations.netbird.io/v1alpha1/namespaces/team-a/eventstreamingintegrations/audit"
    assert (request.method, request.path) == ("PATCH", f"{base}/status")
    assert request.body == {"status": {"id": 5}, "metadata": {"resourceVersion": "7"}}
    assert request.query == {"fieldManager": "netbird-streaming-operator", "fieldValidation": "Strict"}


def test_conditions_of_others_are_kept_and_cause_no_write() -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    theirs, ours = (
        Condition(type=name, status="True", reason="Why", message="said", last_transition_time=moment)
        for name in ("Seen", "Ready")
    )
    api = ScriptedApi(lambda _: raw_integration())
    resource = integration().model_copy(update={"status": Status(conditions=(theirs,))})
    assert asyncio.run(adapter(api).write_status(resource, Status())) is resource
    asyncio.run(adapter(api).write_status(resource, Status(conditions=(ours,))))
    (request,) = api.requests
    assert request.body is not None
    assert [each["type"] for each in request.body["status"]["conditions"]] == ["Ready", "Seen"]
    assert request.body["status"]["conditions"][1]["message"] == "said"


def test_conditions_of_others_above_the_schemas_limit_are_dropped_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    ours, *theirs = (
        Condition(type=name, status="True", reason="Why", message="said", last_transition_time=moment)
        for name in ("Ready", *(f"Other{each}" for each in range(MAX_CONDITIONS)))
    )
    api = ScriptedApi(lambda _: raw_integration())
    resource = integration().model_copy(update={"status": Status(conditions=tuple(theirs))})
    asyncio.run(adapter(api).write_status(resource, Status(conditions=(ours,))))
    (request,) = api.requests
    assert request.body is not None
    written = [each["type"] for each in request.body["status"]["conditions"]]
    assert (len(written), written[0]) == (MAX_CONDITIONS, "Ready")
    assert caplog.messages == [
        "EventStreamingIntegration team-a/audit: conditions of other controllers dropped: Other11"
    ]


def test_finalizers_of_others_are_kept() -> None:
    api = ScriptedApi(lambda request: raw_integration(**(request.body or {})["metadata"]))
    cluster = adapter(api)
    held = asyncio.run(cluster.add_finalizer(integration(finalizers=["x/y"])))
    assert held.metadata.finalizers == ("x/y", FINALIZER)
    asyncio.run(cluster.remove_finalizer(held))
    assert api.requests[1].body == {"metadata": {"finalizers": ["x/y"], "resourceVersion": "7"}}


def test_finalizer_of_a_missing_object_counts_as_removed() -> None:
    asyncio.run(adapter(ScriptedApi(lambda _: GONE)).remove_finalizer(integration(finalizers=[FINALIZER])))


def test_guard_stops_writes_and_not_reads() -> None:
    def lost() -> None:
        raise LeaseLostError(Reason.PROGRESSING, "lost")

    api = ScriptedApi(lambda _: raw_integration())
    cluster = adapter(api, guard=lost)
    with pytest.raises(LeaseLostError):
        asyncio.run(cluster.write_status(integration(), Status(id=5)))
    assert api.requests == []
    assert asyncio.run(cluster.read(integration().key)) == integration()


def listed(api: ScriptedApi, **options: Any) -> list[str]:
    seen: list[Resource] = []
    asyncio.run(adapter(api, **options).list_resources("EventStreamingIntegration", None, anything, seen.append))
    return [f"{resource.metadata.namespace}/{resource.metadata.name}" for resource in seen]


def test_list_reads_all_pages() -> None:
    pages = iter(
        [
            {"metadata": {"continue": "more"}, "items": [raw_integration(name="a")]},
            {"metadata": {}, "items": [raw_integration(name="b")]},
        ]
    )
    api = ScriptedApi(lambda _: next(pages))
    assert listed(api) == ["team-a/a", "team-a/b"]
    assert [dict(request.query) for request in api.requests] == [{"limit": "20"}, {"limit": "20", "continue": "more"}]


def test_next_page_is_requested_while_one_is_parsed() -> None:
    items = [raw_integration(name=f"r{number}") for number in range(15)]
    pages = iter([{"metadata": {"continue": "more"}, "items": items}, {"metadata": {}, "items": []}])
    api = ScriptedApi(lambda _: next(pages))
    asked: list[int] = []
    asyncio.run(
        adapter(api).list_resources(
            "EventStreamingIntegration", None, anything, lambda _: asked.append(len(api.requests))
        )
    )
    assert asked[0] == 1
    assert asked[-1] == 2


def test_known_version_is_reported_and_not_parsed(caplog: pytest.LogCaptureFixture) -> None:
    broken = {**raw_integration(name="broken"), "spec": {"platform": "hunter2"}}
    asked: list[str] = []
    seen: list[Resource] = []

    def is_news(key: ObjectKey, uid: str, version: str) -> bool:
        asked.append(f"{key.label} {uid}@{version}")
        return key.name == "fine"

    cluster = adapter(ScriptedApi(lambda _: {"items": [broken, raw_integration(name="fine")]}))
    asyncio.run(cluster.list_resources("EventStreamingIntegration", None, is_news, seen.append))
    assert asked == ["team-a/broken 5f7a@7", "team-a/fine 5f7a@7"]
    assert [resource.metadata.name for resource in seen] == ["fine"]
    assert not caplog.records


def test_unreadable_object_is_reported_and_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    broken = {**raw_integration(name="broken"), "spec": {"platform": "hunter2"}}
    api = ScriptedApi(lambda _: {"items": [broken, raw_integration(name="fine")]})
    cluster = adapter(api)
    for _ in range(2):
        seen: list[Resource] = []
        asyncio.run(cluster.list_resources("EventStreamingIntegration", None, anything, seen.append))
        assert [resource.metadata.name for resource in seen] == ["fine"]
    assert len(caplog.records) == 1
    assert "hunter2" not in caplog.text
    assert "spec.platform" in caplog.text


def test_kinds_are_listed_in_each_watched_namespace_or_in_the_whole_cluster() -> None:
    api = ScriptedApi(lambda _: {"items": []})
    everywhere, scoped = adapter(api), adapter(api, namespaces=("a", "b"))
    alone = adapter(api, namespaces=("a", "b"), cluster_kinds=False)
    assert [everywhere.scopes(kind) for kind in KINDS] == [(None,), (None,), (None,)]
    assert scoped.scopes("EventStreamingIntegration") == scoped.scopes("NetBirdConnection") == ("a", "b")
    assert scoped.scopes("ClusterNetBirdConnection") == (None,)
    assert alone.scopes("ClusterNetBirdConnection") == ()


def test_list_is_of_one_namespace_or_of_the_whole_cluster() -> None:
    api = ScriptedApi(lambda _: {"items": []})
    for namespace in ("a", None):
        listing = adapter(api).list_resources("NetBirdConnection", namespace, anything, lambda _: None)
        asyncio.run(listing)
    base = "/apis/integrations.netbird.io/v1alpha1"
    assert [request.path for request in api.requests] == [
        f"{base}/namespaces/a/netbirdconnections",
        f"{base}/netbirdconnections",
    ]


def test_secrets_are_decoded_and_config_maps_are_not() -> None:
    api = ScriptedApi(
        lambda request: {"data": {"k": base64.b64encode(b"\xff\n").decode()}} if "secret" in request.path else {}
    )
    cluster = adapter(api)
    assert asyncio.run(cluster.secret("a", "x.y-z")) == {"k": b"\xff\n"}
    assert asyncio.run(cluster.config_map("a", "x")) == {}
    assert [request.path for request in api.requests] == [
        "/api/v1/namespaces/a/secrets/x.y-z",
        "/api/v1/namespaces/a/configmaps/x",
    ]


@pytest.mark.parametrize("name", ["..", ".", "", "../../../nodes", "a/b", "a?b", "a%2fb", "A", "a" * 254, "a\n"])
def test_invalid_name_counts_as_absent_and_never_becomes_a_path(name: str) -> None:
    api = ScriptedApi(lambda _: {"data": {}})
    assert asyncio.run(adapter(api).secret("a", name)) is None
    assert api.requests == []


def test_labels_of_a_missing_namespace_match_nothing() -> None:
    assert asyncio.run(adapter(ScriptedApi(lambda _: {"metadata": {}})).namespace_labels("a")) == {}
    with pytest.raises(ObjectGoneError):
        asyncio.run(adapter(ScriptedApi(lambda _: GONE)).namespace_labels("a"))
