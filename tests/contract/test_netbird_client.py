"""The client over real HTTP against the simulated server: every operation, behaviour and fault."""

import asyncio
import contextlib
import json
import random
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import pytest
import yaml
from jsonschema_rs import Draft202012Validator

from netbird_streaming.api.types import RateLimit, TokenType
from netbird_streaming.core.netbird.types import Endpoint, IntegrationRequest, PathFamily, Priority
from netbird_streaming.errors import (
    EditError,
    Effect,
    LeaseLostError,
    NotFoundError,
    OperatorError,
    RetryError,
    WaitError,
)
from netbird_streaming.netbird.client import ClientContext, NetBirdClient
from netbird_streaming.netbird.factory import ClientFactory
from netbird_streaming.netbird.http_clients import EnvironmentHttpClients
from netbird_streaming.reasons import Reason
from tests.doubles.netbird import faults
from tests.doubles.netbird.behaviour import Behaviour, UnknownPath
from tests.doubles.netbird.behaviour import PathFamily as Offered
from tests.doubles.netbird.faults import Fault, Moment, error_reply, html_reply
from tests.doubles.netbird.model import NetBird
from tests.doubles.netbird.records import Draft
from tests.doubles.netbird.request_log import Entry
from tests.doubles.netbird.server import SimulatedNetBird
from tests.doubles.netbird.tenancy import FAR, Account, Token, TokenKind
from tests.doubles.netbird.wire import Operation
from tests.harness.certificates import AUTHORITY, NEXT_AUTHORITY, serving

TESTS: Final = Path(__file__).parents[1]
DESCRIPTION: Final = yaml.safe_load((TESTS / "doubles" / "netbird" / "openapi.yaml").read_text())
PERSONAL: Final = Token("robot", "nbp_personal", "acc-1", tenants=frozenset({"acc-2"}))
OAUTH: Final = Token("person", "ey.oauth", "acc-1", TokenKind.OAUTH2, tenants=frozenset({"acc-2"}))
KINDS: Final = {TokenType.PERSONAL_ACCESS_TOKEN: PERSONAL, TokenType.OAUTH2: OAUTH}
PLENTY: Final = RateLimit(requests_per_minute=60_000, burst=60_000)
SECRET: Final = "dd-very-secret"
CONFIG: Final = {"api_url": "https://http-intake.logs.datadoghq.eu/api/v2/logs", "api_key": SECRET}
REQUESTS: Final = [
    IntegrationRequest("datadog", CONFIG, enabled=True),
    IntegrationRequest(
        "s3", {"bucket_name": "b", "region": "eu-west-1", "access_key": "a", "secret_key": "s"}, enabled=True
    ),
    IntegrationRequest(
        "firehose", {"stream_name": "f", "region": "eu-west-1", "access_key": "a", "secret_key": "s"}, enabled=False
    ),
    IntegrationRequest(
        "generic_http",
        {"url": "https://siem.example/in", "headers": '{"X-Key":"v"}', "body_template": ""},
        enabled=True,
    ),
]
OPERATIONS: Final[dict[Operation, Callable[[NetBirdClient, int], Coroutine[Any, Any, object]]]] = {
    Operation.LIST: lambda client, _: client.list_integrations(Priority.LOW),
    Operation.GET: lambda client, id_: client.get(id_, Priority.LOW),
    Operation.CREATE: lambda client, _: client.create(REQUESTS[0], Priority.HIGH),
    Operation.UPDATE: lambda client, id_: client.update(id_, REQUESTS[0], Priority.HIGH),
    Operation.DELETE: lambda client, id_: client.delete(id_, Priority.HIGH),
    Operation.ACCOUNTS: lambda client, _: client.account_id(Priority.LOW),
}
READS: Final = (Operation.LIST, Operation.GET, Operation.ACCOUNTS)
WRITES: Final = (Operation.CREATE, Operation.UPDATE, Operation.DELETE)


class SystemClock:
    """The machine's clock. `haste` shortens the client's sleep between retries."""

    def __init__(self, haste: float = 1.0) -> None:
        self._haste = haste

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._haste)


