"""A proxy between an operator and its API server, which passes requests on until a fault is set."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from aiohttp import web

from tests.doubles.netbird.response_delivery import reset

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]
CUT_SECONDS: Final = 0.3
_REASONS: Final = {410: "Expired", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}


class FaultProxy:
    """Counts an operator's requests to its API server and applies a fault; a middleware before the recording proxy."""

    def __init__(self) -> None:
        """Start without a fault."""
        self.fault: Fault | None = None
        self.asked: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()
        """Responses other than 2xx, by status."""
        self._watches: dict[int, web.Request] = {}

    @web.middleware
    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass a request on, or apply the fault."""
        self.asked[f"{request.method} {request.path}"] += 1
        if is_watch(request):
            self._watches[id(request)] = request
        try:
            answer = await (handler(request) if self.fault is None else self.fault(request, handler))
        finally:
            self._watches.pop(id(request), None)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            self.refused[answer.status] += 1
        return answer

    def cut(self) -> None:
        """Reset the connections of all watches."""
        for request in list(self._watches.values()):
            reset(request)

    async def cut_all_the_time(self) -> None:
        """Reset each watch as soon as it starts, until cancelled."""
        while True:
            self.cut()
            await asyncio.sleep(CUT_SECONDS)


def is_watch(request: web.Request) -> bool:
    """Return whether the request is a watch."""
    return request.query.get("watch") in {"true", "1"}


def refusal(status: int, **headers: str) -> web.Response:
    """Return a response in the API server's format."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": "so it is",
        "reason": _REASONS[status],
        "code": status,
    }
    return web.Response(status=status, text=json.dumps(body), content_type="application/json", headers=headers)


def slow(seconds: float) -> Fault:
    """Delay each request."""

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await handler(request)

    return fault


async def hang(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do not respond until the client gives up."""
    await asyncio.Event().wait()
    raise AssertionError


def answering(status: int, **headers: str) -> Fault:
    """Refuse each request without processing it."""

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        return refusal(status, **headers)

    return fault


def every_other(*statuses: int) -> Fault:
    """Refuse each second request, by these in turn."""
    turns = itertools.chain.from_iterable((None, each) for each in itertools.cycle(statuses))

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        status = next(turns)
        return await handler(request) if status is None else refusal(status)

    return fault


def unheard(status: int) -> Fault:
    """Apply each write, and respond as if it had failed."""

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        return answer if request.method == "GET" else refusal(status)

    return fault


async def no_watch(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse watches, and pass everything else on."""
    return refusal(HTTPStatus.SERVICE_UNAVAILABLE) if is_watch(request) else await handler(request)


async def no_write(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse writes, and pass everything else on."""
    return await handler(request) if request.method == "GET" else refusal(HTTPStatus.SERVICE_UNAVAILABLE)


async def forgetful(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a watch ask for a version that the API server has compacted, which it answers with 410."""
    if is_watch(request):
        return await handler(request.clone(rel_url=request.rel_url.update_query(resourceVersion="1")))
    return await handler(request)


async def no_second_page(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Serve a list in pages of one object, the second of which has expired, and end watches at once."""
    if "continue" in request.query:
        return refusal(HTTPStatus.GONE)
    if "limit" in request.query:
        return await handler(request.clone(rel_url=request.rel_url.update_query(limit="1")))
    return await forgetful(request, handler)
