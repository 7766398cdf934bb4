"""HTTP transport to NetBird: one request, and its response or none. No type of httpx leaves this module.

An exception of httpx can hold parts of the request (a header's value, a URL's query). So none is chained, kept or
logged.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import httpx

from netbird_streaming.errors import OperatorError
from netbird_streaming.netbird.bodies import DROPPED, Body
from netbird_streaming.netbird.http_clients import HttpClients
from netbird_streaming.netbird.network import LimitedStream, TooMuchError
from netbird_streaming.netbird.request import PreparedRequest
from netbird_streaming.netbird.responses import TRUNCATED, NoResponse, Response, TransportFailure
from netbird_streaming.proxies import Proxy

CONNECT_FRACTION: Final = 3
"""Connecting may take a third of the deadline. So an absent host differs from a slow one."""
MAX_PIECES: Final = 16 * 1024
"""Pieces in which a body may arrive: as many packets as the largest LIST has. Each takes as long as a kilobyte."""
PIECES_IN_A_ROW: Final = 50
"""Pieces that are received without a pause for other tasks."""
MAX_REFUSAL: Final = 64 * 1024
"""Bytes of a response that is no success. Of its body, only whether it is a JSON object has a meaning."""


@dataclass(slots=True, eq=False)
class _Client:
    """HTTP client, the version of the authorities that it trusts, and the number of requests that use it now."""

    client: httpx.AsyncClient
    trust_version: object
    requests: int = 0


class Transport:
    """Transport of requests that trust the same authorities and use the same proxy.

    The client is created for the first request, and again after the authorities of the process have changed.

    Args:
        clients: The factory of HTTP clients.
        ca_bundle: The authorities to trust instead of those of the process, or None.
        proxy: The proxy, or None.
        timeout: The deadline of a request in seconds, including the body of its response.
    """

    def __init__(self, clients: HttpClients, ca_bundle: str | None, proxy: Proxy | None, timeout: float) -> None:
        self._clients = clients
        self._ca_bundle = ca_bundle
        self._proxy = proxy
        self._timeout = timeout
        self._current: _Client | None = None

    async def send(self, prepared: PreparedRequest) -> Response | NoResponse:
        """Send the request once.

        Raises:
            OperatorError: An error of `guard`, or `WaitError` if no client can be created.
        """
        progress = _Progress(prepared.guard)
        try:
            async with self._client() as client, asyncio.timeout(self._timeout):
                return await self._exchange(client, prepared, progress)
        except OperatorError:
            raise
        except TimeoutError:
            return NoResponse(TransportFailure.LATE, progress.may_have_left, "deadline")
        except Exception as problem:  # noqa: BLE001  # total: every exception of a client means that no response came
            sent = progress.may_have_left and not _is_before_sending(problem)
            return NoResponse(self._obstacle(problem, progress.step), sent, type(problem).__name__)

    def _obstacle(self, problem: Exception, step: "_Step | None") -> TransportFailure:
        """Return the cause of a missing response, from the exception and the step of connecting that raised it."""
        if not _is_before_sending(problem):
            return _interruption(problem)
        if isinstance(problem, httpx.ProxyError) or (self._proxy is not None and step in _STEPS_TO_PROXY):
            return TransportFailure.PROXIED
        if isinstance(problem, httpx.TimeoutException):
            return TransportFailure.UNREACHABLE
        causes = list(_causes(problem))
        code = next((each.verify_code for each in causes if isinstance(each, ssl.SSLCertVerificationError)), None)
        if code is not None:
            untrusted = TransportFailure.UNTRUSTED if self._ca_bundle is None else TransportFailure.UNTRUSTED_BY_BUNDLE
            return _BY_VERIFY_CODE.get(code, untrusted)
        if step in _TLS_STEPS or any(isinstance(each, ssl.SSLError) for each in causes):
            return TransportFailure.TLS
        return (
            TransportFailure.UNRESOLVED
            if any(isinstance(e, socket.gaierror) for e in causes)
            else TransportFailure.REFUSED
        )

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[httpx.AsyncClient]:
        """Lend the current client to a request. A replaced client is closed after its last request."""
        version = self._clients.trust_version()
        if self._current is not None and self._current.trust_version != version:
            await self.aclose()
        if self._current is None:
            self._current = _Client(self._clients.open(self._ca_bundle, self._proxy), version)
        used = self._current
        used.requests += 1
        try:
            yield used.client
        finally:
            used.requests -= 1
            if used is not self._current and not used.requests:
                await used.client.aclose()

    async def _exchange(self, client: httpx.AsyncClient, prepared: PreparedRequest, progress: "_Progress") -> Response:
        connect = self._timeout / CONNECT_FRACTION
        request = httpx.Request(
            prepared.method,
            prepared.url,
            headers=prepared.headers,
            content=prepared.body,
            extensions={
                "trace": progress.trace,
                "timeout": {"connect": connect, "read": None, "write": None, "pool": None},
            },
        )
        prepared.guard()
        response = await client.send(request, stream=True, auth=None)
        try:
            limit = prepared.limit if response.is_success else min(prepared.limit, MAX_REFUSAL)
            stream = response.extensions.get("network_stream")
            if isinstance(stream, LimitedStream):
                stream.allow_body(limit)
            fault = await _read(response, prepared.answer, limit)
        finally:
            await response.aclose()
        headers, content = response.headers, prepared.answer.content
        return Response(response.status_code, content, fault, headers.get("Date"), headers.get("Retry-After"))

    async def aclose(self) -> None:
        """Close all connections. Those in use are closed after their request."""
        replaced, self._current = self._current, None
        if replaced is not None and not replaced.requests:
            await replaced.client.aclose()


class _Step(StrEnum):
    """Step of connecting, with httpcore's name."""

    CONNECT = "connection.connect_tcp"
    TLS = "connection.start_tls"
    TLS_THROUGH_PROXY = "proxy.start_tls"