def factory(
    timeout: float = 10,
    guard: Callable[[], None] = lambda: None,
    haste: float = 1.0,
    environment: Mapping[str, str] | None = None,
) -> ClientFactory:
    context = ClientContext(SystemClock(haste), random.Random(1), guard)
    http = EnvironmentHttpClients(environment or {})
    return ClientFactory(context, timeout=timeout, initial_fraction=1.0, http=http)


@pytest.fixture
async def server() -> AsyncIterator[SimulatedNetBird]:
    model = NetBird(Behaviour(burst=100_000), first_id=2**53 + 1)
    for account in ("acc-1", "acc-2"):
        model.directory.add_account(Account(account))
    for token in KINDS.values():
        model.directory.add_token(token)
    async with SimulatedNetBird(model) as running:
        yield running


@contextlib.asynccontextmanager
async def connected(
    server: SimulatedNetBird, deadline: float = 10, guard: Callable[[], None] = lambda: None, **endpoint: Any
) -> AsyncIterator[NetBirdClient]:
    environment = endpoint.pop("environment", None)
    kind = endpoint.pop("token_type", TokenType.PERSONAL_ACCESS_TOKEN)
    wanted = Endpoint(**{"url": server.url, "token": KINDS[kind].value, "token_type": kind, **endpoint})
    async with factory(deadline, guard, 100, environment) as clients:
        yield clients.client(wanted, PLENTY)


def existing(server: SimulatedNetBird) -> int:
    return server.model.dashboard_create("acc-1", Draft("datadog", CONFIG), server.now())


def behave(server: SimulatedNetBird, **habits: Any) -> None:
    server.model.behaviour = replace(server.model.behaviour, **habits)


def assert_described(entry: Entry) -> None:
    """Check that the request is in the API's description: its path, its query, its body."""
    id_ = str(entry.integration_id)
    path = entry.path.replace(f"/{id_}", "/{id}") if entry.integration_id is not None else entry.path
    item = DESCRIPTION["paths"][path]
    item = DESCRIPTION["paths"][item["$ref"].removeprefix("#/paths/").replace("~1", "/")] if "$ref" in item else item
    operation = item[entry.method.lower()]
    assert {name for name, _ in parse_qsl(entry.query)} <= {"account"}
    assert bool(entry.body) == ("requestBody" in operation)
    if entry.body:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        whole = {**schema, "components": DESCRIPTION["components"]}
        Draft202012Validator(whole).validate(json.loads(entry.body))


@pytest.mark.parametrize("tenant", [None, "acc-2"])
@pytest.mark.parametrize("kind", TokenType)
@pytest.mark.parametrize("offered", Offered)
async def test_all_operations_by_each_path_with_each_token_in_each_tenant(
    server: SimulatedNetBird, offered: Offered, kind: TokenType, tenant: str | None
) -> None:
    behave(server, path_family=offered, unknown_path=UnknownPath.HTML if tenant else UnknownPath.PLAIN)
    account = tenant or "acc-1"
    async with connected(server, token_type=kind, tenant_id=tenant) as client:
        assert (await client.list_integrations(Priority.LOW)).items == ()
        for request in REQUESTS:
            made = await client.create(request, Priority.HIGH)
            assert (made.account_id, made.platform) == (account, request.platform)
            assert (await client.get(made.id, Priority.LOW)).id == made.id
            await client.update(made.id, replace(request, enabled=False), Priority.HIGH)
            listing = await client.list_integrations(Priority.LOW)
            assert [(item.id, item.enabled) for item in listing.items] == [(made.id, False)]
            assert listing.date is not None
            await client.delete(made.id, Priority.HIGH)
            for absent in (Operation.GET, Operation.UPDATE, Operation.DELETE):
                with pytest.raises(NotFoundError):
                    await OPERATIONS[absent](client, made.id)
        assert await client.account_id(Priority.LOW) == account
        assert client.path_family is (PathFamily.PLAIN if offered is Offered.PLAIN else PathFamily.INTEGRATIONS)
    for entry in server.journal.entries:
        assert_described(entry)
    assert sum(entry.status == 404 for entry in server.journal.entries) == 12 + (offered is Offered.PLAIN)


