"""What is between an operator and its API server: nothing, until a fault is let loose on what passes."""

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


class Weather:
    """Counts what an operator asks of its API server, and lets a fault have it; a middleware before the tap."""

    def __init__(self) -> None:
        """Begin with a clear sky."""
        self.fault: Fault | None = None
        self.asked: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()
        """Answers other than 2xx, by status."""
        self._watches: dict[int, web.Request] = {}

    @web.middleware
    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass it on, or let the fault have it."""
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
        """Reset the watches as soon as they are there, until cancelled."""
        while True:
            self.cut()
            await asyncio.sleep(CUT_SECONDS)


def is_watch(request: web.Request) -> bool:
    """Whether it asks for events."""
    return request.query.get("watch") in {"true", "1"}


def refusal(status: int, **headers: str) -> web.Response:
    """An answer as the API server words it."""
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
    """Each request takes so long on its way there."""

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await handler(request)

    return fault


async def hang(request: web.Request, handler: Handler) -> web.StreamResponse:
    """No answer, until whoever asks gives up."""
    await asyncio.Event().wait()
    raise AssertionError


def answering(status: int, **headers: str) -> Fault:
    """Each request is refused, unheard."""

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        return refusal(status, **headers)

    return fault


def every_other(*statuses: int) -> Fault:
    """Each second request is refused, by these in turn."""
    turns = itertools.chain.from_iterable((None, each) for each in itertools.cycle(statuses))

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        status = next(turns)
        return await handler(request) if status is None else refusal(status)

    return fault


def unheard(status: int) -> Fault:
    """Each write is carried out, and answered as if it had failed."""

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        return answer if request.method == "GET" else refusal(status)

    return fault


async def no_watch(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Watches are refused, all else is answered."""
    return refusal(HTTPStatus.SERVICE_UNAVAILABLE) if is_watch(request) else await handler(request)


async def no_write(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What would change something is refused, all else is answered."""
    return await handler(request) if request.method == "GET" else refusal(HTTPStatus.SERVICE_UNAVAILABLE)


async def forgetful(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A watch asks for what the API server has forgotten long ago, and is answered 410 by itself."""
    if is_watch(request):
        return await handler(request.clone(rel_url=request.rel_url.update_query(resourceVersion="1")))
    return await handler(request)


async def no_second_page(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A list comes in pages of one, of which the second has expired; and watches end at once, so that lists are due."""
    if "continue" in request.query:
        return refusal(HTTPStatus.GONE)
    if "limit" in request.query:
        return await handler(request.clone(rel_url=request.rel_url.update_query(limit="1")))
    return await forgetful(request, handler)
