"""A bare client in its own process: the same writes and one POST for each name on standard input, and nothing else.

`--netbird httpx` sends the operator's three Kubernetes writes, its necessary minimum. `aiohttp` with two small writes
is the client against which the vendor's own operator is measured.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import httpx

from tests.harness.kubernetes_client import BASE, Kubernetes, connect

WORKERS = 8
PATH = "/api/integrations/event-streaming"


class Poster(Protocol):
    """Creates an integration."""

    async def post(self, body: Any) -> Any:
        """Return the response body."""
        ...


class ByHttpx:
    """Creates it with the operator's client."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def post(self, body: Any) -> Any:
        """Return the response body."""
        answer = await self._client.post(PATH, json=body)
        answer.raise_for_status()
        return answer.json()


class ByAiohttp:
    """Creates it with the fastest client."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def post(self, body: Any) -> Any:
        """Return the response body."""
        async with self._session.post(PATH, json=body) as answer:
            answer.raise_for_status()
            return await answer.json()


@dataclass(frozen=True, slots=True)
class Writes:
    """The merge patches of one resource, and the query that each is sent with."""

    patches: Sequence[Any]
    query: str


async def handle(kubernetes: Kubernetes, poster: Poster, path: str, writes: Writes) -> None:
    """Send the writes, each based on the one before, and the POST before the last, which holds the id."""
    *before, result = writes.patches
    known: Any = None
    for patch in before:
        known = await write(kubernetes, path, writes.query, patch, known)
    config = {"url": known["spec"]["genericHTTP"]["url"], "headers": "{}", "body_template": ""}
    answer = await poster.post({"platform": "generic_http", "config": config, "enabled": True})
    await write(kubernetes, path, writes.query, {"status": {**result["status"], "id": answer["id"]}}, known)


async def write(kubernetes: Kubernetes, path: str, query: str, patch: Any, known: Any) -> Any:
    """Return the resource with the patch."""
    metadata = dict(patch.get("metadata", {}))
    if known is not None:
        metadata["resourceVersion"] = known["metadata"]["resourceVersion"]
    target = f"{path}/status" if "status" in patch else path
    return await kubernetes.call("PATCH", f"{target}?{query}", {**patch, "metadata": metadata}, patch=True)


async def work(kubernetes: Kubernetes, poster: Poster, namespace: str, writes: Writes) -> None:
    """Serve the names from standard input, eight at once."""
    names: asyncio.Queue[str | None] = asyncio.Queue()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def worker() -> None:
        while (name := await names.get()) is not None:
            await handle(kubernetes, poster, f"{BASE.format(namespace=namespace)}/{name}", writes)

    async with asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(worker())
        async for line in reader:
            names.put_nowait(line.decode().strip())
        for _ in range(WORKERS):
            names.put_nowait(None)


async def run(options: argparse.Namespace) -> None:
    """Connect to both servers, and work."""
    writes = Writes(options.patches, options.query)
    authorization = {"Authorization": f"Token {options.token}"}
    async with connect(options.kubeconfig) as kubernetes:
        if options.netbird == "httpx":
            async with httpx.AsyncClient(base_url=options.url, headers=authorization, trust_env=False) as client:
                await work(kubernetes, ByHttpx(client), options.namespace, writes)
        else:
            async with aiohttp.ClientSession(options.url, headers=authorization) as session:
                await work(kubernetes, ByAiohttp(session), options.namespace, writes)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--netbird", choices=("httpx", "aiohttp"), required=True)
    parser.add_argument("--patches", type=json.loads, required=True, help="the writes, a JSON list")
    parser.add_argument("--query", default="", help="of each of them")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
