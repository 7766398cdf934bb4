"""The HTTP session through which kopf watches: as the same user as ours, and with its signs of life seen.

kopf lists before it watches, which would bring each object a second time. So a LIST tells it nothing but the version to
watch from.
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
"""Between two lists of the same objects: kopf lists again at once, however often a watch of it has expired."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 15.0
"""After refused requests in a row, beside kopf's own second. Shorter than kopf's timeout of a request."""


class RequestEvent(Enum):
    """What has just become of a request."""

    SENT = auto()
    """It was sent."""
    ANSWERED = auto()
    LISTED = auto()
    """A LIST was answered: a watch begins there, and tells nothing of what came before."""
    FAILED = auto()
    """It was not answered, or was refused."""


OnRequest = Callable[[str, RequestEvent], None]
"""Told of a request's path, and what has just become of it."""


def open_session(credentials: Credentials, seen: OnRequest) -> aiohttp.ClientSession:
    """Open a session that calls `seen` for each request when it is sent, answered or failed.

    A stream is seen when it is opened and not while it flows, so a watch shows life at least as often as it is renewed.

    Args:
        credentials: Those in use now; a session whose token has expired is answered by 401 and must be replaced.
        seen: Must not raise.
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
    """Delays a request that follows too soon: a list on one that was answered, and any request on refused ones.

    kopf repeats both at once or every second: some API server may forget each version at once, and a right may be
    missing for days.
    """

    def __init__(self) -> None:
        self._listed: dict[str, float] = {}
        self._refused: dict[str, tuple[float, float]] = {}

    async def wait(self, path: str, *, is_list: bool) -> None:
        """Wait until it may be sent."""
        refused_at, pause = self._refused.get(path, (0.0, 0.0))
        due = refused_at + pause
        if is_list:
            due = max(due, self._listed.get(path, -LIST_SECONDS) + LIST_SECONDS)
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))

    def answered(self, path: str, *, is_list: bool) -> None:
        """It was answered well."""
        self._refused.pop(path, None)
        if is_list:
            self._listed[path] = asyncio.get_running_loop().time()

    def refused(self, path: str) -> None:
        """It was refused for want of a right; the pause doubles with each time in a row."""
        _, pause = self._refused.get(path, (0.0, 0.0))
        pause = min(pause * 2, LONGEST_PAUSE) if pause else FIRST_PAUSE
        self._refused[path] = (asyncio.get_running_loop().time(), pause)


def _is_list(query: Mapping[str, str]) -> bool:
    return "limit" in query


class _Response(aiohttp.ClientResponse):
    """An answer; of a LIST, without the objects and the next page."""

    async def json(self, **options: Any) -> Any:  # noqa: ANN401 # as aiohttp has it
        """Give the answer's JSON."""
        answer = await super().json(**options)
        if not isinstance(answer, dict) or "items" not in answer:
            return answer
        version = (answer.get("metadata") or {}).get("resourceVersion")
        return {**answer, "metadata": {"resourceVersion": version}, "items": []}