_STEPS_TO_PROXY: Final = frozenset({_Step.CONNECT, _Step.TLS})
"""With a proxy, these are steps to the proxy itself."""
_TLS_STEPS: Final = frozenset({_Step.TLS, _Step.TLS_THROUGH_PROXY})
_STARTED: Final = {f"{step}.started": step for step in _Step}
_BY_VERIFY_CODE: Final = {
    9: TransportFailure.EXPIRED,  # X509_V_ERR_CERT_NOT_YET_VALID
    10: TransportFailure.EXPIRED,  # X509_V_ERR_CERT_HAS_EXPIRED
    62: TransportFailure.WRONG_HOST,  # X509_V_ERR_HOSTNAME_MISMATCH
    64: TransportFailure.WRONG_HOST,  # X509_V_ERR_IP_ADDRESS_MISMATCH
}
"""OpenSSL's codes. The other codes mean that no trusted authority signed the certificate."""

_GUARDED_EVENTS: Final = frozenset({"http11.send_request_headers.started", "http11.send_request_body.started"})
"""A process may be frozen between the two. A server applies no write before the body has arrived, so a write that began
before the freeze is not completed after it."""


class _Progress:
    """Progress of a request, from httpx's trace extension. It calls the guard immediately before bytes leave.

    The names of the events are httpcore's. Without any event (another transport), bytes may have left.
    """

    def __init__(self, guard: Callable[[], None]) -> None:
        self._guard = guard
        self._sending = False
        self.step: _Step | None = None

    @property
    def may_have_left(self) -> bool:
        return self._sending or self.step is None

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event in _STARTED:
            self.step = _STARTED[event]
        elif event in _GUARDED_EVENTS and info["request"].method != b"CONNECT":
            self._guard()
            self._sending = True


async def _read(response: httpx.Response, body: Body, limit: int) -> str | None:
    """Read the body, which must not be encoded. Return the reason why it can't be read, or None."""
    body.begin()
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        return "it is compressed, which was not asked for"
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced[:19]) > limit:
        return _too_large(limit)
    try:
        fault = await _receive(response, body, limit)
    except httpx.TransportError as problem:
        fault = _too_large(limit) if _is_too_much(problem) else TRUNCATED
    if fault is None:
        body.is_complete = True
    else:
        body.drop()
    return fault


async def _receive(response: httpx.Response, body: Body, limit: int) -> str | None:
    """Add what arrives to the body. Return the reason why the rest is not received, or None at the end."""
    pieces = 0
    async for piece in response.aiter_bytes():
        body.add(piece)
        pieces += 1
        if body.is_dropped:
            return DROPPED
        if len(body.content) > limit:
            return _too_large(limit)
        if pieces > MAX_PIECES:
            return f"it arrives in more than {MAX_PIECES} pieces"
        if pieces % PIECES_IN_A_ROW == 0:
            await asyncio.sleep(0)
    return None


def _interruption(problem: Exception) -> TransportFailure:
    """Return why a response did not come after the request was sent."""
    if _is_too_much(problem):
        return TransportFailure.FLOOD
    return TransportFailure.LATE if isinstance(problem, httpx.TimeoutException) else TransportFailure.BROKEN


def _too_large(limit: int) -> str:
    size = f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit // 1024} KiB"
    return f"it is larger than {size}"


def _is_too_much(problem: BaseException) -> bool:
    return any(isinstance(each, TooMuchError) for each in _causes(problem))


def _is_before_sending(problem: Exception) -> bool:
    return isinstance(problem, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError)


def _causes(problem: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = problem
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