@pytest.mark.parametrize("family", [Offered.INTEGRATIONS, Offered.PLAIN])
async def test_expiry_of_the_token_in_use_is_found_with_two_requests(server: SimulatedNetBird, family: Offered) -> None:
    behave(server, path_family=family, fraction_digits=9)
    mine = replace(PERSONAL, user="google-oauth2|a b", expires_at=datetime(2027, 1, 1, tzinfo=UTC))
    server.model.directory.add_token(mine)
    server.model.directory.add_token(replace(mine, id="unused", value="nbp_unused", expires_at=FAR))
    async with connected(server) as client:
        assert await client.token_expiry(Priority.LOW) == mine.expires_at
    assert [entry.path for entry in server.journal.entries] == [
        "/api/users/current",
        "/api/users/google-oauth2|a b/tokens",
    ]
    assert not any(entry.query for entry in server.journal.entries)


@pytest.mark.parametrize("operation", [Operation.USER, Operation.TOKENS])
@pytest.mark.parametrize("failure", [error_reply(503), error_reply(403), error_reply(404), html_reply(200)])
async def test_expiry_is_not_requested_again_at_once(
    server: SimulatedNetBird, operation: Operation, failure: faults.Reply
) -> None:
    server.exchange.faults.add(Fault(failure, Moment.BEFORE, operation, times=None))
    async with connected(server) as client:
        with pytest.raises(OperatorError):
            await client.token_expiry(Priority.LOW)
    assert len(server.journal.since(0, operation)) == 1


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (faults.Reset(), Reason.UNAVAILABLE),
        (error_reply(500), Reason.UNAVAILABLE),
        (html_reply(502), Reason.UNAVAILABLE),
        (html_reply(200), Reason.UNEXPECTED_ANSWER),
        (faults.Reply(200, '"text"'), Reason.UNEXPECTED_ANSWER),
        (faults.Reply(207, "{}"), Reason.UNEXPECTED_ANSWER),
    ],
    ids=["reset", "500", "502 html", "200 html", "wrong type", "207"],
)
@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.AFTER])
async def test_inconclusive_response_leaves_a_write_unknown(
    server: SimulatedNetBird, operation: Operation, failure: faults.Reply, reason: Reason, moment: Moment
) -> None:
    server.exchange.faults.add(Fault(failure, moment, operation, times=None))
    id_ = existing(server)
    async with connected(server) as client:
        with pytest.raises(RetryError) as caught:
            await OPERATIONS[operation](client, id_)
    assert caught.value.reason is reason
    assert caught.value.effect is (Effect.UNKNOWN if operation in WRITES else Effect.NONE)
    sent = server.journal.since(0, operation)
    assert len(sent) == (3 if operation in READS and reason is Reason.UNAVAILABLE else 1)
    assert sum(entry.applied for entry in sent) == (operation in WRITES and moment is Moment.AFTER)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("status", "branch"), [(401, WaitError), (403, WaitError), (429, RetryError), (400, None), (409, None), (422, None)]
)
async def test_refusal_has_no_effect(
    server: SimulatedNetBird, operation: Operation, status: int, branch: type[OperatorError] | None
) -> None:
    server.exchange.faults.add(Fault(error_reply(status, f"refused {SECRET}"), operation=operation))
    id_ = existing(server)
    async with connected(server) as client:
        with pytest.raises(branch or OperatorError) as caught:
            await OPERATIONS[operation](client, id_)
    assert caught.value.effect is Effect.NONE
    assert SECRET not in repr(caught.value)
    assert len(server.journal.since(0, operation)) == 1


@pytest.mark.parametrize(
    ("status", "branch", "reason"),
    [(412, WaitError, Reason.DESTINATION_REJECTED), (422, EditError, Reason.CONFIGURATION_REJECTED)],
)
async def test_refusal_of_a_destination_is_reported_without_its_text(
    server: SimulatedNetBird, status: int, branch: type[OperatorError], reason: Reason
) -> None:
    behave(server, rejected_secrets=frozenset({SECRET}), rejection_status=status)
    async with connected(server) as client:
        with pytest.raises(branch) as caught:
            await client.create(REQUESTS[0], Priority.HIGH)
    assert (caught.value.reason, caught.value.effect) == (reason, Effect.NONE)
    assert SECRET not in repr(caught.value)


