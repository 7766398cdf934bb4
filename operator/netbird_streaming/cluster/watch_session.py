"""The HTTP session through which kopf lists and watches: as the same user as ours, and with its signs of life seen."""

import ssl
from collections.abc import Callable
from types import SimpleNamespace

import aiohttp

from netbird_streaming.cluster.connection import FIELD_MANAGER, Credentials

Seen = Callable[[str, bool], None]
"""Told of a request's path, and whether the API server has just answered it."""


def open_session(credentials: Credentials, seen: Seen) -> aiohttp.ClientSession:
    """Open a session that calls `seen` for each request when it is sent, answered or failed.

    A stream is seen when it is opened and not while it flows, so a watch shows life at least as often as it is renewed.

    Args:
        credentials: Those in use now; a session whose token has expired is answered by 401 and must be replaced.
        seen: Must not raise.
    """
    trace = aiohttp.TraceConfig()

    async def sent(_: aiohttp.ClientSession, __: SimpleNamespace, parameters: aiohttp.TraceRequestStartParams) -> None:
        seen(parameters.url.path, False)  # noqa: FBT003 # a callback takes no keywords

    async def answered(
        _: aiohttp.ClientSession, __: SimpleNamespace, parameters: aiohttp.TraceRequestEndParams
    ) -> None:
        seen(parameters.url.path, parameters.response.ok)

    async def failed(
        _: aiohttp.ClientSession, __: SimpleNamespace, parameters: aiohttp.TraceRequestExceptionParams
    ) -> None:
        seen(parameters.url.path, False)  # noqa: FBT003 # a callback takes no keywords

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
    )


def _tls(credentials: Credentials) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=credentials.ca_path)
    if credentials.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if credentials.certificate_path:
        context.load_cert_chain(credentials.certificate_path, credentials.private_key_path)
    return context
