"""The HTTP session through which kopf watches: as the same user as ours, and with its signs of life seen.

kopf lists before it watches, which would bring each object a second time. So a LIST tells it nothing but the version to
watch from.
"""

import ssl
from collections.abc import Callable
from enum import Enum, auto
from types import SimpleNamespace
from typing import Any

import aiohttp

from netbird_streaming.cluster.connection import FIELD_MANAGER, Credentials


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
    trace = aiohttp.TraceConfig()

    async def sent(_: aiohttp.ClientSession, __: SimpleNamespace, parameters: aiohttp.TraceRequestStartParams) -> None:
        seen(parameters.url.path, Sign.ASKED)

    async def answered(
        _: aiohttp.ClientSession, __: SimpleNamespace, parameters: aiohttp.TraceRequestEndParams
    ) -> None:
        sign = Sign.LISTED if "limit" in parameters.url.query else Sign.ANSWERED
        seen(parameters.url.path, sign if parameters.response.ok else Sign.ASKED)

    async def failed(
        _: aiohttp.ClientSession, __: SimpleNamespace, parameters: aiohttp.TraceRequestExceptionParams
    ) -> None:
        seen(parameters.url.path, Sign.ASKED)

    trace.on_request_start.append(sent)
    trace.on_request_end.append(answered)
    trace.on_request_exception.append(failed)
    headers = {"User-Agent": FIELD_MANAGER}
    if credentials.authorization:
        headers["Authorization"] = credentials.authorization
    return aiohttp.ClientSession(
        # No limit: each watch holds a connection for as long as it lasts.
        connector=aiohttp.TCPConnector(limit=0, ssl=_tls(credentials)),
        headers=headers,
        proxy=credentials.proxy,
        trace_configs=[trace],
        response_class=_Response,
    )


class _Response(aiohttp.ClientResponse):
    """An answer; of a LIST, without the objects and the next page."""

    async def json(self, **options: Any) -> Any:  # noqa: ANN401 # as aiohttp has it
        """Give the answer's JSON."""
        answer = await super().json(**options)
        if not isinstance(answer, dict) or "items" not in answer:
            return answer
        version = (answer.get("metadata") or {}).get("resourceVersion")
        return {**answer, "metadata": {"resourceVersion": version}, "items": []}


def _tls(credentials: Credentials) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=credentials.ca_path)
    if credentials.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if credentials.certificate_path:
        context.load_cert_chain(credentials.certificate_path, credentials.private_key_path)
    return context
