"""TLS on the Python of the image: certificates that the operator's clients accept and reject."""

import ast
import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

import netbird_streaming
from netbird_streaming.reasons import Reason
from tests.harness.certificates import AUTHORITY, NEXT_AUTHORITY, serving
from tests.harness.interpreter import operator_python

SOURCES: Final = Path(netbird_streaming.__file__).parent
PROGRAM: Final = """
import asyncio, json, random, sys, time
from datetime import UTC, datetime
from pathlib import Path
from netbird_streaming.cluster.configuration import load_configuration
from netbird_streaming.cluster.client import KubernetesClient, Request
from netbird_streaming.watch.kopf_session import open_session
from netbird_streaming.core.netbird.types import Endpoint, Priority
from netbird_streaming.api.types import RateLimit, TokenType
from netbird_streaming.errors import OperatorError
from netbird_streaming.netbird.client import ClientContext
from netbird_streaming.netbird.factory import ClientFactory
from netbird_streaming.netbird.http_clients import EnvironmentHttpClients

class Clock:
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(asyncio.sleep)
    now = staticmethod(lambda: datetime.now(UTC))

async def api(url, folder):
    api = KubernetesClient(await load_configuration({"KUBECONFIG": str(folder / "config")}, time.monotonic))
    try:
        await api.call(Request("the list", "/api/integrations/event-streaming"))
    finally:
        await api.close()

async def watch(url, folder):
    api = KubernetesClient(await load_configuration({"KUBECONFIG": str(folder / "config")}, time.monotonic))
    session = await open_session(api.credentials, lambda *_: None)
    async with session.aiohttp_session as opened:
        await (await opened.get(url)).read()
    await api.close()

async def netbird(url, folder, bundle, environment):
    context = ClientContext(Clock(), random.Random(1), lambda: None)
    http = EnvironmentHttpClients(environment)
    async with ClientFactory(context, timeout=10, initial_fraction=1, http=http) as clients:
        endpoint = Endpoint(url, "token", TokenType.PERSONAL_ACCESS_TOKEN, ca_bundle=bundle)
        await clients.client(endpoint, RateLimit()).list_integrations(Priority.LOW)

async def main(url, folder, authority):
    folder = Path(folder)
    cases = {
        "api": api(url, folder),
        "watch": watch(url, folder),
        "connection": netbird(url, folder, Path(authority).read_text(), {}),
        "chart": netbird(url, folder, None, {"SSL_CERT_FILE": authority}),
    }
    outcomes = {}
    for name, case in cases.items():
        try:
            await case
        except Exception as error:
            outcomes[name] = getattr(error, "message", type(error).__name__)
        else:
            outcomes[name] = "accepted"
    print(json.dumps(outcomes))

asyncio.run(main(*sys.argv[1:]))
"""


@asynccontextmanager
async def served(name: str) -> AsyncIterator[int]:
    """Start a server with that certificate, which answers everything with an empty list."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=serving(name)) as server:
        yield server.sockets[0].getsockname()[1]


async def outcomes(folder: Path, name: str, authority: Path = AUTHORITY) -> dict[str, str]:
    """The result of each client of the operator for that certificate, on the image's Python."""
    async with served(name) as port:
        url = f"https://127.0.0.1:{port}"
        cluster = {"server": url, "certificate-authority": str(authority)}
        config = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
        (folder / "config").write_text(json.dumps(config))
        process = await asyncio.create_subprocess_exec(
            *(operator_python(), "-c", PROGRAM, url, str(folder), str(authority)), stdout=subprocess.PIPE
        )
        found: dict[str, str] = json.loads((await process.communicate())[0])
        return found


async def test_certificates_without_key_identifiers_are_accepted_as_go_does(tmp_path: Path) -> None:
    found = await outcomes(tmp_path, "server")
    # The API client expects an object: an empty list was received, so the certificate was trusted.
    assert found == {
        "api": f"the list: the Kubernetes API server did not answer (TypeError). {Reason.UNAVAILABLE.remedy}",
        "watch": "accepted",
        "connection": "accepted",
        "chart": "accepted",
    }


@pytest.mark.parametrize("name", ["expired", "not-yet-valid", "other-host", "next-server"])
async def test_chain_dates_and_host_name_are_verified(tmp_path: Path, name: str) -> None:
    found = await outcomes(tmp_path, name)
    assert "ClientConnectorCertificateError" in found["api"]
    assert found["watch"] == "ClientConnectorCertificateError"
    assert "certificate" in found["connection"]
    assert "certificate" in found["chart"]


async def test_other_authority_is_rejected(tmp_path: Path) -> None:
    found = await outcomes(tmp_path, "server", NEXT_AUTHORITY)
    assert "accepted" not in found.values()
    assert "TypeError" not in found["api"]


def calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def test_one_module_creates_ssl_contexts() -> None:
    creating = {"create_default_context", "SSLContext", "create_ssl_context", "_create_unverified_context"}
    found = {path.name for path in SOURCES.rglob("*.py") if creating & set(calls(path))}
    assert found == {"tls.py"}
