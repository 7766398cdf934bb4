"""kopf as the operator runs it, against an API server that ends its watches in each way that a real one does.

A real API server has no such switch, so this file has a small one.
"""

import asyncio
import json
import logging
import signal
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import pytest
from aiohttp import web

from netbird_streaming.api.types import GROUP, VERSION, ObjectKey, Resource
from netbird_streaming.cluster.client import Credentials
from netbird_streaming.cluster.parsing import KINDS
from netbird_streaming.tls import client_context
from netbird_streaming.watch.kopf_session import LIST_SECONDS
from netbird_streaming.watch.kopf_watcher import SILENT_SECONDS, KopfWatcher, WatchScope

PATIENCE = 15.0
PASTED = "pasted-api-key"
LISTED = f"/apis/{GROUP}/{VERSION}/netbirdconnections"


class WallClock:
    ahead = 0.0

    def monotonic(self) -> float:
        return monotonic() + self.ahead

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def discovered(kind: str, plural: str, *, namespaced: bool) -> dict[str, Any]:
    verbs = ["get", "list", "watch", "patch"]
    return {"kind": kind, "name": plural, "singularName": kind.lower(), "namespaced": namespaced, "verbs": verbs}


def group(name: str, version: str) -> dict[str, Any]:
    entry = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [entry], "preferredVersion": entry}


# Discovery requests of kopf.
CORE = {
    "/api": {"versions": ["v1"]},
    "/api/v1": {"resources": [discovered("Namespace", "namespaces", namespaced=False)]},
    "/apis/apiextensions.k8s.io/v1": {
        "resources": [discovered("CustomResourceDefinition", "customresourcedefinitions", namespaced=False)]
    },
}


@dataclass
class Seen:
    """The events that reached the reconciler."""

    known: Collection[tuple[ObjectKey, str, str]] = ()
    observed: list[str] = field(default_factory=list)
    forgotten: list[tuple[ObjectKey, str]] = field(default_factory=list)
    relisted: list[str] = field(default_factory=list)

    def is_newer(self, key: ObjectKey, uid: str, version: str) -> bool:
        return (key, uid, version) not in self.known

    def apply_event(self, resource: Resource) -> None:
        self.observed.append(f"{resource.metadata.name}@{resource.metadata.resource_version}")

    def forget(self, key: ObjectKey, uid: str) -> None:
        self.forgotten.append((key, uid))

    def relist(self, kind: str) -> None:
        self.relisted.append(kind)


@dataclass
class ApiServer:
    """An API server with paginated lists, and watches of the operator's kinds.

    `refuse` maps a request to a status code, or lets it pass by 0.
    """

    served: bool = True
    objects: list[dict[str, Any]] = field(default_factory=list)
    refuse: Callable[[web.Request], int] = lambda _: 0
    requests: list[str] = field(default_factory=list)
    watches: dict[str, asyncio.Queue[dict[str, Any] | None]] = field(default_factory=dict)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        watching = request.query.get("watch") == "true"
        self.requests.append(("watch " if watching else "get ") + request.path)
        status = self.refuse(request)
        if status:
            return web.json_response({"kind": "Status", "code": status, "message": "no"}, status=status)
        if request.path in CORE:
            return web.json_response(CORE[request.path])
        if request.path == "/apis":
            groups = [group("apiextensions.k8s.io", "v1"), *([group(GROUP, VERSION)] if self.served else [])]
            return web.json_response({"groups": groups})
        if request.path == f"/apis/{GROUP}/{VERSION}":
            kinds = [discovered(name, kind.plural, namespaced=kind.namespaced) for name, kind in KINDS.items()]
            return web.json_response({"resources": kinds})
        if watching:
            return await self.stream(request)
        plural = request.path.rsplit("/", 1)[-1]
        items = [each for each in self.objects if KINDS[each["kind"]].plural == plural]
        metadata = {"resourceVersion": "10", "continue": "more"}
        return web.json_response({"metadata": metadata, "items": items[: int(request.query["limit"])]})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        events = self.watches[request.path.rsplit("/", 1)[-1]] = asyncio.Queue()
        while (event := await events.get()) is not None:
            await response.write(json.dumps(event).encode() + b"\n")
        return response

    def send(self, kind: str, event: dict[str, Any] | None) -> None:
        self.watches[KINDS[kind].plural].put_nowait(event)


