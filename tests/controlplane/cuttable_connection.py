"""The cable to an API server: it can be cut, and it can go dead without a word."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

Listener = Callable[[int, bytes], None]
"""Told of what a client sends, with the port that it sends from, before it goes on; an OSError cuts the connection.

A connection begins with nothing.
"""


class Cable:
    """Forwards TCP connections; made by `laid`."""

    def __init__(self, target: str, source: str | None = None, listener: Listener | None = None) -> None:
        """`source` is the address of this machine that the server sees as its client's."""
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
        """The API server, by way of this cable."""
        return f"{self._scheme}://127.0.0.1:{self._own_port}"

    def hang(self) -> None:
        """Accept and say nothing from now on: what a frozen server looks like."""
        self._alive.clear()

    async def cut(self) -> None:
        """Reset all connections and refuse new ones: what a killed server looks like."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def mend(self) -> None:
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
async def laid(target: str, source: str | None = None, listener: Listener | None = None) -> AsyncIterator[Cable]:
    """Lay a cable to the server at this URL."""
    cable = Cable(target, source, listener)
    await cable.mend()
    try:
        yield cable
    finally:
        await cable.cut()
