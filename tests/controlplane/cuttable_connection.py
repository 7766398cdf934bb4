"""A TCP proxy to an API server that can reset connections or stop responding."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

Listener = Callable[[int, bytes], None]
"""Receives what a client sends, with its port, before it is forwarded. An OSError cuts the connection.

Each connection begins with an empty call.
"""


class CuttableConnection:
    """Forwards TCP connections. Made by `cuttable_connection`."""

    def __init__(self, target: str, source: str | None = None, listener: Listener | None = None) -> None:
        """Store the addresses. `source` is the address of this machine that the server sees as its client's."""
        parts = urlsplit(target)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 443
        self._scheme = parts.scheme
        self._source = None if source is None else (source, 0)
        self._listener = listener
        self._own_port = 0
        self._server: asyncio.Server | None = None
        self._alive = asyncio.Event()
        self._alive.set()
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The URL of the API server through this proxy."""
        return f"{self._scheme}://127.0.0.1:{self._own_port}"

    def hang(self) -> None:
        """Accept connections and do not respond from now on, like a frozen server."""
        self._alive.clear()

    async def cut(self) -> None:
        """Reset all connections and refuse new ones, like a killed server."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def restore(self) -> None:
        """Work again, at the same address."""
        self._alive.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._own_port)
        self._own_port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        writers = [writer]
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port, local_addr=self._source)
            writers.append(far_writer)
            sender = writer.get_extra_info("peername")[1]
            if self._listener is not None:
                self._listener(sender, b"")
            async with asyncio.TaskGroup() as group:
                group.create_task(self._copy(reader, far_writer, sender))
                group.create_task(self._copy(far_reader, writer))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            for end in writers:
                end.transport.abort()

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sender: int | None = None
    ) -> None:
        while data := await reader.read(65536):
            if self._listener is not None and sender is not None:
                self._listener(sender, data)
            await self._alive.wait()
            writer.write(data)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()


@asynccontextmanager
async def cuttable_connection(
    target: str, source: str | None = None, listener: Listener | None = None
) -> AsyncIterator[CuttableConnection]:
    """Start a proxy to the server at this URL."""
    connection = CuttableConnection(target, source, listener)
    await connection.restore()
    try:
        yield connection
    finally:
        await connection.cut()