async def test_second_integration_of_a_single_platform_is_refused(server: SimulatedNetBird) -> None:
    behave(server, one_per_platform=True)
    existing(server)
    async with connected(server) as client:
        with pytest.raises(WaitError) as caught:
            await client.create(REQUESTS[0], Priority.HIGH)
    assert caught.value.reason is Reason.ALREADY_EXISTS


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_deadline_covers_a_missing_response(server: SimulatedNetBird, operation: Operation) -> None:
    server.exchange.faults.add(Fault(faults.Hang(), operation=operation, times=None))
    id_ = existing(server)
    async with connected(server, deadline=0.3) as client:
        with pytest.raises(RetryError) as caught:
            await OPERATIONS[operation](client, id_)
    assert caught.value.reason is Reason.UNAVAILABLE
    assert caught.value.effect is (Effect.UNKNOWN if operation in WRITES else Effect.NONE)
    assert len(server.journal.since(0, operation)) == 1


@pytest.mark.parametrize("operation", [Operation.LIST, Operation.CREATE])
async def test_deadline_covers_a_slow_body(server: SimulatedNetBird, operation: Operation) -> None:
    server.exchange.faults.add(Fault(faults.Slow(body=5), Moment.AFTER, operation, times=None))
    existing(server)
    async with connected(server, deadline=0.5) as client:
        with pytest.raises(RetryError) as caught:
            await OPERATIONS[operation](client, 0)
    assert (caught.value.reason, caught.value.effect) == (
        Reason.UNAVAILABLE,
        Effect.UNKNOWN if operation in WRITES else Effect.NONE,
    )


@pytest.mark.parametrize("operation", [*WRITES, Operation.LIST])
@pytest.mark.parametrize("failure", [faults.Truncate(1), faults.Oversize(33 * 2**20)], ids=["cut off", "oversized"])
async def test_truncated_or_too_large_body_is_refused(
    server: SimulatedNetBird, operation: Operation, failure: faults.Truncate | faults.Oversize
) -> None:
    server.exchange.faults.add(Fault(failure, Moment.AFTER, operation, times=None))
    id_ = existing(server)
    async with connected(server) as client:
        with pytest.raises(RetryError) as caught:
            await OPERATIONS[operation](client, id_)
    assert caught.value.reason is Reason.UNEXPECTED_ANSWER
    assert caught.value.effect is (Effect.UNKNOWN if operation in WRITES else Effect.NONE)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("status", [302, 303, 307])
async def test_no_redirect_is_followed_with_the_token(
    server: SimulatedNetBird, operation: Operation, status: int
) -> None:
    id_ = existing(server)
    async with SimulatedNetBird() as elsewhere:
        server.exchange.faults.add(Fault(faults.Redirect(f"{elsewhere.url}/api/accounts", status), times=None))
        async with connected(server) as client:
            with pytest.raises(RetryError) as caught:
                await OPERATIONS[operation](client, id_)
        assert elsewhere.journal.entries == []
    assert caught.value.reason is Reason.UNEXPECTED_ANSWER


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each is not Operation.ACCOUNTS])
@pytest.mark.parametrize("page", UnknownPath)
async def test_unlicensed_server_is_reported(server: SimulatedNetBird, operation: Operation, page: UnknownPath) -> None:
    behave(server, licensed=False, unknown_path=page)
    async with connected(server) as client:
        with pytest.raises(WaitError) as caught:
            await OPERATIONS[operation](client, 7)
    assert (type(caught.value), caught.value.reason) == (WaitError, Reason.NOT_LICENSED)


async def test_revoked_token_and_one_without_rights_are_reported(server: SimulatedNetBird) -> None:
    server.model.directory.add_token(replace(PERSONAL, may_write=False, may_read_accounts=False))
    async with connected(server) as client:
        for denied in (Operation.CREATE, Operation.ACCOUNTS):
            with pytest.raises(WaitError) as caught:
                await OPERATIONS[denied](client, 7)
            assert caught.value.reason is Reason.PERMISSION_DENIED
        server.model.directory.revoke_token(PERSONAL.id)
        with pytest.raises(WaitError) as caught:
            await client.list_integrations(Priority.LOW)
        assert caught.value.reason is Reason.TOKEN_REJECTED


