"""The control API under `/_control/`, by which tests and the demo configure a server and read its state."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final, Protocol

from aiohttp import web

from tests.doubles.netbird.behaviour import Behaviour
from tests.doubles.netbird.codec import dump, load
from tests.doubles.netbird.faults import Armed, Exchange, Fault
from tests.doubles.netbird.model import NetBird
from tests.doubles.netbird.records import Draft, Integration
from tests.doubles.netbird.request_log import Entry, Journal
from tests.doubles.netbird.state import State, state_of
from tests.doubles.netbird.tenancy import Account, Token
from tests.doubles.netbird.wire import Operation

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PREFIX: Final = "/_control"


class Controlled(Protocol):
    """The server's interface for the control API."""

    exchange: Exchange
    journal: Journal

    @property
    def model(self) -> NetBird:
        """The server's state."""
        ...

    def now(self) -> datetime:
        """The server's time."""
        ...


@dataclass(frozen=True, slots=True)
class ForeignDraft:
    """An integration that is created in the dashboard of an account."""

    account_id: str
    draft: Draft


@dataclass(frozen=True, slots=True)
class ForeignEdit:
    """A change in the dashboard: the keys to change, and whether it is enabled."""

    config: dict[str, str] | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """Counters: test events by integration, requests over the budget by token, and pending late requests."""

    now: datetime
    requests: int
    test_events: dict[int, int]
    over_budget: dict[str, int]
    deferred: int


def add_routes(app: web.Application, server: Controlled) -> None:
    """Add the control API to a server's application."""
    control = _Control(server)
    routes: tuple[tuple[str, str, Handler], ...] = (
        ("GET", "/figures", control.figures),
        ("GET", "/journal", control.journal),
        ("DELETE", "/journal", control.clear_journal),
        ("GET", "/faults", control.faults),
        ("POST", "/faults", control.add_fault),
        ("DELETE", "/faults", control.clear_faults),
        ("DELETE", "/faults/{id}", control.remove_fault),
        ("GET", "/behaviour", control.behaviour),
        ("PATCH", "/behaviour", control.change_behaviour),
        ("POST", "/accounts", control.add_account),
        ("POST", "/tokens", control.add_token),
        ("POST", "/tokens/{id}/revoke", control.revoke_token),
        ("GET", "/state", control.state),
        ("GET", "/integrations", control.integrations),
        ("POST", "/integrations", control.create),
        ("PATCH", "/integrations/{id}", control.edit),
        ("DELETE", "/integrations/{id}", control.delete),
    )
    for method, path, handler in routes:
        app.router.add_route(method, PREFIX + path, _reporting(handler))


def _reporting(handler: Handler) -> Handler:
    """Convert an error of the caller to a status and a message."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except KeyError as error:
            return web.json_response({"error": f"not there: {error}"}, status=404)
        except (TypeError, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)

    return guarded


class _Control:
    """The handlers of the control API. Each applies due late requests first."""

    def __init__(self, server: Controlled) -> None:
        self._server = server

    @property
    def _model(self) -> NetBird:
        """Return the server's state after all due requests."""
        self._server.model.advance(self._server.now())
        return self._server.model

    async def figures(self, _: web.Request) -> web.StreamResponse:
        model = self._model
        figures = Figures(
            now=self._server.now(),
            requests=self._server.journal.next_sequence,
            test_events=dict(model.test_events),
            over_budget=model.directory.over_budget,
            deferred=len(model.deferred),
        )
        return web.json_response(dump(Figures, figures))

    async def journal(self, request: web.Request) -> web.StreamResponse:
        wanted = request.query.get("operation")
        operation = Operation(wanted) if wanted else None
        entries = self._server.journal.since(int(request.query.get("since", "0")), operation)
        return web.json_response(dump(list[Entry], entries))

    async def clear_journal(self, _: web.Request) -> web.StreamResponse:
        self._server.journal.clear()
        return web.json_response({})

    async def faults(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(dump(tuple[Armed, ...], self._server.exchange.faults.armed))

    async def add_fault(self, request: web.Request) -> web.StreamResponse:
        fault = load(Fault, await request.json())
        return web.json_response({"id": self._server.exchange.faults.add(fault)})

    async def clear_faults(self, _: web.Request) -> web.StreamResponse:
        self._server.exchange.faults.clear()
        return web.json_response({})

    async def remove_fault(self, request: web.Request) -> web.StreamResponse:
        self._server.exchange.faults.remove(int(request.match_info["id"]))
        return web.json_response({})

    async def behaviour(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(dump(Behaviour, self._server.model.behaviour))

    async def change_behaviour(self, request: web.Request) -> web.StreamResponse:
        change = await request.json()
        known = asdict(self._model.behaviour)
        unknown = sorted(set(change) - set(known))
        if unknown:
            message = f"no such settings: {', '.join(unknown)}"
            raise ValueError(message)
        self._server.model.behaviour = load(Behaviour, {**known, **change})
        return await self.behaviour(request)

    async def add_account(self, request: web.Request) -> web.StreamResponse:
        self._model.directory.add_account(load(Account, await request.json()))
        return web.json_response({})

    async def add_token(self, request: web.Request) -> web.StreamResponse:
        self._model.directory.add_token(load(Token, await request.json()))
        return web.json_response({})

    async def revoke_token(self, request: web.Request) -> web.StreamResponse:
        self._model.directory.revoke_token(request.match_info["id"])
        return web.json_response({})

    async def state(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(dump(State, state_of(self._model)))

    async def integrations(self, request: web.Request) -> web.StreamResponse:
        account_id = request.query.get("account")
        live = self._model.shelf.of_account(account_id) if account_id else self._model.integrations
        return web.json_response(dump(tuple[Integration, ...], tuple(live.values())))

    async def create(self, request: web.Request) -> web.StreamResponse:
        drafts = load(list[ForeignDraft], await request.json())
        now = self._server.now()
        ids = [self._model.dashboard_create(wanted.account_id, wanted.draft, now) for wanted in drafts]
        return web.json_response({"ids": ids})

    async def edit(self, request: web.Request) -> web.StreamResponse:
        change = load(ForeignEdit, await request.json())
        found = int(request.match_info["id"])
        self._model.dashboard_edit(found, self._server.now(), config=change.config, enabled=change.enabled)
        return web.json_response({})

    async def delete(self, request: web.Request) -> web.StreamResponse:
        self._model.dashboard_delete(int(request.match_info["id"]), self._server.now())
        return web.json_response({})
