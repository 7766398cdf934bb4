"""The few pages that this process shows, over HTTP/1.1 on asyncio alone: /healthz, /readyz and /metrics.

Small on purpose: it answers GET and HEAD of fixed paths, reads no body, and keeps no connection.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

READ_SECONDS: Final = 5.0
HEAD_BYTES: Final = 8192
TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What a page answers; `content_type` is the header's value."""

    status: HTTPStatus
    content_type: str
    body: bytes


Handler = Callable[[Mapping[str, str]], HttpResponse]
"""Answers a request, of which it gets the headers by their lower-case names. It must neither block nor raise."""


def text_response(status: HTTPStatus, text: str) -> HttpResponse:
    """An answer of one line of text."""
    return HttpResponse(status, TEXT, f"{text}\n".encode())


class HttpServer:
    """Serves pages by path until closed. An event loop that hangs answers nothing, which counts as failing, too."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        """Take the page of each path."""
        self._handlers = handlers
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, on all addresses where `host` is empty; gives the port (for 0: the one that was free).

        Raises:
            OSError: The address can't be listened on.
        """
        self._server = await asyncio.start_server(self._answer, host or None, port, limit=HEAD_BYTES)
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(READ_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                response = self._respond(head)
                lines = (
                    f"HTTP/1.1 {response.status.value} {response.status.phrase}",
                    f"Content-Type: {response.content_type}",
                    f"Content-Length: {len(response.body)}",
                    "Connection: close",
                )
                body = b"" if head.startswith(b"HEAD ") else response.body
                writer.write("\r\n".join((*lines, "", "")).encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, TimeoutError):
            pass  # whoever asked has gone away, or speaks no HTTP
        finally:
            writer.close()

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


def _headers(fields: list[bytes]) -> dict[str, str]:
    """The header fields; of one that is given more than once, all values, as one list."""
    headers: dict[str, str] = {}
    for field in fields:
        name, _, value = field.decode("ascii", "replace").partition(":")
        known = headers.get(name.lower())
        headers[name.lower()] = value.strip() if known is None else f"{known},{value.strip()}"
    return headers
