"""HTTP session for kopf's watches: with the operator's credentials, and with each request observed.

kopf lists before it watches, so it would receive each object a second time. Through this session, a LIST returns only
the version from which to watch.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum, auto
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
import kopf
from aiohttp import ClientHandlerType
from aiohttp.client_middlewares import ClientMiddlewareType
from aiohttp.hdrs import AUTHORIZATION

from netbird_streaming.backoff import Backoff
from netbird_streaming.cluster.client import FIELD_MANAGER, Credentials
from netbird_streaming.errors import OperatorError

LIST_SECONDS: Final = 1.0
"""The least time between two lists of the same objects. kopf lists again at once whenever a watch has expired."""
RETRY: Final = Backoff(0.1, 15.0)
"""After refused requests in a row, in addition to kopf's own second. Shorter than kopf's request timeout."""


class RequestEvent(Enum):
    """Stage of a request."""

    SENT = auto()
    """The request was sent."""
    ANSWERED = auto()
    LISTED = auto()
    """A LIST was answered. A watch begins at its version, without earlier changes."""
    FAILED = auto()
    """The request was refused, or there was no response."""


Login = Callable[[], Awaitable[Credentials]]
"""Returns the credentials in use now. It may raise `OperatorError`."""
OnRequest = Callable[[str, RequestEvent, str], None]
"""Callback with the path of a request, its stage, and the cause of a failure."""


async def open_session(login: Login, seen: OnRequest) -> kopf.AiohttpSession:
    """Open a session that calls `seen` for each request when it is sent, answered or failed.

    For a stream, `seen` is called when the stream is opened, and not for its events. So a watch shows activity at least
    as often as it is renewed.

    Args:
        login: Called for each request. kopf would use one token until it has expired, and then end all watches.
        seen: The callback. It must not raise.

    Raises:
        OperatorError: There are no credentials.
    """
    credentials = await login()
    session = aiohttp.ClientSession(
        # No limit: each watch holds a connection for as long as it lasts.
        connector=aiohttp.TCPConnector(limit=0, ssl=credentials.tls),
        headers={"User-Agent": FIELD_MANAGER},
        proxy=credentials.proxy,
        middlewares=[_authorization(login)],
        trace_configs=[_trace(seen)],
        response_class=_Response,
    )
    return kopf.AiohttpSession(server=credentials.server, aiohttp_session=session)


def _authorization(login: Login) -> ClientMiddlewareType:
    """Return a middleware that sets the token, and repeats a rejected request with the token of another login."""

    async def authorize(request: aiohttp.ClientRequest, send: ClientHandlerType) -> aiohttp.ClientResponse:
        response = await _authorized(request, login, send)
        if response.status != HTTPStatus.UNAUTHORIZED:
            return response
        response.release()
        return await _authorized(request, login, send)

    return authorize


async def _authorized(request: aiohttp.ClientRequest, login: Login, send: ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        credentials = await login()
    except OperatorError:
        raise aiohttp.ClientConnectionError from None  # kopf retries the request
    if credentials.authorization:
        request.headers[AUTHORIZATION] = credentials.authorization
    request.server_hostname = credentials.server_name
    return await send(request)


def _trace(seen: OnRequest) -> aiohttp.TraceConfig:
    trace, pace = aiohttp.TraceConfig(), _ListThrottle()

    async def sent(_: aiohttp.ClientSession, __: SimpleNamespace, parameters: aiohttp.TraceRequestStartParams) -> None:
        await pace.wait(parameters.url.path, is_list=_is_list(parameters.url.query))
        seen(parameters.url.path, RequestEvent.SENT, "")

    async def answered(
        _: aiohttp.ClientSession, __: SimpleNamespace, parameters: aiohttp.TraceRequestEndParams
    ) -> None:
        path, is_list, status = parameters.url.path, _is_list(parameters.url.query), parameters.response.status
        if not parameters.response.ok:
            if status == HTTPStatus.FORBIDDEN:
                pace.refused(path)
            seen(path, RequestEvent.FAILED, f"HTTP status {status}")
            return
        pace.answered(path, is_list=is_list)
        seen(path, RequestEvent.LISTED if is_list else RequestEvent.ANSWERED, "")

    async def failed(
        session: aiohttp.ClientSession, _: SimpleNamespace, parameters: aiohttp.TraceRequestExceptionParams
    ) -> None:
        error = parameters.exception
        if not session.closed and not isinstance(error, asyncio.CancelledError):
            seen(parameters.url.path, RequestEvent.FAILED, type(error).__name__)

    trace.on_request_start.append(sent)
    trace.on_request_end.append(answered)
    trace.on_request_exception.append(failed)
    return trace


class _ListThrottle:
    """Throttle of lists after an answered list, and of all requests after a refused one.

    kopf repeats both at once or every second. An API server may expire each version at once, and a right may be missing
    for days.
    """

    def __init__(self) -> None:
        self._listed: dict[str, float] = {}
        self._refused: dict[str, tuple[float, int]] = {}
        """When a path was last refused, and how often in a row."""

    async def wait(self, path: str, *, is_list: bool) -> None:
        """Wait until the request may be sent."""
        refused_at, failures = self._refused.get(path, (0.0, 0))
        due = refused_at + RETRY.pause(failures - 1) if failures else 0.0
        if is_list:
            due = max(due, self._listed.get(path, -LIST_SECONDS) + LIST_SECONDS)
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))

    def answered(self, path: str, *, is_list: bool) -> None:
        """Record that a request succeeded."""
        self._refused.pop(path, None)
        if is_list:
            self._listed[path] = asyncio.get_running_loop().time()

    def refused(self, path: str) -> None:
        """Record that a request was refused because a right is missing. The pause doubles with each one in a row."""
        _, failures = self._refused.get(path, (0.0, 0))
        self._refused[path] = (asyncio.get_running_loop().time(), failures + 1)


def _is_list(query: Mapping[str, str]) -> bool:
    return "limit" in query


class _Response(aiohttp.ClientResponse):
    """Response. That of a LIST has no objects and no next page."""

    async def json(self, **options: Any) -> Any:  # noqa: ANN401 # aiohttp's own type
        """Return the JSON of the response."""
        answer = await super().json(**options)
        if not isinstance(answer, dict) or "items" not in answer:
            return answer
        version = (answer.get("metadata") or {}).get("resourceVersion")
        return {**answer, "metadata": {"resourceVersion": version}, "items": []}
