"""`python -m benchmarks.tenant`: the largest memory and the longest stall of the event loop that a namespace can cause.

Each case runs in a process of its own, on the shipped modules. Memory is what the case adds to the process: at its
peak, and after it. A stall is the longest time in which no other task runs. The Lease has to be renewed every 10 s.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from netbird_streaming.api.types import EventStreamingIntegration, IntegrationSpec, RateLimit, TokenType
from netbird_streaming.cluster.parsing import parse
from netbird_streaming.config.settings import Settings
from netbird_streaming.core.inputs import AccountSnapshot
from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from netbird_streaming.core.netbird.payload import resolve
from netbird_streaming.core.netbird.types import Endpoint, Integration, Listing, Priority
from netbird_streaming.errors import OperatorError
from netbird_streaming.netbird.client import ClientContext
from netbird_streaming.netbird.factory import ClientFactory
from netbird_streaming.netbird.http_clients import EnvironmentHttpClients
from netbird_streaming.proxies import Proxy
from netbird_streaming.reconciler.records import record_for
from netbird_streaming.telemetry import memory as heap
from netbird_streaming.telemetry.health import probe_handler
from netbird_streaming.telemetry.http_server import HttpServer

CHUNK: Final = 64 * 1024
HALF_OPEN: Final = 10_000
TICK: Final = 0.001
RESOURCES: Final = 1000
CLIENT: Final = """
import socket, sys, time
held = []
for number in range({count}):
    if number % 50 == 0:
        time.sleep(0.02)  # the kernel keeps 100 for the server, and lets others wait for a second
    held.append(socket.create_connection(("127.0.0.1", {port})))
    held[-1].sendall(b"GET /metrics")
print("open", flush=True)
sys.stdin.read()
"""
FLOOD: Final = """
import socket, sys, threading
chunked = b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n1\\r\\n[\\r\\n"
head, block = {
    "informational": (b"", b"HTTP/1.1 100 \\r\\n\\r\\n"),
    "headers": (b"HTTP/1.1 200 OK\\r\\n", b"a:b\\r\\n"),
    "chunks": (chunked, b"1\\r\\n \\r\\n"),
    "extensions": (chunked, b"1;" + b"a" * 60000 + b"\\r\\n \\r\\n"),
}[sys.argv[1]]
block *= 60000 // len(block) + 1
def flood(connection):
    with connection:
        connection.recv(65536)
        connection.sendall(head)
        while True:
            connection.sendall(block)
threading.excepthook = lambda _: None
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=flood, args=server.accept()[:1], daemon=True).start()
"""
KEY: Final = FingerprintKey(bytes(32))


def memory(name: str) -> float:
    """Return a size of this process in MiB: `VmRSS`, or its peak `VmHWM`."""
    with open("/proc/self/status") as lines:  # noqa: PTH123  # a file of the kernel
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


class Clock:
    """The clocks of this machine."""

    def monotonic(self) -> float:
        """Return seconds since some moment."""
        return time.monotonic()

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True)
class Body(httpx.AsyncByteStream):
    """The body of a response, generated while it is sent."""

    parts: Callable[[], Iterator[bytes]]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield it in chunks."""
        chunk = bytearray()
        for part in self.parts():
            chunk += part
            if len(chunk) >= CHUNK:
                await asyncio.sleep(0)
                yield bytes(chunk)
                chunk.clear()
        yield bytes(chunk)


@dataclass(frozen=True)
class Server:
    """HTTP clients whose server answers every LIST in the same way."""

    parts: Callable[[], Iterator[bytes]]

    def proxy(self, _: str) -> Proxy | None:
        """Return none."""
        return None

    def trust_version(self) -> object:
        """Return the only version."""
        return None

    def open(self, _: str | None, __: Proxy | None) -> httpx.AsyncClient:
        """Return a client without a network."""
        return httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200, stream=Body(self.parts))))


