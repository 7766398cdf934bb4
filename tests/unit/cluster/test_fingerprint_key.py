"""The fingerprint key: created once, then read, never replaced."""

import asyncio
import base64
from typing import Any

import pytest

from netbird_streaming.cluster.errors import DeniedError
from netbird_streaming.cluster.fingerprint_key import fingerprint_key
from netbird_streaming.errors import ConflictError, ObjectGoneError, WaitError
from netbird_streaming.reasons import Reason
from tests.unit.cluster.fakes import ScriptedApi

GONE = ObjectGoneError(Reason.KUBERNETES_REFUSED, "gone")
TAKEN = ConflictError(Reason.PROGRESSING, "exists")
THEIRS = base64.b64encode(b"t" * 32).decode()


def key(api: ScriptedApi) -> bytes:
    return asyncio.run(fingerprint_key(api.api, "netbird", "key", lambda size: b"r" * size))


def test_key_is_created_when_absent() -> None:
    api = ScriptedApi(lambda request: request.body or GONE)
    assert key(api) == b"r" * 32
    assert [(request.method, request.path) for request in api.requests] == [
        ("GET", "/api/v1/namespaces/netbird/secrets/key"),
        ("POST", "/api/v1/namespaces/netbird/secrets"),
    ]


def test_first_process_that_creates_it_wins() -> None:
    answers: list[Any] = [GONE, TAKEN, {"data": {"key": THEIRS}}]
    api = ScriptedApi(lambda _: answers.pop(0))
    assert key(api) == b"t" * 32


@pytest.mark.parametrize("found", [{}, {"data": None}, {"data": {}}])
def test_empty_secret_is_filled_in_the_version_that_was_read(found: Any) -> None:
    empty = {**found, "metadata": {"name": "key", "resourceVersion": "7"}}
    api = ScriptedApi(lambda request: request.body or empty)
    assert key(api) == b"r" * 32
    read, write = api.requests
    assert (read.method, write.method, write.path) == ("GET", "PATCH", read.path)
    assert write.body is not None
    assert write.body["metadata"] == {"resourceVersion": "7"}
    assert write.body["immutable"] is True


def test_first_process_that_fills_it_wins() -> None:
    answers: list[Any] = [{"metadata": {"resourceVersion": "7"}}, TAKEN, {"data": {"key": THEIRS}}]
    api = ScriptedApi(lambda _: answers.pop(0))
    assert key(api) == b"t" * 32


def test_forbidden_creation_of_an_absent_secret_is_named_with_its_remedy() -> None:
    answers: list[Any] = [GONE, DeniedError(Reason.KUBERNETES_REFUSED, "denied")]
    api = ScriptedApi(lambda _: answers.pop(0))
    with pytest.raises(WaitError, match="kubectl create secret generic key --namespace=netbird"):
        key(api)


@pytest.mark.parametrize(
    "data",
    [{"other": "x"}, {"key": ""}, {"key": "hunter2!"}, {"key": base64.b64encode(b"hunter2").decode()}, {"key": "é"}],
)
def test_malformed_key_is_named_and_unchanged(data: Any) -> None:
    api = ScriptedApi(lambda _: {"data": data})
    with pytest.raises(WaitError, match=r"Secret netbird/key: data\.key must be 32 bytes") as caught:
        key(api)
    assert "hunter2" not in repr(caught.value)
    assert [request.method for request in api.requests] == ["GET"]
