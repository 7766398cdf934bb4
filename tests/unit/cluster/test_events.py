"""Bodies of Events: within the API's limits, and the same name for the same news."""

import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.cluster.events import event
from netbird_streaming.core.events import EventNote
from netbird_streaming.core.resources import ClusterNetBirdConnection
from netbird_streaming.reasons import Reason
from tests.unit.cluster.fakes import integration

NOW = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
NOTE = EventNote(Reason.DRIFTED, "Correct", "NetBird differs.", warning=True)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=600)


def test_an_event_regards_its_resource() -> None:
    body = event(integration(), NOTE, "pod-1", NOW)
    assert body["eventTime"] == "2026-01-02T03:04:05.000006Z"
    assert (body["type"], body["reason"], body["action"], body["note"]) == (
        "Warning",
        "Drifted",
        "Correct",
        "NetBird differs.",
    )
    assert body["reportingInstance"] == "pod-1"
    assert body["regarding"] == {
        "apiVersion": "integrations.netbird.io/v1alpha1",
        "kind": "EventStreamingIntegration",
        "namespace": "team-a",
        "name": "audit",
        "uid": "5f7a",
        "resourceVersion": "7",
    }
    assert body["metadata"]["namespace"] == "team-a"


def test_an_object_without_a_namespace_has_its_events_in_default() -> None:
    connection = ClusterNetBirdConnection.model_validate(
        {
            "metadata": {"name": "d", "uid": "1", "resourceVersion": "2", "creationTimestamp": NOW},
            "spec": {"tokenSecretRef": {"name": "t", "key": "k"}},
        }
    )
    body = event(connection, NOTE, "pod-1", NOW)
    assert body["metadata"]["namespace"] == "default"
    assert "namespace" not in body["regarding"]


@given(TEXTS, st.sampled_from(["a", "a" * 230, "a" * 229 + "." + "b" * 23]))
def test_names_and_notes_keep_to_the_limits(text: str, name: str) -> None:
    body = event(integration(name=name), EventNote(Reason.SYNCED, "Update", text), "i", NOW)
    assert len(body["note"].encode()) <= 1024
    assert body["note"] == text or body["note"].endswith("…")
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", body["metadata"]["name"])
    assert len(body["metadata"]["name"]) <= 253


def test_the_same_news_of_the_same_version_has_the_same_name() -> None:
    name = event(integration(), NOTE, "a", NOW)["metadata"]["name"]
    assert event(integration(), NOTE, "b", NOW)["metadata"]["name"] == name
    assert event(integration(resourceVersion="8"), NOTE, "a", NOW)["metadata"]["name"] != name
