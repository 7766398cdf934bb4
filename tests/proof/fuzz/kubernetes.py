"""Responses of the API server or of a proxy: targets that need a loop."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any, Final

from kubernetes.aio.client import Configuration

from netbird_streaming.api.types import EventStreamingIntegration, ObjectKey, Resource
from netbird_streaming.backoff import Backoff
from netbird_streaming.cluster.client import Credentials, KubernetesClient
from netbird_streaming.cluster.events import EventPublisher
from netbird_streaming.cluster.fingerprint_key import fingerprint_key
from netbird_streaming.cluster.leader_election.elector import LeaderElector, LeaseLock
from netbird_streaming.cluster.rbac import missing_permissions, secret_permissions
from netbird_streaming.cluster.resources import Resources
from netbird_streaming.errors import OperatorError
from netbird_streaming.watch.kopf_watcher import KopfWatcher, WatchScope
from netbird_streaming.watch.secrets import SecretWatch, WatchTiming
from tests.harness.cases import LEASE_TIMING, WALL
from tests.proof.fuzz.inputs import CONNECTION, INTEGRATION, LEASE, SECRET, changed, decoded, like

NAME: Final = ObjectKey("EventStreamingIntegration", "team-a", "web")
READ: Final = EventStreamingIntegration.model_validate(INTEGRATION)
LISTED: Final = {"metadata": {"resourceVersion": "10"}, "items": [INTEGRATION]}
QUIET: Final = WatchTiming(retry=Backoff(0, 0), denied_retry=0)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def _run(work: Coroutine[Any, Any, None]) -> None:
    _loop().run_until_complete(work)


class _Answer:
    """The used parts of an HTTP client's response."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.headers = {"Retry-After": body[:3].decode("latin-1")}
        self._body = body
        self.response = self

    async def read(self) -> bytes:
        return self._body

    def close(self) -> None:
        pass

    @property
    def content(self) -> AsyncIterator[bytes]:
        return self._lines()

    async def _lines(self) -> AsyncIterator[bytes]:
        for line in self._body.split(b"\n"):
            yield line


class _Client:
    """A client that answers every request in the same way."""

    def __init__(self, status: int, body: bytes) -> None:
        self._answer = _Answer(status, body)

    async def request(self, *_: object, **__: object) -> _Answer:
        await asyncio.sleep(0)
        return self._answer


@cache
def _connection() -> KubernetesClient:
    """A shared one, because its creation reads certificates."""
    return KubernetesClient(Configuration())


def _api(status: int, body: bytes) -> KubernetesClient:
    client = _connection()
    client._client = _Client(status, body)  # type: ignore[assignment]  # what of it is used
    return client


def kubernetes_answer(data: bytes) -> None:
    """Any response of the API server: only the operator's own errors are raised."""
    head, _, body = data.partition(b"\n")
    status = int(head) if head.isdigit() and len(head) == 3 else 200
    _run(_ask(status, _body(body)))


def _body(data: bytes) -> bytes:
    """Return the bytes themselves if they begin with a space, else a changed valid object."""
    if data[:1] == b" ":
        return data
    change = decoded(data)
    valid = {**changed(SECRET, {}), **changed(LISTED, {}), **LEASE, "kind": "Status", "status": {"allowed": True}}
    return json.dumps(changed(valid, change)).encode()


async def _ask(status: int, body: bytes) -> None:
    client = _api(status, body)
    resources = Resources(client, EventPublisher(client, "pod", lambda: WALL))
    seen: list[Resource] = []
    questions: tuple[Callable[[], Coroutine[Any, Any, object]], ...] = (
        lambda: resources.read(NAME),
        lambda: resources.list_resources(NAME.kind, NAME.namespace, _Sink().is_newer, seen.append),
        lambda: resources.add_finalizer(
            READ.model_copy(update={"metadata": READ.metadata.model_copy(update={"finalizers": ()})})
        ),
        lambda: resources.remove_finalizer(READ),
        lambda: resources.write_status(READ, READ.status.model_copy(update={"id": 9})),
        lambda: resources.secret("team-a", "s"),
        lambda: resources.config_map("team-a", "s"),
        lambda: resources.namespace_labels("team-a"),
        lambda: fingerprint_key(client, "ns", "key", bytes),
        lambda: missing_permissions(client, secret_permissions(None)),
    )
    for ask in questions:
        with suppress(OperatorError):
            await ask()
    elector = LeaderElector(
        client, LeaseLock("ns", "lease", "we"), lambda: WALL, clock=lambda: 0.0, timing=LEASE_TIMING
    )
    assert await elector._try_acquire_or_renew() in {True, False}


def secret_watch(data: bytes) -> None:
    """Pages and lines of the watch of Secrets: it continues with any content."""
    body = data if data[:1] == b" " else _lines(data)
    _run(_watch(body))


def _lines(data: bytes) -> bytes:
    page = {"metadata": {"resourceVersion": "10"}, "items": [SECRET], "type": "MODIFIED", "object": SECRET}
    return b"\n".join(json.dumps(changed(page, decoded(line))).encode() for line in data.split(b"\n"))


async def _watch(body: bytes) -> None:
    changes: list[tuple[str, str]] = []
    watch = SecretWatch(_api(200, body), lambda space, name: changes.append((space, name)), lambda: 0.0, timing=QUIET)
    running = asyncio.create_task(watch.run())
    for _ in range(30):
        await asyncio.sleep(0)
    assert not running.done()
    running.cancel()
    await asyncio.wait({running})


class _Sink:
    def is_newer(self, key: ObjectKey, uid: str, version: str) -> bool:
        return bool(key) or bool(uid) or bool(version)

    def apply_event(self, resource: Resource) -> None:
        assert resource.metadata.name is not None

    def forget(self, key: ObjectKey, uid: str) -> None:
        assert key is not None
        assert uid is not None

    def relist(self, kind: str) -> None:
        assert kind


class _Clock:
    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return WALL

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _login() -> Credentials:
    raise AssertionError


def watch_event(data: bytes) -> None:
    """An event of kopf: passed on, or reported in one line."""
    event = like({"type": "MODIFIED", "object": INTEGRATION}, data)
    if isinstance(event.get("object"), dict) and isinstance(event.get("type"), str):
        watch = KopfWatcher(WatchScope(), _Sink(), _login, _Clock(), lambda: None)
        _run(watch._on_event(event))
    connection = like({"type": "DELETED", "object": CONNECTION}, data)
    if isinstance(connection.get("object"), dict) and isinstance(connection.get("type"), str):
        watch = KopfWatcher(WatchScope(), _Sink(), _login, _Clock(), lambda: None)
        _run(watch._on_event(connection))
