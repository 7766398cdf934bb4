"""The delivery of a response over HTTP, with its faults."""

import asyncio
import socket
import struct
from datetime import datetime
from email.utils import format_datetime

from aiohttp import web

from tests.doubles.netbird.faults import Delivery, Hang, Interim, Slow, Truncate
from tests.doubles.netbird.wire import Answer

_SLOW_PIECES = 20


async def send(request: web.Request, delivery: Delivery, date: datetime | None) -> web.StreamResponse:
    """Send a delivery. `date` becomes the `Date` header (None: no such header).

    A connection to break is broken before this returns, and the returned response is not sent.
    """
    answer = delivery.answer
    if answer is None:
        if isinstance(delivery.failure, Hang):
            await _until_given_up(delivery.failure)
        reset(request)
        return web.Response(status=500)
    match delivery.failure:
        case Truncate(keep=keep):
            return await _truncated(request, answer, date, keep)
        case Slow(header=header, body=body):
            await asyncio.sleep(header)
            return await _trickled(request, answer, date, body)
        case Interim(status=status):
            if request.transport is not None:
                request.transport.write(f"HTTP/1.1 {status} Interim\r\n\r\n".encode())
            return whole(answer, date)
        case _:
            return whole(answer, date)


def whole(answer: Answer, date: datetime | None) -> web.Response:
    """Make the response of a delivery without a fault."""
    response = web.Response(status=answer.status, body=answer.content)
    _head(response, answer, date)
    return response


def reset(request: web.Request) -> None:
    """Reset the connection, so that the client sees neither a response nor an orderly end."""
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _head(response: web.StreamResponse, answer: Answer, date: datetime | None) -> None:
    """Set the headers of a response."""
    if answer.content_type:
        response.headers["Content-Type"] = answer.content_type
    for name, value in answer.headers:
        response.headers[name] = value
    if date is not None:
        response.headers["Date"] = format_datetime(date, usegmt=True)


async def _until_given_up(hang: Hang) -> None:
    """Wait as long as the fault says. A client that disconnects ends it by cancelling the handler."""
    await (asyncio.sleep(hang.seconds) if hang.seconds is not None else asyncio.Event().wait())


async def _truncated(request: web.Request, answer: Answer, date: datetime | None, keep: int) -> web.StreamResponse:
    """Announce the whole body, send its beginning, and close the connection."""
    response = web.StreamResponse(status=answer.status)
    _head(response, answer, date)
    response.headers["Content-Length"] = str(max(len(answer.content), keep + 1))
    await response.prepare(request)
    await response.write(answer.content[:keep])
    if request.transport is not None:
        request.transport.close()
    return response


async def _trickled(request: web.Request, answer: Answer, date: datetime | None, seconds: float) -> web.StreamResponse:
    """Send the body in pieces over so many seconds."""
    response = web.StreamResponse(status=answer.status)
    _head(response, answer, date)
    response.headers["Content-Length"] = str(len(answer.content))
    await response.prepare(request)
    size = max(1, -(-len(answer.content) // _SLOW_PIECES))
    pieces = [answer.content[start : start + size] for start in range(0, len(answer.content), size)]
    for piece in pieces:
        await asyncio.sleep(seconds / len(pieces))
        await response.write(piece)
    await response.write_eof()
    return response
