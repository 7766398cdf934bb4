"""The watch of Secrets: its reports, the data that it never keeps, and that no failure ends it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.backoff import Backoff
from netbird_streaming.cluster.client import Request
from netbird_streaming.cluster.errors import DeniedError
from netbird_streaming.errors import OperatorError, RetryError
from netbird_streaming.reasons import Reason
from netbird_streaming.watch.secrets import SecretWatch, Versions, WatchTiming
from tests.unit.cluster.fakes import ScriptedApi

SNAPSHOTS = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y", "z"])), st.sampled_from("123"), max_size=6
)


@given(SNAPSHOTS, SNAPSHOTS)
def test_list_reports_exactly_the_differences(
    before: dict[tuple[str, str], str], after: dict[tuple[str, str], str]
) -> None:
    versions = Versions()
    versions.replace((*key, version) for key, version in before.items())
    reported = versions.replace((*key, version) for key, version in after.items())
    assert sorted(reported) == sorted(key for key in {**before, **after} if before.get(key) != after.get(key))
    assert versions.replace((*key, version) for key, version in after.items()) == []


def test_event_is_reported_once() -> None:
    versions = Versions()
    assert versions.update("a", "x", "1")
    assert not versions.update("a", "x", "1")
    assert versions.update("a", "x", "2")
    assert versions.update("a", "x", None)
    assert not versions.update("a", "x", None)
    assert len(versions) == 0


def secret(name: str, version: str) -> dict[str, Any]:
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}
    return {"metadata": {"namespace": "a", "name": name, "resourceVersion": version, "annotations": annotations}}


def page(*items: dict[str, Any], version: str = "10", more: str = "") -> bytes:
    return json.dumps({"metadata": {"resourceVersion": version, "continue": more}, "items": items}).encode()


async def ended(*events: tuple[str, dict[str, Any]]) -> AsyncIterator[bytes]:
    """Return the lines of a watch that the API server ends normally."""
    for kind, item in events:
        yield json.dumps({"type": kind, "object": item}).encode() + b"\n"


async def lines(*events: tuple[str, dict[str, Any]]) -> AsyncIterator[bytes]:
    """Yield the lines of a watch that then stays open."""
    for kind, item in events:
        yield json.dumps({"type": kind, "object": item}).encode() + b"\n"
    await asyncio.Event().wait()


def watched(
    *answers: Any, until: int, namespaces: tuple[str, ...] | None = None
) -> tuple[list[str], ScriptedApi, bool]:
    """Run with these responses until so many requests; return reported names, requests and state."""
    script = iter(answers)
    reported: list[str] = []
    api = ScriptedApi(lambda _: next(script))
    timing = WatchTiming(retry=Backoff(0, 0), denied_retry=0)

    async def scenario() -> bool:
        watch = SecretWatch(
            api.api,
            lambda space, name: reported.append(f"{space}/{name}"),
            lambda: 0.0,
            namespaces=namespaces,
            timing=timing,
        )
        running = asyncio.create_task(watch.run())
        await watch.ready()
        while len(api.requests) < until:  # noqa: ASYNC110 - the watch has no such event to offer
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not running.done()
        running.cancel()
        await asyncio.wait({running})
        return watch.watching("a")

    return reported, api, asyncio.run(scenario())


def test_first_list_is_silent_and_events_are_reported() -> None:
    events = lines(
        ("ADDED", secret("new", "11")),
        ("MODIFIED", secret("x", "12")),
        ("BOOKMARK", {"metadata": {"resourceVersion": "13"}}),
        ("DELETED", secret("y", "14")),
    )
    reported, api, watching = watched(page(secret("x", "1"), more="next"), page(secret("y", "2")), events, until=3)
    assert reported == ["a/new", "a/x", "a/y"]
    assert watching
    first, second, stream = api.requests
    assert ("continue" in first.query, second.query["continue"]) == (False, "next")
    assert (stream.query["resourceVersion"], stream.query["allowWatchBookmarks"]) == ("10", "true")
    assert all("PartialObjectMetadata" in request.accept for request in api.requests)
    assert not any(request.accept.endswith("application/json") for request in api.requests)


def test_namespace_without_secrets_has_a_list_of_null() -> None:
    empty = json.dumps({"metadata": {"resourceVersion": "10"}, "items": None}).encode()
    reported, _, watching = watched(empty, lines(("ADDED", secret("new", "11"))), until=2)
    assert reported == ["a/new"]
    assert watching


def test_only_differences_are_reported_after_a_broken_watch() -> None:
    expired = lines(("ERROR", {"kind": "Status", "code": 410, "metadata": {}}))
    before, after = page(secret("x", "1"), secret("y", "2")), page(secret("x", "1"), secret("z", "3"))
    reported, _, _ = watched(before, expired, after, lines(), until=4)
    assert sorted(reported) == ["a/y", "a/z"]


def test_failures_of_every_kind_end_in_another_list() -> None:
    unavailable = RetryError(Reason.UNAVAILABLE, "down")
    answers = (unavailable, b"<html>", page(secret("x", "1")), unavailable, page(secret("x", "2")), lines())
    reported, api, watching = watched(*answers, until=6)
    assert reported == ["a/x", "a/x"], "the first list came after a failure, so the Secret may have been read before"
    assert watching
    assert [request.query.get("watch") for request in api.requests] == [None, None, None, "true", None, "true"]


@pytest.mark.parametrize(
    "down", [RetryError(Reason.UNAVAILABLE, "down"), DeniedError(Reason.KUBERNETES_REFUSED, "denied")], ids=str
)
def test_failed_or_refused_watch_counts_once_for_any_number_of_retries(down: OperatorError) -> None:
    script = iter((page(), down, down, down, page(), lines()))
    api = ScriptedApi(lambda _: next(script))

    async def scenario() -> None:
        timing = WatchTiming(retry=Backoff(0, 0), denied_retry=0)
        watch = SecretWatch(api.api, lambda _, __: None, lambda: 0.0, timing=timing)
        running = asyncio.create_task(watch.run())
        while len(api.requests) < 6:  # noqa: ASYNC110 - the watch has no such event to offer
            await asyncio.sleep(0)
        assert watch.restarts == 1
        running.cancel()
        await asyncio.wait({running})

    asyncio.run(scenario())


def test_denied_watch_is_reported_and_retried() -> None:
    denied = DeniedError(Reason.KUBERNETES_REFUSED, "denied")
    _, _, watching = watched(denied, denied, page(), lines(), until=4, namespaces=("a",))
    assert watching

    api = ScriptedApi(lambda _: denied)

    async def scenario() -> None:
        watch = SecretWatch(api.api, lambda _, __: None, iter(range(9)).__next__)
        running = asyncio.create_task(watch.run())
        await watch.ready()
        assert not watch.watching("a")
        assert watch.age() == 0
        running.cancel()
        await asyncio.wait({running})

    asyncio.run(scenario())


def test_scope_is_requested_by_its_own_path() -> None:
    paths: list[str] = []

    def answer(request: Request) -> Any:
        paths.append(request.path)
        return lines() if request.query.get("watch") else page()

    api = ScriptedApi(answer)

    async def scenario() -> None:
        watch = SecretWatch(api.api, lambda _, __: None, lambda: 5.0, namespaces=("a", "b"))
        running = asyncio.create_task(watch.run())
        await watch.ready()
        assert watch.watching("a")
        assert not watch.watching("c")
        running.cancel()
        await asyncio.wait({running})

    asyncio.run(scenario())
    assert set(paths) == {"/api/v1/namespaces/a/secrets", "/api/v1/namespaces/b/secrets"}


def test_watch_that_ends_early_is_followed_by_a_list() -> None:
    """The API server stopped, and its etcd may have been restored with lower versions."""
    early = ended(("MODIFIED", secret("x", "500")))
    reported, api, _ = watched(page(secret("x", "400"), version="450"), early, page(secret("x", "7")), lines(), until=4)
    assert reported == ["a/x", "a/x"]
    assert [bool(request.query.get("watch")) for request in api.requests] == [False, True, False, True]
    assert api.requests[-1].query["resourceVersion"] == "10"