@pytest.mark.parametrize("operation", WRITES)
async def test_write_to_an_unreachable_server_has_no_effect(operation: Operation) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with factory() as clients:
            client = clients.client(Endpoint(url, PERSONAL.value, TokenType.PERSONAL_ACCESS_TOKEN), PLENTY)
            with pytest.raises(RetryError) as caught:
                await OPERATIONS[operation](client, 7)
    assert (caught.value.reason, caught.value.effect) == (Reason.UNAVAILABLE, Effect.NONE)


async def test_write_without_a_tls_handshake_has_no_effect() -> None:
    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(5)
        writer.close()

    listener = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with factory(timeout=0.5) as clients:
        client = clients.client(Endpoint(url, PERSONAL.value, TokenType.PERSONAL_ACCESS_TOKEN), PLENTY)
        with pytest.raises(RetryError) as caught:
            await client.create(REQUESTS[0], Priority.HIGH)
    listener.close()
    assert (caught.value.reason, caught.value.effect) == (Reason.UNAVAILABLE, Effect.NONE)


async def test_lease_lost_while_connecting_stops_the_request_before_its_first_byte(
    server: SimulatedNetBird,
) -> None:
    asked = 0

    def guard() -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise LeaseLostError(Reason.PROGRESSING, "the lease is lost")

    async with connected(server, guard=guard) as client:
        with pytest.raises(LeaseLostError) as caught:
            await client.create(REQUESTS[0], Priority.HIGH)
        assert caught.value.effect is Effect.NONE
        assert server.journal.entries == []
        await client.create(REQUESTS[0], Priority.HIGH)
    assert len(server.journal.entries) == 1


def text(path: Path) -> str:
    return path.read_text()


@contextlib.asynccontextmanager
async def served(name: str) -> AsyncIterator[SimulatedNetBird]:
    """Start a NetBird with that certificate."""
    model = NetBird()
    model.directory.add_account(Account("acc-1"))
    model.directory.add_token(PERSONAL)
    server = SimulatedNetBird(model)
    await server.start(tls=serving(name))
    yield server
    await server.stop()


async def test_private_authority_is_trusted_only_where_it_is_configured() -> None:
    async with served("server") as server:
        async with connected(server, ca_bundle="# Ämter\n" + AUTHORITY.read_text()) as client:
            assert (await client.list_integrations(Priority.LOW)).items == ()
        async with connected(server, ca_bundle="no certificate") as client:
            with pytest.raises(WaitError) as refused:
                await client.list_integrations(Priority.LOW)
        assert refused.value.reason is Reason.CA_BUNDLE_INVALID
        assert len(server.journal.entries) == 1


