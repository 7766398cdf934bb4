"""The reconciler's `NetBird` port for one process, over the simulated NetBird and a faulty network.

Error responses of the simulated server (401, 404, 422 and so on) become the errors that the shipped client raises. The
`Network` decides what happens to a request on its way.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from copy import copy
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, Self

from netbird_streaming.api.types import RateLimit
from netbird_streaming.core.netbird.destinations import COMPARABLE
from netbird_streaming.core.netbird.token_expiry import expiry_of
from netbird_streaming.core.netbird.types import (
    Applicant,
    Endpoint,
    Integration,
    IntegrationRequest,
    Listing,
    PathFamily,
    Priority,
    RateLimitState,
    Slot,
)
from netbird_streaming.errors import EditError, Effect, NotFoundError, OperatorError, RetryError, WaitError
from netbird_streaming.netbird.codec import parse_listing, parse_tokens, parse_user_id
from netbird_streaming.netbird.rate_limiter import RateLimiter, RateLimiters
from netbird_streaming.reasons import Reason
from tests.doubles.netbird.model import NetBird as Server
from tests.doubles.netbird.validation import delivery_seconds
from tests.doubles.netbird.wire import Answer, Caller, Operation, Request
from tests.simulation.hostile_server import HostileNetBird, HostileServer
from tests.simulation.network import Network, Process, RequestSpec
from tests.simulation.random_faults import RequestFault

DEFAULT_URL: Final = "https://api.netbird.io"
TIMEOUT: Final = 30.0
"""Seconds: the client's total deadline of one request."""
WRITES: Final = frozenset({Operation.CREATE, Operation.UPDATE, Operation.DELETE})
READ_FATES: Final = frozenset(
    {RequestFault.DROPPED, RequestFault.UNANSWERED, RequestFault.BROKEN, RequestFault.LIMITED, RequestFault.REFUSED}
)
WRITE_FATES: Final = frozenset(RequestFault)
REFUSALS: Final = (
    (WaitError, Reason.TOKEN_REJECTED),
    (WaitError, Reason.PERMISSION_DENIED),
    (WaitError, Reason.DESTINATION_REJECTED),
    (EditError, Reason.CONFIGURATION_REJECTED),
)
_BY_STATUS: Final[Mapping[int, tuple[type[OperatorError], Reason]]] = {
    400: (EditError, Reason.CONFIGURATION_REJECTED),
    401: (WaitError, Reason.TOKEN_REJECTED),
    403: (WaitError, Reason.PERMISSION_DENIED),
    404: (NotFoundError, Reason.REMOTE_DELETED),
    409: (WaitError, Reason.ALREADY_EXISTS),
    412: (WaitError, Reason.DESTINATION_REJECTED),
    422: (EditError, Reason.CONFIGURATION_REJECTED),
    429: (RetryError, Reason.RATE_LIMITED),
}


class WriteObserver:
    """An observer of each write: when it is sent, when it is applied and when its response arrives."""

    def sent(self, process: Process, request: Request) -> None:
        """The process sends the request."""

    def applying(self, request: Request) -> None:
        """The server is about to apply the request."""

    def applied(self, request: Request, answer: Answer) -> None:
        """The server applied the request."""

    def answered(self, request: Request, answer: Answer) -> None:
        """The process received the response."""

    def failed(self, request: Request, *, unknown: bool) -> None:
        """The request failed for the process, or its outcome is unknown."""

    def over(self, request: Request) -> None:
        """The request was applied, or never will be."""


_COMPARED: Final = frozenset(name for names in COMPARABLE.values() for name in names)
"""The keys of a configuration that the shipped client keeps. It drops the others."""
NO_OBSERVER: Final = WriteObserver()
"""Reads need no observer."""


class UnlimitedSlot:
    """A slot without a rate limit."""

    waited = 0.0

    def give_back(self) -> None:
        """No slot to return."""

    def spend(self, limiter: object) -> bool:  # noqa: ARG002  # there is none
        return True


