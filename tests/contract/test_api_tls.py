"""TLS to the API server: a rotated authority takes effect without a restart, also for watches."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from netbird_streaming.cluster.client import KubernetesClient, Request
from netbird_streaming.cluster.configuration import load_configuration
from netbird_streaming.errors import OperatorError
from netbird_streaming.watch.kopf_session import open_session
from tests.harness.certificates import AUTHORITY, NEXT_AUTHORITY, serving

LIST: Final = Request("the list", "/api")
ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@asynccontextmanager
async def served(name: str, port: int = 0) -> AsyncIterator[int]:
    """Start a server with that certificate, which closes each connection after its response."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port, ssl=serving(name), reuse_address=True) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def clients(
    folder: Path, port: int, **cluster: Any
) -> AsyncIterator[tuple[KubernetesClient, aiohttp.ClientSession]]:
    """Open both clients of the API server: that of requests, and that of watches."""
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": f"https://127.0.0.1:{port}", **cluster}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    (folder / "config").write_text(json.dumps(config))
    api = KubernetesClient(await load_configuration({"KUBECONFIG": str(folder / "config")}, time.monotonic))
    session = await open_session(api.credentials, lambda *_: None)
    async with session.aiohttp_session as watches:
        yield api, watches
    await api.close()


def replace(path: Path, *authorities: Path) -> None:
    """Replace a file of authorities as the kubelet does: a new file gets its name."""
    new = path.with_name("new")
    new.write_text("".join(each.read_text() for each in authorities))
    new.replace(path)


async def test_rotated_authority_takes_effect_without_a_restart(tmp_path: Path) -> None:
    authority = tmp_path / "ca.crt"
    replace(authority, AUTHORITY)
    async with served("server") as port:
        pass
    async with clients(tmp_path, port, **{"certificate-authority": str(authority)}) as (api, watches):
        url = f"https://127.0.0.1:{port}"
        async with served("server", port):
            assert await api.call(LIST) == {}
            assert (await watches.get(url)).ok
        async with served("next-server", port):
            for unreadable in ("", "no certificate"):
                authority.write_text(unreadable)
                with pytest.raises(OperatorError):
                    await api.call(LIST)
                with pytest.raises(aiohttp.ClientConnectorCertificateError):
                    await watches.get(url)
            replace(authority, AUTHORITY, NEXT_AUTHORITY)
            assert (await watches.get(url)).ok
            assert await api.call(LIST) == {}
        async with served("server", port):
            assert await api.call(LIST) == {}


async def test_name_in_the_kubeconfig_replaces_the_host_for_both_clients(tmp_path: Path) -> None:
    """`tls-server-name` is used where the API server is reached through a tunnel or a load balancer."""
    authority = {"certificate-authority": str(AUTHORITY)}
    async with served("other-host") as port:
        url = f"https://127.0.0.1:{port}"
        async with clients(tmp_path, port, **authority, **{"tls-server-name": "other.example.com"}) as (api, watches):
            assert await api.call(LIST) == {}
            assert (await watches.get(url)).ok
        async with clients(tmp_path, port, **authority, **{"tls-server-name": "third.example.com"}) as (api, watches):
            with pytest.raises(OperatorError):
                await api.call(LIST)
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await watches.get(url)