async def lists(parts: Callable[[], Iterator[bytes]], connections: int = 1) -> object:
    """Send a LIST of each connection at once, and keep the results."""
    context = ClientContext(Clock(), random.Random(1), lambda: None)  # noqa: S311  # jitter
    factory = ClientFactory(context, timeout=60, initial_fraction=1.0, http=Server(parts))

    async def ask(number: int) -> Listing | None:
        endpoint = Endpoint(f"https://{number}.example", "token", TokenType.OAUTH2)
        with suppress(OperatorError):
            return await factory.client(endpoint, RateLimit()).list_integrations(Priority.LOW)
        return None

    return await asyncio.gather(*(ask(number) for number in range(connections)))


def joined(elements: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a JSON list."""
    for number, element in enumerate(elements):
        yield b"," if number else b"["
        yield element
    yield b"]"


def small() -> Iterator[bytes]:
    """Yield two million integrations."""
    return joined(b'{"id":%d}' % number for number in range(1, 2_000_001))


def keys() -> Iterator[bytes]:
    """Yield an integration with 2.2 million keys."""
    yield b'[{"id":1'
    yield from (b',"%x":1' % number for number in range(2_200_000))
    yield b"}]"


def many_keys() -> Iterator[bytes]:
    """Yield integrations of the largest size, with as many keys as fit."""
    every = b",".join(b'"%x":1' % key for key in range(25_000))
    return joined(b'{"id":%d,%s}' % (number, every) for number in range(1, 61))


def largest() -> Iterator[bytes]:
    """Yield as much as is kept of one LIST."""
    one = b'{"id":%d,"platform":"generic_http","enabled":true,"config":{"url":"%0200d","headers":"{}"}}'
    return joined(one % (number, number) for number in range(1, 12_500))


async def nearly_identical() -> object:
    """Search an integration among as many as are kept of a LIST, which differ in the last value only."""
    names = [f"X-{number}" for number in range(32)]
    shown = {"url": "https://a.example", "headers": json.dumps(dict.fromkeys(names, "")), "body_template": "a"}
    items = tuple(Integration(number, "a", "generic_http", enabled=True, config=shown) for number in range(1, 20_001))
    wanted = {**shown, "headers": json.dumps(dict.fromkeys(names, "v" * 1024)), "body_template": "b"}
    return AccountSnapshot(Listing(items), 0.0).identical("generic_http", wanted)


async def secrets() -> object:
    """Resolve a resource whose 64 headers all come from a Secret of 1 MiB."""
    source = {"secretKeyRef": {"name": "s", "key": "k"}}
    headers = [{"name": f"X-{number}", "valueFrom": source} for number in range(64)]
    spec = IntegrationSpec.model_validate(
        {"platform": "generic_http", "genericHTTP": {"url": "https://a.example", "headers": headers}}
    )
    with suppress(OperatorError):
        return resolve(spec, {"s": {"k": b"x" * 2**20}}, KEY)
    return None


async def floods(kind: str) -> object:
    """Send a LIST of each connection at once to a server that sends such bytes without end."""
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", FLOOD, kind, stdout=subprocess.PIPE)
    assert server.stdout is not None
    port = int(await server.stdout.readline())
    context = ClientContext(Clock(), random.Random(1), lambda: None)  # noqa: S311  # jitter
    factory = ClientFactory(context, timeout=30, initial_fraction=1.0, http=EnvironmentHttpClients({}))

    async def ask(number: int) -> None:
        endpoint = Endpoint(f"http://127.0.0.1:{port}", f"token-{number}", TokenType.OAUTH2)
        with suppress(OperatorError):
            await factory.client(endpoint, RateLimit()).list_integrations(Priority.LOW)

    try:
        await asyncio.gather(*(ask(number) for number in range(CONNECTIONS)))
    finally:
        server.kill()
        await server.wait()
    return None


async def half_open() -> object:
    """Hold many requests open that never end."""
    server = HttpServer({"/metrics": probe_handler(lambda: None)})
    port = await server.start("127.0.0.1", 0)
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CLIENT.format(count=HALF_OPEN, port=port)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert client.stdout is not None
    await client.stdout.readline()
    await asyncio.sleep(0.1)
    await client.communicate(b"")
    await server.close()
    return None


async def resources() -> object:
    """Keep as many resources of the largest size, none of them in sync."""
    chance = random.Random(1)  # noqa: S311  # text that can't be packed

    def text(size: int) -> str:
        return chance.randbytes(size // 2).hex()[:size]

    def made(number: int) -> EventStreamingIntegration:
        headers = [{"name": f"X-{header:0126}", "value": text(1024)} for header in range(32)]
        metadata = {"name": f"r{number}", "namespace": "team-a", "uid": f"uid-{number}", "resourceVersion": "1"}
        raw = {
            "apiVersion": "integrations.netbird.io/v1alpha1",
            "kind": "EventStreamingIntegration",
            "metadata": {**metadata, "creationTimestamp": "2026-05-01T10:00:00Z", "annotations": {"a": text(200_000)}},
            "spec": {
                "platform": "generic_http",
                "genericHTTP": {"url": "https://a.example", "headers": headers, "bodyTemplate": text(8192)},
            },
        }
        resource = parse(raw)
        assert isinstance(resource, EventStreamingIntegration)
        return resource

    kept = []
    for number in range(RESOURCES):
        record = record_for(made(number), 0.0)
        record.cache.compress()
        kept.append(record)
        await asyncio.sleep(0)
    return kept


CONNECTIONS: Final = Settings().connections_per_namespace
CASES: Final[dict[str, Callable[[], Awaitable[object]]]] = {
    "a Secret of 1 MiB in each of 64 headers": secrets,
    "a LIST of 2 million integrations": lambda: lists(small),
    "an integration with 2.2 million keys": lambda: lists(keys),
    "a LIST of integrations with as many keys as fit": lambda: lists(many_keys),
    f"the largest LIST that is kept, of {CONNECTIONS} connections": lambda: lists(largest, CONNECTIONS),
    f"informational responses without end, to {CONNECTIONS} connections": lambda: floods("informational"),
    f"headers without end, to {CONNECTIONS} connections": lambda: floods("headers"),
    f"chunks of one byte without end, to {CONNECTIONS} connections": lambda: floods("chunks"),
    f"extensions of chunks without end, to {CONNECTIONS} connections": lambda: floods("extensions"),
    "20,000 integrations that nearly are identical": nearly_identical,
    f"{HALF_OPEN} half-open requests to the health port": half_open,
    f"{RESOURCES} resources of the largest size": resources,
}


async def measure(case: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """Run one case, and another task concurrently."""
    worst, last = 0.0, time.perf_counter()

    async def other() -> None:
        nonlocal worst, last
        while True:
            now = time.perf_counter()
            worst, last = max(worst, now - last - TICK), now
            await asyncio.sleep(TICK)

    beside = asyncio.create_task(other())
    await asyncio.sleep(0.05)
    worst = 0.0
    before = memory("VmRSS")
    kept = await case()
    await asyncio.sleep(TICK)
    beside.cancel()
    peak = memory("VmHWM")
    heap.trim_heap()
    figures = {"peak": peak - before, "kept": memory("VmRSS") - before, "stall": worst}
    del kept
    return figures


def main() -> None:
    """Run each case in a separate process, or the named one in this one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", nargs="?", choices=list(CASES), help="only this one, as JSON")
    chosen = parser.parse_args().case
    if chosen is not None:
        heap.tune()
        print(json.dumps(asyncio.run(measure(CASES[chosen]))))
        return
    width = max(map(len, CASES))
    print(f"{'':{width}}  peak MiB  kept MiB  stall ms")
    for name in CASES:
        command = [sys.executable, "-m", "benchmarks.tenant", name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  # this very program
        found: dict[str, Any] = json.loads(done.stdout)
        print(f"{name:{width}}  {found['peak']:8.1f}  {found['kept']:8.1f}  {found['stall'] * 1000:8.0f}")


if __name__ == "__main__":
    main()
