"""The simulated NetBird API over real HTTP, in this process or as its own."""

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from aiohttp import web

from tests.doubles.netbird import control_api
from tests.doubles.netbird.faults import Delivery, Exchange
from tests.doubles.netbird.model import NetBird
from tests.doubles.netbird.request_log import Entry, Journal
from tests.doubles.netbird.response_delivery import send, whole
from tests.doubles.netbird.validation import delivery_seconds
from tests.doubles.netbird.wire import Answer, Caller, Request, no_such_path, refusal, route

_MAX_BODY: Final = 8 * 2**20
_LARGE_BODY_TYPE: Final = 413


def system_clock() -> datetime:
    """Read the machine's clock, in UTC."""
    return datetime.now(UTC)


class SimulatedNetBird:
    """A NetBird server on a loopback port: the model, the faults in front of it and the request log.

    Use it as an async context manager, or with `start` and `stop`. Tests in the same process use the parts directly,
    others the control API under `/_control/`.
    """

    def __init__(self, model: NetBird | None = None, clock: Callable[[], datetime] = system_clock) -> None:
        """Prepare a server. Nothing listens before `start`. `clock` is the server's, before its skew."""
        self.exchange = Exchange(model or NetBird())
        self.journal = Journal()
        self._clock = clock
        self._runner: web.AppRunner | None = None
        self._url = ""

    @property
    def model(self) -> NetBird:
        """The server's state."""
        return self.exchange.model

    @property
    def url(self) -> str:
        """The URL of the API, without a slash at the end.

        Raises:
            RuntimeError: the server does not run.
        """
        if not self._url:
            message = "the server does not run"
            raise RuntimeError(message)
        return self._url

    def now(self) -> datetime:
        """The server's time, its skew included."""
        return self._clock() + timedelta(seconds=self.model.behaviour.clock_skew)

    async def start(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> str:
        """Listen and return the URL. Port 0 takes a free one.

        Raises:
            OSError: the port is in use.
        """
        app = web.Application(client_max_size=_MAX_BODY)
        app.on_response_prepare.append(self._trim_headers)
        control_api.add_routes(app, self)
        app.router.add_route("*", "/{path:.*}", self._serve)
        # Cancelling the handler of a disconnected client ends a hang. A short shutdown ends permanent hangs.
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, ssl_context=tls, backlog=1024).start()
        bound = self._runner.addresses[0][1]
        self._url = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{bound}"
        return self._url

    async def stop(self) -> None:
        """Close every connection and stop listening. The state is kept."""
        self._url = ""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        """Start on a free port."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        """Receive a request of the API and answer it, and log both."""
        received = self.now()
        try:
            content = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return whole(refusal(_LARGE_BODY_TYPE, "request body too large"), self._date(received))
        found = route(request.method, request.path, _caller(request), content)
        entry = Entry(
            sequence=0,
            received_at=received,
            method=request.method,
            path=request.path,
            query=request.query_string,
            body=content.decode(errors="replace"),
        )
        if found.request is None:
            return self._refuse(found.refusal or no_such_path(self.model.behaviour.unknown_path), entry)
        return await self._exchange(request, found.request, entry)

    async def _exchange(self, request: web.Request, asked: Request, entry: Entry) -> web.StreamResponse:
        """Pass a request to the model and send its response. The log has the request from the start."""
        delivery = self.exchange.serve(asked, entry.received_at)
        sequence = self.journal.add(_described(entry, asked, delivery))
        status: int | None = None
        try:
            behaviour = self.model.behaviour
            await asyncio.sleep(behaviour.latency + delivery_seconds(asked.body, behaviour))
            response = await send(request, delivery, self._date(self.now()))
            status = delivery.answer.status if delivery.answer else None
        finally:
            self.journal.close(sequence, status, self.now())
        return response

    def _refuse(self, answer: Answer, entry: Entry) -> web.Response:
        """Send the router's own response."""
        self.journal.close(self.journal.add(entry), answer.status, self.now())
        return whole(answer, self._date(entry.received_at))

    def _date(self, now: datetime) -> datetime | None:
        """Return the time for the `Date` header, if the server sends one."""
        return now if self.model.behaviour.date_header else None

    async def _trim_headers(self, _: web.BaseRequest, response: web.StreamResponse) -> None:
        """Remove the headers that aiohttp adds: its name, and the `Date` of a server that sends none."""
        response.headers.popall("Server", None)
        if not self.model.behaviour.date_header:
            response.headers.popall("Date", None)


def _caller(request: web.Request) -> Caller:
    """Read the caller. Like the vendor's server, use `account` only if it is given once."""
    accounts = request.query.getall("account", [])
    return Caller(request.headers.get("Authorization"), accounts[0] if len(accounts) == 1 else None)


def _described(entry: Entry, asked: Request, delivery: Delivery) -> Entry:
    """Add the model's result to a log entry."""
    return Entry(
        sequence=entry.sequence,
        received_at=entry.received_at,
        method=entry.method,
        path=entry.path,
        query=entry.query,
        body=entry.body,
        operation=asked.operation,
        integration_id=asked.integration_id,
        token_id=delivery.admission.token_id,
        account_id=delivery.admission.account_id,
        applied=delivery.applied,
        late=delivery.late,
        fault=delivery.failure.kind if delivery.failure else None,
    )
