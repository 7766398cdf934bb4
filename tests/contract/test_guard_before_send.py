"""The guard immediately before a request: a process that was frozen during one does not finish it."""

import asyncio

import httpx
import pytest

from netbird_streaming.errors import LeaseLostError
from netbird_streaming.netbird.bodies import Bodies
from netbird_streaming.netbird.http_clients import EnvironmentHttpClients
from netbird_streaming.netbird.request import PreparedRequest
from netbird_streaming.netbird.transport import Transport
from netbird_streaming.reasons import Reason


class Lease:
    """A guard that is lost after so many checks."""

    def __init__(self, looks: int) -> None:
        self._left = looks

    def guard(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise LeaseLostError(Reason.PROGRESSING, "lost")


@pytest.mark.parametrize(("looks", "arrives"), [(0, b""), (1, b""), (2, b"POST / HTTP/1.1")])
async def test_lease_that_is_lost_while_a_request_is_sent_holds_back_its_body(looks: int, arrives: bytes) -> None:
    received = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.set_result(await reader.read(-1))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = httpx.URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        transport = Transport(EnvironmentHttpClients({}), None, None, timeout=5.0)
        with pytest.raises(LeaseLostError), Bodies().body() as answer:
            await transport.send(PreparedRequest("POST", url, {}, b"the body", answer, 100, Lease(looks).guard))
        await transport.aclose()
        text = await received if looks else b""
        assert text.partition(b"\r\n")[0] == arrives
        assert b"the body" not in text
