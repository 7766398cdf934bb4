"""A server that sends more than it may, as bytes on the wire: the operator stops to receive, and reports why."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from netbird_streaming.api.types import RateLimit, TokenType
from netbird_streaming.core.netbird.types import Endpoint, Listing, Priority
from netbird_streaming.errors import OperatorError, RetryError
from netbird_streaming.netbird.client import ClientContext, NetBirdClient
from netbird_streaming.netbird.factory import ClientFactory
from netbird_streaming.netbird.http_clients import EnvironmentHttpClients
from netbird_streaming.netbird.network import MAX_HEAD
from netbird_streaming.netbird.transport import MAX_PIECES, MAX_REFUSAL, PIECES_IN_A_ROW
from netbird_streaming.reasons import Reason
from tests.contract.test_netbird_client import SystemClock

Parts = Callable[[], Iterator[bytes]]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BLOCK = 1000
"""Repetitions in one write of the server."""
SOCKETS = 16 * 2**20
"""Bytes that the sockets' buffers hold at most."""


class RawServer:
    """A server that sends these bytes to each request. It counts what the connections took."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.sent = 0
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await reader.readuntil(b"\r\n\r\n")
        try:
            for part in self._parts():
                writer.write(part)
                await writer.drain()
                self.sent += len(part)
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def raw_server(parts: Parts) -> AsyncIterator[RawServer]:
    raw = RawServer(parts)
    async with await asyncio.start_server(raw.serve, "127.0.0.1", 0) as server:
        raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield raw


@asynccontextmanager
async def client_of(raw: RawServer) -> AsyncIterator[NetBirdClient]:
    context = ClientContext(SystemClock(100), random.Random(1), lambda: None)
    http = EnvironmentHttpClients({})
    async with ClientFactory(context, timeout=60, initial_fraction=1.0, http=http) as factory:
        yield factory.client(Endpoint(raw.url, "token", TokenType.OAUTH2), RateLimit())


async def fault_of(raw: RawServer) -> OperatorError:
    async with client_of(raw) as client:
        with pytest.raises(RetryError) as caught:
            await client.list_integrations(Priority.LOW)
    return caught.value


def endless(head: bytes, block: bytes) -> Parts:
    def parts() -> Iterator[bytes]:
        yield head
        while True:
            yield block

    return parts


@pytest.mark.parametrize(
    "parts",
    [
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * BLOCK),
        endless(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n" * BLOCK),
        endless(b"HTTP/1.1 200 OK\r\na: ", b"b" * BLOCK),
    ],
    ids=["informational responses", "headers", "one header"],
)
async def test_head_of_a_response_is_limited(parts: Parts) -> None:
    async with raw_server(parts) as raw:
        problem = await fault_of(raw)
    assert (problem.reason, raw.connections) == (Reason.UNAVAILABLE, 1)
    assert f"more than {MAX_HEAD // 1024} KiB" in problem.message
    assert raw.sent < SOCKETS


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (b"1\r\n \r\n" * BLOCK, f"more than {MAX_PIECES} pieces"),
        (b"1;" + b"a" * 50_000 + b"\r\n \r\n", "larger than 16 MiB"),
    ],
    ids=["small chunks", "extensions of chunks"],
)
async def test_body_is_limited_by_what_it_costs_to_receive(block: bytes, why: str) -> None:
    async with raw_server(endless(CHUNKED + b"1\r\n[\r\n", block)) as raw:
        problem = await fault_of(raw)
    assert (problem.reason, raw.connections) == (Reason.UNEXPECTED_ANSWER, 1)
    assert why in problem.message
    assert raw.sent < 2 * SOCKETS + SOCKETS


async def test_other_tasks_run_between_the_pieces_of_a_body() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    chunks = b"1\r\n \r\n" * MAX_PIECES
    async with raw_server(lambda: iter([CHUNKED + b"1\r\n[\r\n" + chunks])) as raw:
        beside = asyncio.create_task(other())
        await fault_of(raw)
        beside.cancel()
    assert turns > MAX_PIECES / PIECES_IN_A_ROW


async def test_response_within_the_limits_is_read_after_informational_ones() -> None:
    informational = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100
    body = b"[" + b" " * (MAX_REFUSAL * 10) + b"]"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in (body[:1448], body[1448:])) + b"0\r\n\r\n"
    async with raw_server(lambda: iter([informational, CHUNKED, chunks])) as raw, client_of(raw) as client:
        assert await client.list_integrations(Priority.LOW) == Listing(())
        assert await client.list_integrations(Priority.LOW) == Listing(())
