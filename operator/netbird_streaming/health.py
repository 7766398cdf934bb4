"""What the kubelet asks: /healthz (restart me?) and /readyz (have I started?), over HTTP/1.1 on asyncio alone.

Small on purpose: it answers GET and HEAD of two paths, reads no body, and keeps no connection.
"""

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

Probe = Callable[[], str | None]
"""What is wrong, in a sentence; None if nothing is."""

READ_SECONDS: Final = 5.0
HEAD_BYTES: Final = 8192


class HealthServer:
    """Serves probes by path until closed. An event loop that hangs answers nothing, which counts as failing, too."""

    def __init__(self, probes: Mapping[str, Probe]) -> None:
        """Take the probe of each path; it must neither block nor raise."""
        self._probes = probes
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
                status, text = self._judge(head)
                body = f"{text}\n".encode()
                lines = (
                    f"HTTP/1.1 {status.value} {status.phrase}",
                    "Content-Type: text/plain; charset=utf-8",
                    f"Content-Length: {len(body)}",
                    "Connection: close",
                )
                writer.write("\r\n".join((*lines, "", "")).encode() + (b"" if head.startswith(b"HEAD ") else body))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, TimeoutError):
            pass  # whoever asked has gone away, or speaks no HTTP
        finally:
            writer.close()

    def _judge(self, head: bytes) -> tuple[HTTPStatus, str]:
        method, _, rest = head.partition(b" ")
        if method not in {b"GET", b"HEAD"}:
            return HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD"
        path = rest.partition(b" ")[0].partition(b"?")[0].decode("ascii", "replace")
        probe = self._probes.get(path)
        if probe is None:
            return HTTPStatus.NOT_FOUND, f"only {', '.join(sorted(self._probes))}"
        wrong = probe()
        return (HTTPStatus.OK, "ok") if wrong is None else (HTTPStatus.SERVICE_UNAVAILABLE, wrong)
