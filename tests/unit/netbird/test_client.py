"""The client over a network that is a function: paths, retries, rate limit and guard."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netbird_streaming.api.types import RateLimit, TokenType
from netbird_streaming.core.netbird.types import Endpoint, IntegrationRequest, PathFamily, Priority
from netbird_streaming.errors import (
    Effect,
    LeaseLostError,
    NotFoundError,
    OperatorError,
    RetryError,
    WaitError,
)
from netbird_streaming.netbird.client import CallMetric, ClientContext, NetBirdClient
from netbird_streaming.netbird.factory import ClientFactory
from netbird_streaming.netbird.http_clients import EnvironmentHttpClients
from netbird_streaming.reasons import Reason
from tests.unit.netbird.fakes import ENDPOINT, PLENTY, TOKEN, FakeClock, Network, settle

REQUEST: Final = IntegrationRequest("datadog", {"api_url": "https://x.example", "api_key": "dd-secret"}, enabled=True)
ITEM: Final = {"id": 7, "account_id": "acc-1", "platform": "datadog", "enabled": True, "config": {}}
JSON_404: Final = {"message": "not found", "code": 404}
FIRST, SECOND = PathFamily.INTEGRATIONS, PathFamily.PLAIN
Operate = Callable[[NetBirdClient], Any]
OPERATIONS: Final[dict[str, Operate]] = {
    "list": lambda client: client.list_integrations(Priority.LOW),
    "get": lambda client: client.get(7, Priority.LOW),
    "create": lambda client: client.create(REQUEST, Priority.HIGH),
    "update": lambda client: client.update(7, REQUEST, Priority.HIGH),
    "delete": lambda client: client.delete(7, Priority.HIGH),
    "account": lambda client: client.account_id(Priority.LOW),
}
WRITES: Final = ("create", "update", "delete")


def good(request: httpx.Request) -> httpx.Response:
    if request.url.path.endswith("/api/accounts"):
        return httpx.Response(200, json=[{"id": "acc-1"}])
    by_id = request.url.path.endswith("/7")
    return httpx.Response(200, json=[ITEM] if request.method == "GET" and not by_id else ITEM)


def offering(family: PathFamily, unknown: httpx.Response) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        known = request.url.path.removesuffix("/7") in {family, "/api/accounts"}
        return good(request) if known else httpx.Response(unknown.status_code, content=unknown.content)

    return answer


def raising(problem: Exception) -> Callable[[httpx.Request], httpx.Response]:
    def answer(_: httpx.Request) -> httpx.Response:
        raise problem

    return answer


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "account"])
@pytest.mark.parametrize("unknown", [b"404 page not found\n", b"<!doctype html>", b'{"message":"no route"}'])
async def test_each_operation_finds_the_path_that_the_server_supports(name: str, unknown: bytes) -> None:
    network = Network(offering(SECOND, httpx.Response(404, content=unknown)))
    client = network.client()
    await OPERATIONS[name](client)
    await OPERATIONS[name](client)
    assert client.path_family is SECOND
    assert [FIRST in each for each in network.asked] == [True, False, False]


async def test_account_request_has_one_path() -> None:
    network = Network(good)
    client = network.client()
    assert await client.account_id(Priority.LOW) == "acc-1"
    assert client.path_family is None


async def test_hint_is_tried_first_and_the_found_path_is_shared_by_a_token() -> None:
    network = Network(offering(SECOND, httpx.Response(404)))
    endpoint = Endpoint(ENDPOINT.url, TOKEN, ENDPOINT.token_type, path_family=SECOND)
    client = network.client(endpoint)
    assert client.path_family is None
    await client.list_integrations(Priority.LOW)
    tenant = network.client(Endpoint(ENDPOINT.url, TOKEN, ENDPOINT.token_type, tenant_id="t1"))
    assert tenant.path_family is SECOND
    await tenant.list_integrations(Priority.LOW)
    assert network.asked == ["GET /api/event-streaming"] * 2


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "account"])
async def test_server_without_event_streaming_is_named(name: str) -> None:
    network = Network(lambda _: httpx.Response(404, text="404 page not found\n"))
    with pytest.raises(WaitError) as caught:
        await OPERATIONS[name](network.client())
    assert (caught.value.reason, caught.value.effect) == (Reason.NOT_LICENSED, Effect.NONE)
    assert [each for each in network.asked if "/api/accounts" not in each] == network.asked[:2]


@pytest.mark.parametrize(
    ("accounts", "reason", "asked"),
    [
        (httpx.Response(401, json={"message": "token invalid", "code": 401}), Reason.TOKEN_REJECTED, 1),
        (httpx.Response(200, json=[{"id": "acc-1"}]), Reason.NOT_LICENSED, 1),
        (httpx.Response(403, json={"message": "permission denied", "code": 403}), Reason.NOT_LICENSED, 1),
        (httpx.Response(404, text="404 page not found\n"), Reason.NOT_LICENSED, 1),
        (httpx.Response(503, text="busy"), Reason.NOT_LICENSED, 3),
    ],
)
async def test_wrong_token_and_missing_licence_are_distinguished_by_one_account_request(
    accounts: httpx.Response, reason: Reason, asked: int
) -> None:
    def server(request: httpx.Request) -> httpx.Response:
        found = accounts if request.url.path == "/api/accounts" else httpx.Response(404, text="404 page not found\n")
        return httpx.Response(found.status_code, content=found.content)

    network = Network(server)
    client = network.client()
    for _ in range(3):
        with pytest.raises(WaitError) as caught:
            await client.list_integrations(Priority.LOW)
        assert (caught.value.reason, caught.value.effect) == (reason, Effect.NONE)
    assert network.asked.count("GET /api/accounts") == asked


async def test_client_is_replaced_after_the_trusted_authorities_changed() -> None:
    network = Network(good)
    client = network.client()
    for network.trust in (0, 0, 1, 1, 2):
        await client.list_integrations(Priority.LOW)
    assert [each.is_closed for each in network.opened] == [True, True, False]


async def test_replaced_client_is_closed_after_its_last_request_and_not_before() -> None:
    network, held = Network(good), asyncio.Event()
    client = network.client()

    async def slow(request: httpx.Request) -> httpx.Response:
        await held.wait()
        return good(request)

    network.handler = slow
    first = asyncio.create_task(client.list_integrations(Priority.LOW))
    await settle()
    network.trust, network.handler = 1, good
    await client.list_integrations(Priority.LOW)
    assert [each.is_closed for each in network.opened] == [False, False]
    held.set()
    await first
    assert [each.is_closed for each in network.opened] == [True, False]


async def test_error_while_a_client_is_created_affects_only_its_connection() -> None:
    socks = {"ALL_PROXY": "socks5://hunter2:1080", "NO_PROXY": "netbird.example"}
    clients = EnvironmentHttpClients(socks)
    context = ClientContext(FakeClock(runs=True), random.Random(1), lambda: None)
    async with ClientFactory(context, timeout=1, initial_fraction=1.0, http=clients) as factory:
        proxied = factory.client(replace(ENDPOINT, url="https://other.example"), PLENTY)
        for _ in range(2):
            with pytest.raises(
                WaitError, match="ALL_PROXY of the operator's environment names a SOCKS proxy"
            ) as caught:
                await proxied.list_integrations(Priority.LOW)
            assert (caught.value.reason, caught.value.effect) == (Reason.UNAVAILABLE, Effect.NONE)
            assert "hunter2" not in repr(caught.value)
        with pytest.raises(RetryError, match="can't be resolved"):
            await factory.client(ENDPOINT, PLENTY).list_integrations(Priority.LOW)


@pytest.mark.parametrize("content", [None, "", "no certificate"])
async def test_unreadable_bundle_of_the_chart_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(WaitError, match=r"SSL_CERT_FILE .* caBundle\.configMap") as caught:
        EnvironmentHttpClients({"SSL_CERT_FILE": str(path)}).open(None, None)
    assert caught.value.reason is Reason.CA_BUNDLE_INVALID


@pytest.mark.parametrize("status", [401, 403, 429, 500])
async def test_response_of_a_proxy_proves_no_path(status: int) -> None:
    network = Network(lambda _: httpx.Response(status, json={"message": "", "code": status}))
    client = network.client()
    with pytest.raises(OperatorError):
        await client.create(REQUEST, Priority.HIGH)
    assert client.path_family is None
    assert len(network.requests) == 1


async def test_html_page_proves_no_path() -> None:
    network = Network(lambda _: httpx.Response(200, html="<html>"))
    client = network.client()
    with pytest.raises(RetryError) as caught:
        await client.list_integrations(Priority.LOW)
    assert caught.value.reason is Reason.UNEXPECTED_ANSWER
    assert client.path_family is None


async def test_absent_integration_is_requested_once_if_the_path_is_known() -> None:
    network = Network(
        lambda request: good(request) if request.url.path == FIRST else httpx.Response(404, json=JSON_404)
    )
    client = network.client()
    await client.list_integrations(Priority.LOW)
    with pytest.raises(NotFoundError):
        await client.get(7, Priority.LOW)
    assert len(network.requests) == 2


async def test_absent_integration_proves_the_path_if_the_other_returns_html() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404, json=JSON_404) if FIRST in str(request.url) else httpx.Response(404, text="nope")

    client = Network(answer).client()
    with pytest.raises(NotFoundError):
        await client.delete(7, Priority.HIGH)
    assert client.path_family is FIRST


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (raising(httpx.ConnectError("x")), Reason.UNAVAILABLE),
        (raising(httpx.ReadError("x")), Reason.UNAVAILABLE),
        (lambda _: httpx.Response(502, text="bad gateway"), Reason.UNAVAILABLE),
    ],
    ids=["no connection", "reset", "502"],
)
async def test_reads_are_repeated_twice_and_writes_never(name: str, handler: Any, reason: Reason) -> None:
    network = Network(handler)
    with pytest.raises(RetryError) as caught:
        await OPERATIONS[name](network.client())
    assert caught.value.reason is reason
    assert len(network.requests) == len(network.calls) == (1 if name in WRITES else 3)


async def test_read_that_succeeds_at_last_succeeds() -> None:
    replies = iter([httpx.Response(500), httpx.Response(503)])
    network = Network(lambda request: next(replies, None) or good(request))
    listing = await network.client().list_integrations(Priority.LOW)
    assert [item.id for item in listing.items] == [7]


@pytest.mark.parametrize(
    ("problem", "effect"),
    [
        (httpx.ConnectError("x"), Effect.NONE),
        (httpx.ConnectTimeout("x"), Effect.NONE),
        (httpx.ProxyError("x"), Effect.NONE),
        (httpx.ReadTimeout("x"), Effect.UNKNOWN),
        (httpx.ReadError("x"), Effect.UNKNOWN),
        (httpx.WriteError("x"), Effect.UNKNOWN),
        (httpx.RemoteProtocolError("x"), Effect.UNKNOWN),
        (TimeoutError(), Effect.UNKNOWN),
        (ssl.SSLError("x"), Effect.UNKNOWN),
        (RuntimeError("anything else"), Effect.UNKNOWN),
    ],
    ids=lambda value: value.name if isinstance(value, Effect) else type(value).__name__,
)
@pytest.mark.parametrize("name", WRITES)
async def test_unanswered_write_has_no_effect_only_if_nothing_was_sent(
    name: str, problem: Exception, effect: Effect
) -> None:
    with pytest.raises(RetryError) as caught:
        await OPERATIONS[name](Network(raising(problem)).client())
    assert (caught.value.reason, caught.value.effect) == (Reason.UNAVAILABLE, effect)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, html="<html>"),
        httpx.Response(200, json=[1]),
        httpx.Response(202, json=ITEM),
        httpx.Response(302, headers={"Location": "https://login.example"}),
        httpx.Response(200, json={**ITEM, "pad": "x" * 2**20}),
        httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"x")),
    ],
    ids=["html", "list", "202", "redirect", "oversized", "compressed"],
)
async def test_unreadable_response_leaves_a_write_unknown(name: str, response: httpx.Response) -> None:
    network = Network(lambda _: httpx.Response(response.status_code, headers=response.headers, stream=response.stream))
    with pytest.raises(RetryError) as caught:
        await OPERATIONS[name](network.client())
    assert (caught.value.reason, caught.value.effect) == (Reason.UNEXPECTED_ANSWER, Effect.UNKNOWN)
    assert len(network.requests) == 1


async def test_response_that_announces_too_large_a_body_is_not_read() -> None:
    async def body() -> AsyncIterator[bytes]:
        read.append(True)
        yield b"["

    read = list[bool]()
    network = Network(lambda _: httpx.Response(200, headers={"Content-Length": str(33 * 2**20)}, content=body()))
    with pytest.raises(RetryError, match="larger than 16 MiB"):
        await network.client().list_integrations(Priority.HIGH)
    assert read == []


@pytest.mark.parametrize("name", OPERATIONS)
async def test_guard_is_checked_after_the_rate_limit_and_prevents_the_request(name: str) -> None:
    clock, asked = FakeClock(runs=True), list[float]()

    def guard() -> None:
        asked.append(clock.monotonic())
        if len(asked) > 1:
            raise LeaseLostError(Reason.PROGRESSING, "the lease is lost")

    network = Network(good, clock, guard)
    client = network.client(limit=RateLimit(requests_per_minute=6, burst=1))
    await client.list_integrations(Priority.LOW)
    with pytest.raises(LeaseLostError) as caught:
        await OPERATIONS[name](client)
    assert caught.value.effect is Effect.NONE
    assert len(network.requests) == 1
    assert asked[1] - asked[0] == pytest.approx(10, abs=0.01)


async def test_other_tasks_run_while_a_long_list_is_parsed() -> None:
    turns = {length: await turns_of_another(length) for length in (1, 1001)}
    assert turns[1001] - turns[1] >= 20


async def turns_of_another(length: int) -> int:
    """Count how often another task ran while a list of that length was requested and parsed."""
    network = Network(lambda _: httpx.Response(200, json=[{**ITEM, "id": 1 + number} for number in range(length)]))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    going_on = asyncio.create_task(other())
    listing = await network.client().list_integrations(Priority.LOW)
    going_on.cancel()
    assert [item.id for item in listing.items] == list(range(1, length + 1))
    return turns


async def test_429_pauses_every_tenant_of_the_token() -> None:
    clock = FakeClock(runs=True)
    replies = iter([httpx.Response(429, headers={"Retry-After": "20"}, json={"message": "", "code": 429})])
    network = Network(lambda request: next(replies, None) or good(request), clock)
    with pytest.raises(RetryError) as caught:
        await network.client().create(REQUEST, Priority.HIGH)
    assert (caught.value.reason, caught.value.retry_after) == (Reason.RATE_LIMITED, 20)
    other = network.client(Endpoint(ENDPOINT.url, TOKEN, ENDPOINT.token_type, tenant_id="t2"))
    await other.list_integrations(Priority.HIGH)
    assert clock.monotonic() == pytest.approx(1020)
    assert network.calls[1].queued == pytest.approx(20)


@pytest.mark.parametrize(("kind", "word"), [(TokenType.PERSONAL_ACCESS_TOKEN, "Token"), (TokenType.OAUTH2, "Bearer")])
@pytest.mark.parametrize("name", OPERATIONS)
async def test_each_request_has_token_tenant_and_nothing_else(kind: TokenType, word: str, name: str) -> None:
    network = Network(good)
    await OPERATIONS[name](network.client(Endpoint("https://netbird.example/base/?x=1", TOKEN, kind, "a tenant&b")))
    (request,) = network.requests
    assert request.headers["Authorization"] == f"{word} {TOKEN}"
    assert dict(request.url.params) == {"account": "a tenant&b"}
    assert request.url.path.startswith("/base/api/")
    assert set(request.headers) <= {
        "host", "authorization", "accept", "accept-encoding", "cache-control", "user-agent", "content-type",
        "content-length",
    }  # fmt: skip
    assert request.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("token", ["", "abc\n", "a b", "tökén", "\x00", "abc\ud800"])
async def test_token_that_no_header_can_carry_is_refused_without_showing_it(token: str) -> None:
    network = Network(good)
    with pytest.raises(WaitError) as caught:
        await network.client(Endpoint(ENDPOINT.url, token, ENDPOINT.token_type)).list_integrations(Priority.LOW)
    assert caught.value.reason is Reason.SECRET_VALUE_INVALID
    assert not token.strip() or token not in repr(caught.value)
    assert network.requests == []


@pytest.mark.parametrize(
    "url",
    ["", "netbird", "ftp://x.example", "https://", "https://user:pw@x.example", "https://x:99999", "https://\x00"],
)
async def test_invalid_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(WaitError) as caught:
        await Network(good).client(Endpoint(url, TOKEN, ENDPOINT.token_type)).list_integrations(Priority.LOW)
    assert caught.value.reason is Reason.CONNECTION_INVALID
    assert "pw" not in repr(caught.value)


@pytest.mark.parametrize(
    "bundle", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----", "ü"]
)
def test_bundle_without_a_certificate_is_refused(bundle: str) -> None:
    with pytest.raises(WaitError) as caught:
        EnvironmentHttpClients({}).open(bundle, None)
    assert caught.value.reason is Reason.CA_BUNDLE_INVALID


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(OPERATIONS)), st.integers(100, 599), st.binary(max_size=60) | st.just(b'{"id":7}'))
def test_every_response_raises_only_the_operators_own_errors(name: str, status: int, body: bytes) -> None:
    async def run() -> None:
        try:
            await OPERATIONS[name](Network(lambda _: httpx.Response(status, content=body)).client())
        except OperatorError as problem:
            assert TOKEN not in repr(problem)  # noqa: PT017  # whether it raises is open; what it carries is not

    asyncio.run(run())


async def test_observer_receives_each_request() -> None:
    network = Network(offering(SECOND, httpx.Response(404)))
    await network.client().list_integrations(Priority.LOW)
    assert [(metric.operation, metric.outcome) for metric in network.calls] == [("list", 404), ("list", 200)]
    assert all(isinstance(metric, CallMetric) for metric in network.calls)


async def test_log_names_the_request_and_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "netbird_streaming")
    await Network(good).client().create(REQUEST, Priority.HIGH)
    (record,) = [each for each in caplog.records if each.name.startswith("netbird_streaming")]
    assert vars(record)["operation"] == "create"
    assert not {TOKEN, "dd-secret"} & {str(value) for value in vars(record).values()}
