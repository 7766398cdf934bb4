"""HTTP session for kopf's watches: with the operator's credentials, and with each request observed.

kopf lists before it watches, so it would receive each object a second time. Through this session, a LIST returns only
the version from which to watch.
"""

import asyncio
from collections.abc import Callable, Mapping
from enum import Enum, auto
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, Final

import aiohttp

from netbird_streaming.cluster.client import FIELD_MANAGER, Credentials

LIST_SECONDS: Final = 1.0
"""The least time between two lists of the same objects. kopf lists again at once whenever a watch has expired."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 15.0
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


OnRequest = Callable[[str, RequestEvent], None]
"""Callback with the path of a request and its stage."""


def open_session(credentials: Credentials, seen: OnRequest) -> aiohttp.ClientSession:
    """Open a session that calls `seen` for each request when it is sent, answered or failed.

    For a stream, `seen` is called when the stream is opened, and not for its events. So a watch shows activity at least
    as often as it is renewed.

    Args:
        credentials: The credentials in use now. After a 401 (an expired token), the session must be replaced.
        seen: The callback. It must not raise.
    """
    headers = {"User-Agent": FIELD_MANAGER}
    if credentials.authorization:
        headers["Authorization"] = credentials.authorization
    return aiohttp.ClientSession(
        # No limit: each watch holds a connection for as long as it lasts.
        connector=aiohttp.TCPConnector(limit=0, ssl=credentials.tls),
        headers=headers,
        proxy=credentials.proxy,
        trace_configs=[_trace(seen)],
        response_class=_Response,
    )


def _trace(seen: OnRequest) -> aiohttp.TraceConfig:
    trace, pace = aiohttp.TraceConfig(), _ListThrottle()

    async def sent(_: aiohttp.ClientSession, __: SimpleNamespace, parameters: aiohttp.TraceRequestStartParams) -> None:
        await pace.wait(parameters.url.path, is_list=_is_list(parameters.url.query))
        seen(parameters.url.path, RequestEvent.SENT)

    async def answered(
        _: aiohttp.ClientSession, __: SimpleNamespace, parameters: aiohttp.TraceRequestEndParams
    ) -> None:
        path, is_list = parameters.url.path, _is_list(parameters.url.query)
        if not parameters.response.ok:
            if parameters.response.status == HTTPStatus.FORBIDDEN:
                pace.refused(path)
            seen(path, RequestEvent.FAILED)
            return
        pace.answered(path, is_list=is_list)
        seen(path, RequestEvent.LISTED if is_list else RequestEvent.ANSWERED)

    async def failed(
        _: aiohttp.ClientSession, __: SimpleNamespace, parameters: aiohttp.TraceRequestExceptionParams
    ) -> None:
        seen(parameters.url.path, RequestEvent.FAILED)

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
        self._refused: dict[str, tuple[float, float]] = {}

    async def wait(self, path: str, *, is_list: bool) -> None:
        """Wait until the request may be sent."""
        refused_at, pause = self._refused.get(path, (0.0, 0.0))
        due = refused_at + pause
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
        _, pause = self._refused.get(path, (0.0, 0.0))
        pause = min(pause * 2, LONGEST_PAUSE) if pause else FIRST_PAUSE
        self._refused[path] = (asyncio.get_running_loop().time(), pause)


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
