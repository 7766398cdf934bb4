"""The smallest client of the API server: aiohttp, JSON and a token. Other clients are measured against it."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from tests.harness.certificates import trusting

BASE: Final = "/apis/integrations.netbird.io/v1alpha1/namespaces/{namespace}/eventstreamingintegrations"
AGAIN: Final = 0.2
MERGE_PATCH: Final = {"Content-Type": "application/merge-patch+json"}


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """Requests to one API server."""

    session: aiohttp.ClientSession
    url: str

    async def call(self, method: str, path: str, body: object = None, *, patch: bool = False) -> Any:
        """Send one request. Raises if the response is no success."""
        headers = MERGE_PATCH if patch else {"Content-Type": "application/json"}
        data = None if body is None else json.dumps(body)
        while True:
            async with self.session.request(method, self.url + path, data=data, headers=headers) as answer:
                # A kind that was just defined: the API server is still creating its storage.
                if answer.status != HTTPStatus.TOO_MANY_REQUESTS:
                    answer.raise_for_status()
                    return await answer.json()
            await asyncio.sleep(AGAIN)

    async def watch(self, path: str, version: str) -> AsyncIterator[Any]:
        """Yield the events of a watch until it ends. Raises if the response is no success."""
        params = {"watch": "1", "resourceVersion": version}
        timeout = aiohttp.ClientTimeout(total=None)
        while True:
            async with self.session.get(self.url + path, params=params, timeout=timeout) as answer:
                if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
                    await asyncio.sleep(AGAIN)
                    continue
                answer.raise_for_status()
                async for line in answer.content:
                    yield json.loads(line)
                return


@asynccontextmanager
async def connect(kubeconfig: Path) -> AsyncIterator[Kubernetes]:
    """Return a client with the rights of a kubeconfig that holds a token and names its CA."""
    server, context, token = credentials(kubeconfig)
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    # A watch's line holds a whole object.
    async with aiohttp.ClientSession(
        connector=connector, headers={"Authorization": f"Bearer {token}"}, read_bufsize=2**20
    ) as session:
        yield Kubernetes(session, server)


def credentials(kubeconfig: Path) -> tuple[str, ssl.SSLContext, str]:
    """Return the server's URL, its CA and the token of such a kubeconfig."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = trusting(base64.b64decode(cluster["certificate-authority-data"]).decode())
    return cluster["server"], context, user["token"]