@pytest.mark.parametrize(
    ("name", "bundle", "sentence"),
    [
        ("expired", AUTHORITY, "has expired, or is not valid yet"),
        ("not-yet-valid", AUTHORITY, "has expired, or is not valid yet"),
        ("other-host", AUTHORITY, "is not valid for the host of spec.url"),
        ("server", NEXT_AUTHORITY, "no authority in the ConfigMap of spec.caBundleConfigMapRef signed"),
        ("server", None, "an authority that the operator does not trust signed"),
    ],
)
async def test_certificate_error_names_the_problem(name: str, bundle: Path | None, sentence: str) -> None:
    authorities = None if bundle is None else text(bundle)
    async with served(name) as server, connected(server, ca_bundle=authorities) as client:
        with pytest.raises(RetryError, match=sentence) as caught:
            await client.create(REQUESTS[0], Priority.HIGH)
    assert (caught.value.reason, caught.value.effect) == (Reason.UNAVAILABLE, Effect.NONE)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_port_with_another_protocol_is_named(server: SimulatedNetBird, answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as other:
        url = f"https://127.0.0.1:{other.sockets[0].getsockname()[1]}"
        async with connected(server, url=url) as client:
            with pytest.raises(RetryError, match=r"no TLS session with the host and port of spec\.url") as caught:
                await client.create(REQUESTS[0], Priority.HIGH)
    assert (caught.value.reason, caught.value.effect) == (Reason.UNAVAILABLE, Effect.NONE)


async def test_rotated_bundle_of_the_process_takes_effect_without_a_restart(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.write_text(AUTHORITY.read_text())
    async with factory(environment={"SSL_CERT_FILE": str(bundle)}) as clients, served("next-server") as server:
        client = clients.client(Endpoint(server.url, PERSONAL.value, TokenType.PERSONAL_ACCESS_TOKEN), PLENTY)
        with pytest.raises(RetryError, match="an authority that the operator does not trust"):
            await client.list_integrations(Priority.LOW)
        # As the kubelet does for a mounted ConfigMap: a new file replaces the old one.
        (tmp_path / "new").write_text(AUTHORITY.read_text() + NEXT_AUTHORITY.read_text())
        (tmp_path / "new").replace(bundle)
        assert (await client.list_integrations(Priority.LOW)).items == ()


@contextlib.asynccontextmanager
async def proxy(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A proxy that records requests and gives each the same response."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append((await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0])
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as running:
        yield f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}", requests


@pytest.mark.parametrize("excluded", ["127.0.0.0/8,*.internal.example", "::1/128,[fd00::1],fd02::/112,.svc"])
async def test_excluded_host_and_loopback_are_called_directly(server: SimulatedNetBird, excluded: str) -> None:
    async with proxy(b"HTTP/1.1 502 Bad Gateway\r\n\r\n") as (url, requests):
        environment = {"HTTPS_PROXY": url, "HTTP_PROXY": url, "NO_PROXY": excluded}
        async with connected(server, environment=environment) as client:
            await client.list_integrations(Priority.LOW)
        async with connected(server, url="https://nb.internal.example", environment=environment) as client:
            with pytest.raises(RetryError) as caught:
                await client.create(REQUESTS[0], Priority.HIGH)
    direct = "internal.example" in excluded
    assert requests == ([] if direct else [b"CONNECT nb.internal.example:443 HTTP/1.1"])
    assert ("can't be resolved" if direct else "the proxy of the operator's environment") in caught.value.message


async def test_missing_proxy_is_not_reported_as_netbird(server: SimulatedNetBird) -> None:
    for url in ("http://proxy.invalid:3128", "http://127.0.0.1:1", "https://127.0.0.1:1"):
        async with connected(server, url="https://netbird.invalid", environment={"HTTPS_PROXY": url}) as client:
            with pytest.raises(RetryError, match="the proxy of the operator's environment") as caught:
                await client.create(REQUESTS[0], Priority.HIGH)
        assert caught.value.effect is Effect.NONE


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("status", [401, 403])
async def test_page_of_a_proxy_is_not_netbirds_response(
    server: SimulatedNetBird, operation: Operation, status: int
) -> None:
    server.exchange.faults.add(Fault(html_reply(status), times=None))
    async with connected(server) as client:
        with pytest.raises(WaitError, match="is not NetBird's own") as caught:
            await OPERATIONS[operation](client, 7)
    assert (caught.value.reason, caught.value.effect) == (Reason.UNEXPECTED_ANSWER, Effect.NONE)


async def test_proxy_of_the_environment_is_used(server: SimulatedNetBird) -> None:
    async with connected(server, url="http://netbird.invalid", environment={"http_proxy": server.url}) as client:
        await client.list_integrations(Priority.LOW)
    assert [entry.operation for entry in server.journal.entries] == [Operation.LIST]


async def test_counting_server_never_refuses_all_tenants_together(server: SimulatedNetBird) -> None:
    behave(server, requests_per_minute=600, burst=20)
    limit = RateLimit(requests_per_minute=600, burst=20)
    async with factory() as clients:
        tenants = [
            clients.client(
                Endpoint(server.url, PERSONAL.value, TokenType.PERSONAL_ACCESS_TOKEN, tenant, path_family=None), limit
            )
            for tenant in (None, "acc-2")
        ]
        await asyncio.gather(*(client.list_integrations(Priority.LOW) for client in tenants * 15))
    assert server.model.directory.over_budget == {}
    assert len(server.journal.entries) == 30


async def test_no_cookie_is_kept_or_sent_back() -> None:
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with factory() as clients:
        client = clients.client(Endpoint(url, PERSONAL.value, TokenType.PERSONAL_ACCESS_TOKEN), PLENTY)
        for _ in range(2):
            await client.list_integrations(Priority.LOW)
    listener.close()
    assert len(seen) == 2
    assert b"cookie" not in seen[1].lower()
