"""The HTTP session through which kopf watches: as the same user as ours, and with its signs of life seen.

kopf lists before it watches, which would bring each object a second time. So a LIST tells it nothing but the version to
watch from.
"""

import asyncio
from collections.abc import Callable, Mapping
from enum import Enum, auto
from types import SimpleNamespace
from typing import Any, Final

import aiohttp

from netbird_streaming.cluster.connection import FIELD_MANAGER, Credentials

LIST_SECONDS: Final = 1.0
"""Between two lists of the same objects: kopf lists again at once, however often a watch of it has expired."""


class Sign(Enum):
    """What has just become of a request."""

    ASKED = auto()
    """It was sent, or failed."""
    ANSWERED = auto()
    LISTED = auto()
    """A LIST was answered: a watch begins there, and tells nothing of what came before."""


Seen = Callable[[str, Sign], None]
"""Told of a request's path, and what has just become of it."""


def open_session(credentials: Credentials, seen: Seen) -> aiohttp.ClientSession:
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


def _trace(seen: Seen) -> aiohttp.TraceConfig:
    trace, pace = aiohttp.TraceConfig(), _Pace()

    async def sent(_: aiohttp.ClientSession, __: SimpleNamespace, parameters: aiohttp.TraceRequestStartParams) -> None:
        if _is_list(parameters.url.query):
            await pace.keep(parameters.url.path)
        seen(parameters.url.path, Sign.ASKED)

    async def answered(
        _: aiohttp.ClientSession, __: SimpleNamespace, parameters: aiohttp.TraceRequestEndParams
    ) -> None:
        path, sign = parameters.url.path, Sign.ASKED
        if parameters.response.ok:
            sign = Sign.LISTED if _is_list(parameters.url.query) else Sign.ANSWERED
        if sign is Sign.LISTED:
            pace.heard(path)
        seen(path, sign)

    async def failed(
        _: aiohttp.ClientSession, __: SimpleNamespace, parameters: aiohttp.TraceRequestExceptionParams
    ) -> None:
        seen(parameters.url.path, Sign.ASKED)

    trace.on_request_start.append(sent)
    trace.on_request_end.append(answered)
    trace.on_request_exception.append(failed)
    return trace


class _Pace:
    """Holds a list back that follows too soon on one that was answered: some API server may always forget at once."""

    def __init__(self) -> None:
        self._answered: dict[str, float] = {}

    async def keep(self, path: str) -> None:
        """Wait until it may be asked."""
        due = self._answered.get(path, -LIST_SECONDS) + LIST_SECONDS
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))

    def heard(self, path: str) -> None:
        """It was answered well."""
        self._answered[path] = asyncio.get_running_loop().time()


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
