"""The HTTP server over real sockets: requests of a kubelet, a scraper and an attacker."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

import pytest

from netbird_streaming.telemetry.health import probe_handler
from netbird_streaming.telemetry.http_server import HEAD_BYTES, MAX_CONNECTIONS, HttpResponse, HttpServer
from tests.harness.interpreter import operator_python

NETWORKS = {
    "dual stack": ("true", {"127.0.0.1", "::1"}),
    "IPv6 switched off": ("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6", {"127.0.0.1"}),
    "IPv6 only": ("ip address del 127.0.0.1/8 dev lo", {"::1"}),
}
SERVE_AND_ASK = """
import asyncio, http.client, sys
from netbird_streaming.telemetry.health import probe_handler
from netbird_streaming.telemetry.http_server import HttpServer

def ask(host, port):
    try:
        connection = http.client.HTTPConnection(host, port, timeout=5)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False

async def main():
    server = HttpServer({"/healthz": probe_handler(lambda: None)})
    port = await server.start("", 0)
    for host in ("127.0.0.1", "::1"):
        if await asyncio.to_thread(ask, host, port):
            print(host)
    await server.close()

asyncio.run(main())
"""


@pytest.mark.parametrize("network", NETWORKS)
def test_server_listens_on_the_available_addresses(network: str) -> None:
    unshare = shutil.which("unshare")
    isolated = [unshare or "", "--user", "--net", "--map-root-user"]
    if unshare is None or subprocess.run([*isolated, "ip", "link"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives no network namespace to a test")
    change, expected = NETWORKS[network]
    script = f'ip link set lo up && {change} && exec "$0" -c "$1"'
    command = [*isolated, "sh", "-c", script, operator_python(), SERVE_AND_ASK]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == expected


def echo(headers: Mapping[str, str]) -> HttpResponse:
    return HttpResponse(HTTPStatus.OK, "text/csv", headers.get("accept", "anything").encode())


@asynccontextmanager
async def serving(wrong: list[str]) -> AsyncIterator[int]:
    probes = {"/healthz": probe_handler(lambda: wrong[0] if wrong else None), "/readyz": probe_handler(lambda: None)}
    server = HttpServer({**probes, "/echo": echo})
    port = await server.start("127.0.0.1", 0)
    try:
        yield port
    finally:
        await server.close()


async def ask(port: int, head: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    await writer.drain()
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def test_probe_without_a_problem_is_ok() -> None:
    async def run() -> None:
        async with serving([]) as port:
            answer = await ask(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nUser-Agent: kube-probe/1.37\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert answer.endswith(b"\r\n\r\nok\n")
            assert (await ask(port, b"GET /readyz?verbose HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 ")

    asyncio.run(run())


def test_problem_is_reported_with_503() -> None:
    async def run() -> None:
        async with serving(["the queue is stuck"]) as port:
            answer = await ask(port, b"GET /healthz HTTP/1.1\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert answer.endswith(b"the queue is stuck\n")

    asyncio.run(run())


def test_other_paths_and_methods_and_a_head() -> None:
    async def run() -> None:
        async with serving([]) as port:
            assert (await ask(port, b"GET /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
            assert (await ask(port, b"POST /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 405 ")
            assert (await ask(port, b"HEAD /healthz HTTP/1.1\r\n\r\n")).endswith(b"\r\n\r\n")

    asyncio.run(run())


def test_handler_gets_the_headers_and_sets_its_content_type() -> None:
    async def run() -> None:
        async with serving([]) as port:
            answer = await ask(port, b"GET /echo HTTP/1.1\r\nHost: x\r\nACCEPT:  a/b;q=1\r\naccept: c/d\r\n\r\n")
            assert b"\r\nContent-Type: text/csv\r\n" in answer
            assert answer.endswith(b"\r\n\r\na/b;q=1,c/d")
            assert (await ask(port, b"GET /echo HTTP/1.1\r\nno field\r\n\r\n")).endswith(b"anything")

    asyncio.run(run())


def test_invalid_http_is_dropped_and_the_next_request_served() -> None:
    async def run() -> None:
        async with serving([]) as port:
            assert await ask(port, b"\x16\x03\x01\r\n\r\n") != b""
            assert await ask(port, b"GET /healthz") == b""
            assert await ask(port, b"GET /" + b"a" * (HEAD_BYTES - 100) + b"\r\n\r\n") != b""
            assert await ask(port, b"GET /" + b"a" * (HEAD_BYTES + 100)) == b""
            assert (await ask(port, b"GET /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 ")

    asyncio.run(run())


def test_half_open_connections_are_limited_and_delay_no_probe() -> None:
    """10,000 of them took 125 MB, and released none of it."""

    async def run() -> None:
        server = HttpServer({"/healthz": probe_handler(lambda: None)})
        port = await server.start("127.0.0.1", 0)
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3 * MAX_CONNECTIONS)]
        for _, writer in idle:
            writer.write(b"GET /healthz")
        assert (await ask(port, b"GET /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert 0 < server.connections <= MAX_CONNECTIONS
        # The server has closed the oldest, so reading from them ends.
        for reader, _ in idle[:MAX_CONNECTIONS]:
            with suppress(ConnectionError):
                assert await reader.read() == b""
        for _, writer in idle:
            writer.close()
        await server.close()
        assert server.connections == 0

    asyncio.run(run())


def test_connection_ends_after_its_time_for_any_input() -> None:
    async def run() -> None:
        server = HttpServer({"/healthz": probe_handler(lambda: None)}, seconds=0.0)
        port = await server.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        assert server.connections == 0
        writer.close()
        await server.close()

    asyncio.run(run())
