"""Events: bodies within the API's limits, equal names for equal events, and no caller waits."""

import asyncio
import logging
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.api.types import ClusterNetBirdConnection, Resource
from netbird_streaming.cluster.errors import TerminatingError
from netbird_streaming.cluster.events import MAX_WAITING, EventPublisher, event, pending_event
from netbird_streaming.core.status.documentation import Documentation
from netbird_streaming.core.status.events import EventNote, EventReason
from netbird_streaming.errors import ConflictError, LeaseLostError, ObjectGoneError, OperatorError, WaitError
from netbird_streaming.reasons import Reason
from tests.unit.cluster.fakes import Script, ScriptedApi, integration

NOW = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
NOTE = EventNote(Reason.DRIFTED, "Reconcile", "NetBird differs.", warning=True)
DENIED = WaitError(Reason.KUBERNETES_REFUSED, "give the right to create Events")
TEXTS = st.text(st.characters(codec="utf-8"), max_size=600)


def body_of(resource: Resource, note: EventNote, instance: str = "pod-1") -> dict[str, Any]:
    return event(pending_event(resource, note, 0, NOW), instance)


def published(script: Script, *news: Resource, notes: Sequence[EventNote] = (NOTE,)) -> list[dict[str, Any]]:
    """Return the requests for these Events about these resources."""
    api = ScriptedApi(script)

    async def publish() -> None:
        async with EventPublisher(api.api, "pod", lambda: NOW) as publisher:
            for each in news:
                publisher.publish(each, notes)

    asyncio.run(publish())
    return [each.body or {} for each in api.requests]


def test_event_regards_its_resource() -> None:
    body = body_of(integration(), NOTE)
    assert body["eventTime"] == "2026-01-02T03:04:05.000006Z"
    assert (body["type"], body["reason"], body["action"], body["note"]) == (
        "Warning",
        "Drifted",
        "Reconcile",
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


def test_object_without_a_namespace_has_its_events_in_default() -> None:
    connection = ClusterNetBirdConnection.model_validate(
        {
            "metadata": {"name": "d", "uid": "1", "resourceVersion": "2", "creationTimestamp": NOW},
            "spec": {"tokenSecretRef": {"name": "t", "key": "k"}},
        }
    )
    body = body_of(connection, NOTE)
    assert body["metadata"]["namespace"] == "default"
    assert "namespace" not in body["regarding"]


@given(TEXTS, st.sampled_from(["a", "a" * 225, "a" * 224 + "." + "b" * 28]))
def test_names_and_notes_keep_to_the_limits(text: str, name: str) -> None:
    body = body_of(integration(name=name), EventNote(EventReason.UPDATED, "Update", text))
    assert len(body["note"].encode()) <= 1024
    assert body["note"] == text or body["note"].endswith("…")
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", body["metadata"]["name"])
    assert len(body["metadata"]["name"]) <= 253


def test_note_of_a_problem_ends_with_the_address_of_its_reason() -> None:
    pages = Documentation("https://docs.example.com/{page}/")
    note = event(pending_event(integration(), NOTE, 0, NOW), "pod", pages)["note"]
    assert note == "NetBird differs. See https://docs.example.com/reference/reasons/#drifted"


def test_equal_event_of_one_version_has_the_same_name() -> None:
    name = body_of(integration(), NOTE, "a")["metadata"]["name"]
    assert body_of(integration(), NOTE, "b")["metadata"]["name"] == name
    assert body_of(integration(resourceVersion="8"), NOTE, "a")["metadata"]["name"] != name


@given(st.lists(st.integers(1, 2**63), min_size=2, unique=True), st.integers(1, 3))
def test_names_are_in_the_order_of_the_events(versions: list[int], notes: int) -> None:
    event_names = [
        event(pending_event(integration(resourceVersion=str(version)), NOTE, place, NOW), "i")["metadata"]["name"]
        for version in sorted(versions)
        for place in range(notes)
    ]
    assert event_names == sorted(event_names)


def test_pending_events_are_sent_in_order_at_the_end() -> None:
    notes = [EventNote(EventReason.CREATED, "Create", str(number)) for number in range(20)]
    sent = published(lambda _: {}, integration(), notes=notes)
    assert [each["note"] for each in sent] == [each.note for each in notes]


def test_unpublishable_event_is_logged_once_with_the_remedy_and_without_its_note(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sent = published(lambda _: DENIED, *[integration(name=f"r{number}") for number in range(3)])
    assert len(sent) == 3
    (line,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert DENIED.message in line.getMessage()
    assert "differs" not in caplog.text


def test_failure_is_logged_again_after_a_recovery(caplog: pytest.LogCaptureFixture) -> None:
    answers = iter([DENIED, DENIED, {}, DENIED])
    published(lambda _: next(answers), *[integration()] * 4)
    assert len([each for each in caplog.records if each.levelno >= logging.WARNING]) == 2


@pytest.mark.parametrize(
    "error",
    [
        ConflictError(Reason.PROGRESSING, "published already"),
        LeaseLostError(Reason.PROGRESSING, "another one leads"),
        TerminatingError(Reason.KUBERNETES_REFUSED, "the namespace goes"),
        ObjectGoneError(Reason.KUBERNETES_REFUSED, "the namespace is gone"),
    ],
)
def test_existing_or_impossible_event_is_not_logged(error: OperatorError, caplog: pytest.LogCaptureFixture) -> None:
    published(lambda _: error, integration())
    assert caplog.records == []


def test_internal_error_stops_no_later_event_and_logs_no_text(caplog: pytest.LogCaptureFixture) -> None:
    def answer(_: object) -> dict[str, Any]:
        raise ZeroDivisionError(NOTE.note)

    assert len(published(answer, integration(), integration())) == 2
    assert "ZeroDivisionError" in caplog.text
    assert "differs" not in caplog.text


def test_pending_events_are_limited(caplog: pytest.LogCaptureFixture) -> None:
    sent = published(lambda _: {}, integration(), notes=[NOTE] * (MAX_WAITING + 2))
    assert len(sent) == MAX_WAITING
    assert "too many" in caplog.text
