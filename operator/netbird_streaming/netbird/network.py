"""Network streams with limits on what a server may send. No type of httpcore leaves `netbird/`.

The size of a body does not show what it costs to receive: chunks of one byte, long extensions of chunks, and any number
of informational responses before the response take processor time. httpx limits none of them.
"""

import ssl
from collections.abc import Iterable
from typing import Any, Final

import httpcore

MAX_HEAD: Final = 32 * 1024
"""Bytes before the body of a response, with the informational responses. Usual servers send at most 8 KiB."""
HEAD_PIECE: Final = 4 * 1024
"""Bytes of a head that are parsed without a pause."""
BODY_FACTOR: Final = 2
"""The bytes on the wire that a body may take, for each byte of its own limit: the rest frames its chunks."""

SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class TooMuchError(httpcore.RemoteProtocolError):
    """The server sent more bytes than it may."""


class LimitedStream(httpcore.AsyncNetworkStream):
    """Stream that reads at most `MAX_HEAD` bytes after each write, until `allow_body` permits a body."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._left, self._piece = MAX_HEAD, HEAD_PIECE

    def allow_body(self, limit: int) -> None:
        """Permit a body of at most `limit` bytes, with its frames."""
        self._left = self._piece = BODY_FACTOR * limit + MAX_HEAD

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  # httpcore's signature
        """Read the next bytes.

        Raises:
            TooMuchError: No more bytes are permitted.
        """
        if self._left <= 0:
            message = "the server sent more than it may"
            raise TooMuchError(message)
        data = await self._stream.read(min(max_bytes, self._piece, self._left), timeout)
        self._left -= len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109  # httpcore's signature
        """Write the bytes of a request. A response follows."""
        self._left, self._piece = MAX_HEAD, HEAD_PIECE
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        """Return the stream within TLS, with the same limits."""
        return LimitedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  # httpcore's signature
        """Return what the stream reports about itself."""
        return self._stream.get_extra_info(info)


class LimitedNetwork(httpcore.AnyIOBackend):
    """Network whose connections have these limits."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a host."""
        return LimitedStream(await super().connect_tcp(host, port, timeout, local_address, socket_options))
