"""The clients of commands refuse each write request before a byte of it is sent."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

import pytest
from kubernetes.aio.client import Configuration

from netbird_streaming.api.types import RateLimit, TokenType
from netbird_streaming.clock import SystemClock
from netbird_streaming.cluster.client import Request
from netbird_streaming.cluster.rbac import Permission, missing_permissions
from netbird_streaming.cluster.read_only import ReadOnlyKubernetesClient
from netbird_streaming.core.netbird.types import Endpoint, IntegrationRequest, Priority
from netbird_streaming.errors import OperatorError, RetryError, WaitError
from netbird_streaming.netbird.client import ClientContext, NetBirdClient
from netbird_streaming.netbird.factory import ClientFactory
from netbird_streaming.netbird.http_clients import EnvironmentHttpClients

REQUEST: Final = IntegrationRequest("datadog", {"api_url": "https://a.example", "api_key": "k"}, enabled=True)
WRITES: Final[dict[str, Callable[[NetBirdClient], Awaitable[object]]]] = {
    "create": lambda client: client.create(REQUEST, Priority.HIGH),
    "update": lambda client: client.update(1, REQUEST, Priority.HIGH),
    "delete": lambda client: client.delete(1, Priority.HIGH),
}
READS: Final[dict[str, Callable[[NetBirdClient], Awaitable[object]]]] = {
    "list": lambda client: client.list_integrations(Priority.HIGH),
    "get": lambda client: client.get(1, Priority.HIGH),
    "account": lambda client: client.account_id(Priority.HIGH),
}


class Listener:
    """A server that accepts any request, and closes."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines.append((await reader.readline()).decode())
        writer.close()


async def sent(call: Callable[[str], Awaitable[object]]) -> tuple[OperatorError, list[str]]:
    listener = Listener()
    async with await asyncio.start_server(listener.serve, "127.0.0.1", 0) as server:
        with pytest.raises(OperatorError) as caught:
            await call(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    return caught.value, listener.lines


async def ask_netbird(url: str, call: Callable[[NetBirdClient], Awaitable[object]]) -> None:
    context = ClientContext(SystemClock(), random.Random(1), lambda: None)
    http = EnvironmentHttpClients({})
    async with ClientFactory(context, timeout=5, initial_fraction=1.0, http=http, read_only=True) as factory:
        await call(factory.client(Endpoint(url, "nbp_made_up", TokenType.PERSONAL_ACCESS_TOKEN), RateLimit()))


@pytest.mark.parametrize("name", WRITES)
async def test_write_to_netbird_is_not_sent(name: str) -> None:
    problem, lines = await sent(lambda url: ask_netbird(url, WRITES[name]))
    assert isinstance(problem, WaitError)
    assert lines == []


@pytest.mark.parametrize("name", READS)
async def test_read_of_netbird_is_sent(name: str) -> None:
    problem, lines = await sent(lambda url: ask_netbird(url, READS[name]))
    assert isinstance(problem, RetryError)
    assert {line.split()[0] for line in lines} == {"GET"}


async def ask_kubernetes(url: str, call: Callable[[ReadOnlyKubernetesClient], Awaitable[object]]) -> None:
    configuration = Configuration()
    configuration.host = url
    client = ReadOnlyKubernetesClient(configuration, timeout=5)
    try:
        await call(client)
    finally:
        await client.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_write_to_kubernetes_is_not_sent(method: str) -> None:
    request = Request("a Secret", "/api/v1/namespaces/a/secrets/b", method, body={})  # type: ignore[arg-type]
    problem, lines = await sent(lambda url: ask_kubernetes(url, lambda client: client.call(request)))
    assert isinstance(problem, WaitError)
    assert lines == []


async def test_permission_review_is_sent() -> None:
    wanted = [Permission("list", "", "secrets")]
    problem, lines = await sent(lambda url: ask_kubernetes(url, lambda client: missing_permissions(client, wanted)))
    assert isinstance(problem, RetryError)
    assert [line.split()[0] for line in lines] == ["POST"]