class SimNetBird:
    """A client for one endpoint."""

    def __init__(self, factory: "SimNetBirdFactory", endpoint: Endpoint, limit: RateLimit) -> None:
        self._factory = factory
        self._endpoint, self._limit = endpoint, limit
        self._slot: Slot | None = None
        word = "Token" if endpoint.token_type == "PersonalAccessToken" else "Bearer"
        self._caller = Caller(f"{word} {endpoint.token}", endpoint.tenant_id)
        self.path_family: PathFamily | None = endpoint.path_family

    @property
    def _budget(self) -> RateLimiter | None:
        rate_limiters = self._factory.budgets
        return (
            None if rate_limiters is None else rate_limiters.get(self._endpoint.url, self._endpoint.token, self._limit)
        )

    @property
    def rate_limit_state(self) -> RateLimitState:
        rate_limiter = self._budget
        return RateLimitState(1.0, 1) if rate_limiter is None else rate_limiter.state

    def wait(self, priority: Priority, depth: int) -> float:
        rate_limiter = self._budget
        return 0.0 if rate_limiter is None else rate_limiter.wait(priority, depth)

    async def slot(self, applicant: Applicant) -> Slot:
        rate_limiter = self._budget
        return UnlimitedSlot() if rate_limiter is None else await rate_limiter.slot(applicant)

    def holding(self, slot: Slot) -> Self:
        """Return the same client, whose next request uses the slot."""
        client = copy(self)
        client._slot = slot
        return client

    async def list_integrations(self, priority: Priority) -> Listing:
        """LIST."""
        answer, at = await self._ask(Request(Operation.LIST, self._caller), priority)
        items = tuple(item for piece in parse_listing(answer.content) for item in piece)
        date = at.replace(microsecond=0) if self._factory.server.behaviour.date_header else None
        return Listing(items, date)

    async def get(self, integration_id: int, priority: Priority) -> Integration:
        """GET by id."""
        return _integration((await self._ask(Request(Operation.GET, self._caller, integration_id), priority))[0].body)

    async def create(self, request: IntegrationRequest, priority: Priority) -> Integration:
        """POST."""
        return _integration(
            (await self._ask(Request(Operation.CREATE, self._caller, None, _body(request)), priority))[0].body
        )

    async def update(self, integration_id: int, request: IntegrationRequest, priority: Priority) -> Integration:
        """PUT."""
        put = Request(Operation.UPDATE, self._caller, integration_id, _body(request))
        return _integration((await self._ask(put, priority))[0].body)

    async def delete(self, integration_id: int, priority: Priority) -> None:
        """DELETE."""
        await self._ask(Request(Operation.DELETE, self._caller, integration_id), priority)

    async def account_id(self, priority: Priority) -> str:
        """GET /api/accounts."""
        body: Any = (await self._ask(Request(Operation.ACCOUNTS, self._caller), priority))[0].body
        return str(body[0]["id"])

    async def token_expiry(self, priority: Priority) -> datetime | None:
        """GET /api/users/current and the tokens of that user."""
        user = parse_user_id((await self._ask(Request(Operation.USER, self._caller), priority))[0].content)
        tokens = Request(Operation.TOKENS, self._caller, user_id=user)
        return expiry_of(parse_tokens((await self._ask(tokens, priority))[0].content))

    async def _ask(self, request: Request, priority: Priority) -> tuple[Answer, datetime]:
        if self._endpoint.read_only and request.operation in WRITES:
            # As the shipped client does. The decision must not come so far.
            self._factory.held_back.append(request.operation.upper())
            raise WaitError(Reason.OBSERVE_ONLY, "nothing is written to NetBird.")
        rate_limiter = self._budget
        async with nullcontext() if rate_limiter is None else rate_limiter.request(priority, self._slot):
            answer, at = await self._factory.send(request)
        self.path_family = PathFamily.INTEGRATIONS
        return answer, at


