"""HTTP/1.1 server for /healthz, /readyz and /metrics, on asyncio alone.

It answers GET and HEAD of fixed paths, reads no body, and closes each connection after one response.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, cast

ANSWER_SECONDS: Final = 5.0
MAX_CONNECTIONS: Final = 32
HEAD_BYTES: Final = 8192
TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """Response of a page. `content_type` is the value of the header."""

    status: HTTPStatus
    content_type: str
    body: bytes


Handler = Callable[[Mapping[str, str]], HttpResponse]
"""Answers a request. The argument maps lower-case names of headers to values. It must neither block nor raise."""


def text_response(status: HTTPStatus, text: str) -> HttpResponse:
    """Return a response of one line of text."""
    return HttpResponse(status, TEXT, f"{text}\n".encode())


class HttpServer:
    """Server that answers requests by path until it is closed. A blocked event loop fails the probes, too.

    Every client that reaches the port can connect. A connection therefore costs a buffer and a timer, and no task. It
    lasts at most `ANSWER_SECONDS`. Beyond `MAX_CONNECTIONS`, the oldest one is closed. A probe sends its request at
    once, so it receives a response before its connection is the oldest.

    Args:
        handlers: The handler of each path.
        seconds: The longest time that a connection lasts.
    """

    def __init__(self, handlers: Mapping[str, Handler], seconds: float = ANSWER_SECONDS) -> None:
        self._handlers = handlers
        self.seconds = seconds
        self._server: asyncio.Server | None = None
        self._connections: dict[_Connection, None] = {}

    @property
    def connections(self) -> int:
        """Return how many connections are open."""
        return len(self._connections)

    async def start(self, host: str, port: int) -> int:
        """Listen on `host`, or on all addresses if it is empty. Return the port; port 0 selects a free one.

        Raises:
            OSError: The address can't be listened on.
        """
        loop = asyncio.get_running_loop()
        if host:
            self._server = await loop.create_server(lambda: _Connection(self), host, port)
        else:
            self._server = await loop.create_server(lambda: _Connection(self), sock=_listener(port))
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    async def close(self) -> None:
        """Stop listening, and close all connections."""
        if self._server is not None:
            self._server.close()
            for connection in list(self._connections):
                connection.abort()
            await self._server.wait_closed()

    def opened(self, connection: "_Connection") -> None:
        """Add a connection, and close the oldest one beyond the limit."""
        self._connections[connection] = None
        if len(self._connections) > MAX_CONNECTIONS:
            next(iter(self._connections)).abort()

    def closed(self, connection: "_Connection") -> None:
        """Remove a connection."""
        self._connections.pop(connection, None)

    def answer(self, head: bytes) -> bytes:
        """Return the whole response to the head of a request."""
        response = self._respond(head)
        lines = (
            f"HTTP/1.1 {response.status.value} {response.status.phrase}",
            f"Content-Type: {response.content_type}",
            f"Content-Length: {len(response.body)}",
            "Connection: close",
        )
        body = b"" if head.startswith(b"HEAD ") else response.body
        return "\r\n".join((*lines, "", "")).encode() + body

    def _respond(self, head: bytes) -> HttpResponse:
        request, *fields = head.splitlines()
        method, _, rest = request.partition(b" ")
        if method not in {b"GET", b"HEAD"}:
            return text_response(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD")
        path = rest.partition(b" ")[0].partition(b"?")[0].decode("ascii", "replace")
        page = self._handlers.get(path)
        if page is None:
            return text_response(HTTPStatus.NOT_FOUND, f"only {', '.join(sorted(self._handlers))}")
        return page(_headers(fields))


class _Connection(asyncio.Protocol):
    """Connection of one client: it receives the head of a request, and sends a response."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._head = b""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the timer."""
        self._transport = cast("asyncio.Transport", transport)
        self._timer = asyncio.get_running_loop().call_later(self._server.seconds, self.abort)
        self._server.opened(self)

    def data_received(self, data: bytes) -> None:
        """Send the response once the head is complete."""
        if self._transport is None or self._transport.is_closing():
            return
        self._head += data
        head, end, _ = self._head.partition(b"\r\n\r\n")
        if end:
            self._head = b""
            self._transport.write(self._server.answer(head + end))
            self._transport.close()
        elif len(self._head) > HEAD_BYTES:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the cause does not matter
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._server.closed(self)

    def abort(self) -> None:
        """Close the connection, even if the client has not read the response."""
        self._server.closed(self)
        if self._transport is not None:
            self._transport.abort()


def _listener(port: int) -> socket.socket:
    """Return a socket for all addresses, IPv4 and IPv6, or IPv4 alone on a machine without IPv6.

    One socket serves both: two sockets would need the same port to be free twice.
    """
    try:
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    except (OSError, ValueError):  # no such family, no such address, or no dual stack
        return socket.create_server(("0.0.0.0", port))  # noqa: S104  # probes come from outside of the pod


def _headers(fields: list[bytes]) -> dict[str, str]:
    """Return the header fields. The values of a repeated field are joined by commas."""
    headers: dict[str, str] = {}
    for field in fields:
        name, _, value = field.decode("ascii", "replace").partition(":")
        known = headers.get(name.lower())
        headers[name.lower()] = value.strip() if known is None else f"{known},{value.strip()}"
    return headers