class Forgetful(ApiServer):
    """The version of every watch is too old for it."""

    async def stream(self, _: web.Request) -> web.StreamResponse:
        event = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}
        return web.Response(body=json.dumps(event).encode() + b"\n")


def connection(name: str, version: int = 1, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "NetBirdConnection",
        "metadata": {
            "name": name,
            "namespace": "team-a",
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"tokenSecretRef": {"name": "netbird", "key": "token"}, **spec},
    }


@asynccontextmanager
async def serving(server: ApiServer) -> AsyncIterator[ApiServer]:
    application = web.Application()
    application.router.add_get("/{path:.*}", server.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = site.name
    try:
        yield server
    finally:
        for events in server.watches.values():
            events.put_nowait(None)
        await runner.cleanup()


def nothing() -> None:
    """Signals are not tested here."""


@asynccontextmanager
async def watching(
    server: ApiServer,
    scope: WatchScope | None = None,
    reclaim: Callable[[], None] = nothing,
    known: Collection[tuple[ObjectKey, str, str]] = (),
    clock: WallClock | None = None,
) -> AsyncIterator[tuple[KopfWatcher, Seen]]:
    async def login() -> Credentials:
        return Credentials(server.url, "Bearer token", client_context(), None)

    seen = Seen(known)
    watch = KopfWatcher(scope or WatchScope(), seen, login, clock or WallClock(), reclaim)
    task = asyncio.create_task(watch.run())
    try:
        yield watch, seen
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait({task})


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 # what is waited for is in another thread of control: kopf's
            await asyncio.sleep(0.02)


async def all_watched(server: ApiServer) -> None:
    await until(lambda: len(server.watches) == len(KINDS))


async def test_changes_reach_the_reconciler_and_existing_objects_are_its_own_to_list() -> None:
    async with serving(ApiServer(objects=[connection("a")])) as server, watching(server) as (watch, seen):
        await watch.wait_synced()
        assert sorted(seen.relisted) == sorted(KINDS)
        await all_watched(server)
        server.send("NetBirdConnection", {"type": "ADDED", "object": connection("b", 11)})
        server.send("NetBirdConnection", {"type": "MODIFIED", "object": connection("a", 12)})
        server.send("NetBirdConnection", {"type": "DELETED", "object": connection("b", 13)})
        await until(lambda: bool(seen.forgotten) and len(seen.observed) == 2)
        assert sorted(seen.observed) == ["a@12", "b@11"]
        assert seen.forgotten == [(ObjectKey("NetBirdConnection", "team-a", "b"), "uid-b")]
        assert watch.restarts == 0
        assert watch.seconds_since_activity() < PATIENCE
        assert watch.seconds_since_response() < PATIENCE
        assert all(each.startswith(("get ", "watch ")) for each in server.requests)
        asked = [each for each in server.requests if each == f"get {LISTED}"]
        assert len(asked) == 1


async def test_known_version_is_not_reported_again() -> None:
    known = [(ObjectKey("NetBirdConnection", "team-a", "a"), "uid-a", "11")]
    async with serving(ApiServer()) as server, watching(server, known=known) as (_, seen):
        await all_watched(server)
        for version in (11, 12):
            server.send("NetBirdConnection", {"type": "MODIFIED", "object": connection("a", version)})
        await until(lambda: "a@12" in seen.observed)
        assert seen.observed == ["a@12"]


async def test_each_namespace_is_watched_and_the_cluster_kind_once() -> None:
    async with serving(ApiServer()) as server, watching(server, WatchScope(("team-a", "team-b"))):
        await until(lambda: sum(each.startswith("watch ") for each in server.requests) == 5)
        assert sorted(each for each in server.requests if each.startswith("watch ")) == [
            f"watch {path}" for path in sorted(WatchScope(("team-a", "team-b")).paths())
        ]


@pytest.mark.parametrize("code", [429, 500, 504])
async def test_error_event_ends_kopf_and_not_the_watch(code: int) -> None:
    async with serving(ApiServer(objects=[connection("a")])) as server, watching(server) as (watch, seen):
        await all_watched(server)
        server.send("NetBirdConnection", {"type": "ERROR", "object": {"kind": "Status", "code": code}})
        await until(lambda: watch.restarts == 1 and sorted(seen.relisted) == sorted([*KINDS, *KINDS]))


async def test_watch_with_an_expired_version_restarts_and_logs_it() -> None:
    async with serving(ApiServer()) as server, watching(server) as (watch, seen):
        await all_watched(server)
        server.send("NetBirdConnection", {"type": "ERROR", "object": {"kind": "Status", "code": 410}})
        await until(lambda: seen.relisted.count("NetBirdConnection") == 2)
        assert len(seen.relisted) == len(KINDS) + 1
        assert watch.restarts == 0


async def test_expired_page_of_a_list_ends_kopf_and_not_the_watch() -> None:
    expired = iter([410])
    server = ApiServer()
    server.refuse = lambda request: next(expired, 0) if request.path.endswith("/netbirdconnections") else 0
    async with serving(server), watching(server) as (watch, seen):
        # The refused page counts, and the restart of all watches that it causes.
        await until(lambda: watch.restarts == 2 and seen.relisted.count("NetBirdConnection") == 1)


async def test_silent_watch_is_restarted() -> None:
    clock = WallClock()
    async with (
        serving(ApiServer(objects=[connection("a")])) as server,
        watching(server, clock=clock) as (watch, seen),
    ):
        await all_watched(server)
        clock.ahead = SILENT_SECONDS + 1
        await until(lambda: watch.restarts == 1 and sorted(seen.relisted) == sorted([*KINDS, *KINDS]))


async def test_api_server_with_immediate_expiry_is_listed_at_a_limited_rate() -> None:
    path = "get /apis/integrations.netbird.io/v1alpha1/netbirdconnections"
    async with serving(Forgetful()) as server, watching(server) as (watch, _):
        await until(lambda: path in server.requests)
        began = monotonic()
        await until(lambda: server.requests.count(path) == 4)
        assert monotonic() - began > 2.5 * LIST_SECONDS
        assert watch.restarts == 0


@pytest.mark.parametrize("code", [403, 500, 503])
async def test_refusals_are_retried_forever_and_block_no_other_namespace(
    code: int, caplog: pytest.LogCaptureFixture
) -> None:
    allowed = False
    server = ApiServer()
    server.refuse = lambda request: 0 if allowed or "/namespaces/team-b/" not in request.path else code
    async with serving(server), watching(server, WatchScope(("team-a", "team-b"))) as (watch, seen):
        await until(
            lambda: (
                server.requests.count("get /apis/integrations.netbird.io/v1alpha1/namespaces/team-b/netbirdconnections")
                > 4
            )
        )
        assert seen.relisted.count("NetBirdConnection") == 1
        # Each of the two refused watches counts once, however often it is retried.
        assert watch.restarts == 2
        assert watch.seconds_since_activity() < PATIENCE
        lines = logged(caplog, logging.WARNING)
        assert {each.getMessage() for each in lines} == {
            f"a request of a watch failed and is retried: HTTP status {code}"
        }
        # One for each refused watch, however often it is retried.
        assert sorted((each.kind, each.namespace) for each in lines) == [
            ("EventStreamingIntegration", "team-b"),
            ("NetBirdConnection", "team-b"),
        ]
        allowed = True
        await until(lambda: seen.relisted.count("NetBirdConnection") == 2)
        assert logged(caplog, logging.WARNING) == lines


async def test_expired_token_is_replaced_by_another_login_and_fails_no_watch(caplog: pytest.LogCaptureFixture) -> None:
    rejected = iter([401])
    server = ApiServer()
    server.refuse = lambda request: next(rejected, 0) if request.path.endswith("/netbirdconnections") else 0
    async with serving(server), watching(server) as (watch, seen):
        await until(lambda: "NetBirdConnection" in seen.relisted)
        await all_watched(server)
        # kopf closes the session of the rejected token, and with it the requests of the other watches.
        assert watch.restarts == 0
        assert watch.failing() == frozenset()
        assert logged(caplog, logging.INFO) == []


async def test_token_that_is_rejected_after_each_login_is_a_failing_watch(caplog: pytest.LogCaptureFixture) -> None:
    server = ApiServer()
    server.refuse = lambda request: 401 if request.path.endswith("/netbirdconnections") else 0
    async with serving(server), watching(server) as (watch, _):
        await until(lambda: watch.failing() == frozenset({("NetBirdConnection", None)}))
        assert [each.watch for each in logged(caplog, logging.WARNING)] == [LISTED]


async def test_late_definitions_are_found() -> None:
    async with serving(ApiServer(served=False)) as server, watching(server) as (watch, seen):
        await until(lambda: "get /apis" in server.requests)
        server.served = True
        await until(lambda: sorted(seen.relisted) == sorted(KINDS))
        assert watch.restarts == 1
        assert watch.seconds_since_activity() < PATIENCE


def logged(caplog: pytest.LogCaptureFixture, level: int) -> list[Any]:
    """Return the operator's own lines of at least this level."""
    return [each for each in caplog.records if each.levelno >= level and each.name.startswith("netbird_streaming.")]


async def test_unreadable_object_is_reported_once_and_without_its_values(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(ApiServer()) as server, watching(server) as (_, seen):
        await all_watched(server)
        for version in (11, 12):
            bad = connection("bad", version, rateLimit=PASTED)
            server.send("NetBirdConnection", {"type": "MODIFIED", "object": bad})
        server.send("NetBirdConnection", {"type": "MODIFIED", "object": connection("good", 13)})
        await until(lambda: seen.observed == ["good@13"])
        await asyncio.sleep(0.05)
        lines = [each for each in caplog.records if each.name == "netbird_streaming.watch.kopf_watcher"]
        assert len(lines) == 1
        assert "spec.rateLimit" in lines[0].getMessage()
        assert PASTED not in caplog.text


async def test_other_tasks_of_the_process_outlive_kopf_and_signal_handlers_are_restored() -> None:
    received = asyncio.Event()
    loop = asyncio.get_running_loop()

    def reclaim() -> None:
        loop.add_signal_handler(signal.SIGUSR1, received.set)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, received.set)

    async with serving(ApiServer()) as server, watching(server, reclaim=reclaim) as (watch, _):
        await all_watched(server)
        work = asyncio.create_task(asyncio.sleep(PATIENCE * 4))
        server.send("NetBirdConnection", {"type": "ERROR", "object": {"kind": "Status", "code": 500}})
        await until(lambda: watch.restarts == 1)
        await until(lambda: server.requests.count("get /apis") == 2)
        signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await received.wait()
        assert not work.done()
        work.cancel()
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)


async def test_cancelling_leaves_no_task_behind() -> None:
    async with serving(ApiServer(objects=[connection("a")])) as server:
        before = asyncio.all_tasks()
        async with watching(server):
            await all_watched(server)
            started = monotonic()
        assert monotonic() - started < 2
        left = {each.get_name() for each in asyncio.all_tasks() - before}
        assert not {each for each in left if "watch" in each or "kopf" in each}