class SimNetBirdFactory:
    """All clients of one process."""

    def __init__(
        self,
        server: Server,
        now: Callable[[], datetime],
        network: Network,
        process: Process,
        observer: WriteObserver,
    ) -> None:
        self.budgets: RateLimiters | None = None
        """If set, the clients keep to the connections' rate limits."""
        self.server = server
        self._now = now
        self._network = network
        self._process = process
        self._observer = observer
        self.hostile: HostileServer | None = None
        """The server of a tenant, behind every URL but the default one and every CA."""
        self.held_back: list[str] = []
        """The writes that a client of a read-only endpoint refused."""
        self.calls: list[str] = []
        """The calls that the server answered, by name."""

    def client(self, endpoint: Endpoint, limit: RateLimit) -> SimNetBird | HostileNetBird:
        if self.hostile is not None and (endpoint.url != DEFAULT_URL or endpoint.ca_bundle is not None):
            return HostileNetBird(self.hostile, self._process)
        if self.budgets is not None:
            self.budgets.add_limit(endpoint.url, endpoint.token, limit)
        return SimNetBird(self, endpoint, limit)

    def set_rate_limits(self, limits: Mapping[tuple[str, str], RateLimit]) -> None:
        """Set the limits of all tokens in use."""
        if self.budgets is not None:
            self.budgets.set_limits(limits)

    async def send(self, request: Request) -> tuple[Answer, datetime]:
        """Send a request and return its response. Raises the matching error for any status but 200."""
        write = request.operation in WRITES
        observer = self._observer if write else NO_OBSERVER
        label = request.operation.upper() + (f" {request.integration_id}" if request.integration_id else "")
        self._process.guard()
        observer.sent(self._process, request)
        request_spec = RequestSpec(
            label=f"netbird {label}",
            possible=WRITE_FATES if write else READ_FATES,
            timeout=TIMEOUT,
            fail=lambda fault, choice: _failure(fault, write=write, which=int(choice * len(REFUSALS))),
            over=lambda: observer.over(request),
            seconds=delivery_seconds(request.body, self.server.behaviour) if write else 0.0,
        )
        try:
            answer, at = await self._network.call(
                self._process, request_spec, lambda: self._carry_out(request, observer)
            )
        except OperatorError as problem:
            observer.failed(request, unknown=problem.effect is Effect.UNKNOWN)
            raise
        except asyncio.CancelledError:
            observer.failed(request, unknown=True)
            raise
        self.calls.append(label)
        if answer.status != HTTPStatus.OK:
            observer.failed(request, unknown=False)
            raise _refused(answer.status)
        observer.answered(request, answer)
        return answer, at

    def _carry_out(self, request: Request, observer: WriteObserver) -> tuple[Answer, datetime]:
        at = self._now()
        admission = self.server.admit(request, at)
        answer = admission.refusal
        if answer is None:
            observer.applying(request)
            answer = self.server.apply(request, admission, at)
            observer.applied(request, answer)
        observer.over(request)
        return answer, at


def _refused(status: int) -> OperatorError:
    kind, reason = _BY_STATUS.get(status, (RetryError, Reason.UNAVAILABLE))
    return kind(reason, f"NetBird answered {status}. {reason.remedy}")


def _failure(fault: RequestFault, *, write: bool, which: int) -> OperatorError:
    match fault:
        case RequestFault.LIMITED:
            retry_after = (None, 1.0, 20.0, None)[which]
            return RetryError(Reason.RATE_LIMITED, "NetBird answered 429.", retry_after=retry_after)
        case RequestFault.REFUSED:
            kind, reason = REFUSALS[which] if write else REFUSALS[which % 2]
            return kind(reason, f"NetBird refused. {reason.remedy}")
        case _:
            effect = Effect.UNKNOWN if write else Effect.NONE
            return RetryError(Reason.UNAVAILABLE, f"NetBird did not answer ({fault.name}).", effect=effect)


def _body(request: IntegrationRequest) -> dict[str, object]:
    return {"platform": request.platform, "config": dict(request.config), "enabled": request.enabled}


def _integration(shown: Any) -> Integration:
    config = shown.get("config")
    if config is not None:
        config = {name: value for name, value in config.items() if name in _COMPARED and value is not None}
    return Integration(
        id=shown["id"],
        account_id=shown.get("account_id"),
        platform=shown.get("platform"),
        enabled=shown.get("enabled"),
        config=config,
        created_at=shown.get("created_at"),
        updated_at=shown.get("updated_at"),
    )
