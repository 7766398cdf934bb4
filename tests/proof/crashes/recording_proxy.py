"""A proxy between an operator and a server. A gate selects the request or event with a fault."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Middleware

from tests.doubles.netbird.response_delivery import reset
from tests.proof.crashes.points import Gate, Side, event_label

LATE_SECONDS: Final = 0.5
"""Seconds for which an event is held back if no other follows it."""
_OWN_HEADERS: Final = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})
_NO_LIMIT: Final = aiohttp.ClientTimeout()
Label = Callable[[web.Request], str | None]


class RecordingProxy:
    """Passes requests on to a server. Made by `recording_proxy`."""

    def __init__(self, target: str, session: aiohttp.ClientSession, gate: Gate, label: Label) -> None:
        """Store the server's address, its client, the gate, and the naming of requests."""
        self._target = target
        self._session = session
        self._gate = gate
        self._label = label

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Pass one request on, or apply the gate's fault."""
        body = await request.read()
        side = self._gate.judge(self._label(request))
        if side in {Side.LOST, Side.KILLED_BEFORE}:
            return _broken(request)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN_HEADERS}
        url = self._target + request.path_qs
        try:
            async with self._session.request(
                request.method, url, data=body or None, headers=headers, timeout=_NO_LIMIT, allow_redirects=False
            ) as answer:
                if request.query.get("watch") in {"true", "1"} and answer.ok:
                    return await self._relay(request, answer)
                content = await answer.read()
        except aiohttp.ClientError:
            return _broken(request)
        if side is Side.KILLED_AFTER:
            self._gate.kill()
        if side in {Side.UNHEARD, Side.KILLED_AFTER}:
            return _broken(request)
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OWN_HEADERS}
        return web.Response(status=answer.status, body=content, headers=kept)

    async def _relay(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": answer.content_type})
        await response.prepare(request)
        waiting: bytes | None = None
        lines = _lines(answer)
        following = asyncio.ensure_future(anext(lines, None))
        try:
            while True:
                done, _ = await asyncio.wait({following}, timeout=None if waiting is None else LATE_SECONDS)
                if not done and waiting is not None:
                    await response.write(waiting)
                    waiting = None
                    continue
                line = following.result()
                if line is None:
                    return response
                following = asyncio.ensure_future(anext(lines, None))
                side = self._gate.judge(event_label(line))
                if side is Side.KILLED_BEFORE:
                    return _broken(request)
                if side is not Side.LATE:
                    await response.write(line)
                if side is Side.KILLED_AFTER:
                    self._gate.kill()
                if waiting is not None:
                    await response.write(waiting)
                waiting = line if side in {Side.LATE, Side.AGAIN} else None
        except ConnectionError:
            return response
        finally:
            following.cancel()


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """An event is a line, of any length."""
    left = b""
    with suppress(aiohttp.ClientError):
        async for piece in answer.content.iter_any():
            *whole, left = (left + piece).split(b"\n")
            for line in whole:
                yield line + b"\n"


def _broken(request: web.Request) -> web.StreamResponse:
    reset(request)
    return web.Response(status=500)


@asynccontextmanager
async def recording_proxy(
    target: str, gate: Gate, label: Label, tls: ssl.SSLContext | None = None, *before: Middleware
) -> AsyncIterator[str]:
    """Put a proxy before a server, and middlewares before the proxy; yield its address."""
    connector = aiohttp.TCPConnector(limit=0, ssl=tls if tls is not None else True)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        app = web.Application(client_max_size=8 * 2**20, middlewares=before)
        app.router.add_route("*", "/{path:.*}", RecordingProxy(target, session, gate, label).serve)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
