"""Client of the NetBird API: rate limit, path discovery, retries of reads, and the meaning of each response."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from random import Random
from typing import Final, Self, TypeVar

from netbird_streaming.api.types import RateLimit
from netbird_streaming.backoff import Backoff
from netbird_streaming.clock import Clock
from netbird_streaming.cooperative import yielding_every
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
from netbird_streaming.errors import OperatorError
from netbird_streaming.netbird import codec, responses
from netbird_streaming.netbird.bodies import Bodies, Body
from netbird_streaming.netbird.json_list import Encoded
from netbird_streaming.netbird.path_discovery import PathDiscovery
from netbird_streaming.netbird.rate_limiter import RateLimiter, RateLimiters
from netbird_streaming.netbird.request import PreparedRequest, headers_for, url_for
from netbird_streaming.netbird.responses import Call, NoResponse, Operation, Response, TransportFailure
from netbird_streaming.netbird.transport import Transport
from netbird_streaming.reasons import Reason
from netbird_streaming.version import PROGRAM

logger = logging.getLogger(__name__)
T = TypeVar("T")

MAX_LIST: Final = 16 * 2**20
"""Bytes. An integration takes about 300, so this is fifty thousand of them."""
RETRIES: Final = 2
RETRY: Final = Backoff(0.25, 0.5, jitter=0.5)
"""Pause before each retry of a read. A write is never repeated here."""

_ONCE: Final = frozenset({Operation.USER, Operation.TOKENS})
"""Reads that can wait until the next day."""
_METHODS: Final = {Operation.CREATE: "POST", Operation.UPDATE: "PUT", Operation.DELETE: "DELETE"}


@dataclass(frozen=True, slots=True)
class CallMetric:
    """Request that was sent, for metrics: its status or its transport failure. Times are in seconds."""

    operation: Operation
    outcome: int | TransportFailure
    seconds: float
    queued: float


def ignore_call(_: CallMetric) -> None:
    """Ignore a request."""


def ignore_outcome(_: Call, __: str, ___: Response | NoResponse) -> None:
    """Ignore a response."""


@dataclass(frozen=True, slots=True)
class ClientContext:
    """Settings that all clients of a process share.

    `guard` raises `LeaseLostError` if this process may no longer act. `observe` is called with each request. `inspect`
    is called with each response and the path of its request, before the response is parsed.
    """

    clock: Clock
    random: Random
    guard: Callable[[], None]
    observe: Callable[[CallMetric], None] = ignore_call
    user_agent: str = PROGRAM
    inspect: Callable[[Call, str, Response | NoResponse], None] = ignore_outcome


@dataclass(frozen=True, slots=True)
class SharedResources:
    """Objects that clients share: all clients, those of a token, of a server, or of a CA bundle."""

    bodies: Bodies
    rate_limiters: RateLimiters
    paths: PathDiscovery
    transport: Transport


class NetBirdClient:
    """Client of one endpoint. Every method raises a branch of `OperatorError` and nothing else.

    Nothing is checked or sent before the first call.
    """

    def __init__(self, endpoint: Endpoint, limit: RateLimit, context: ClientContext, shared: SharedResources) -> None:
        self._endpoint = endpoint
        self._limit = limit
        self._context = context
        self._bodies, self._rate_limiters = shared.bodies, shared.rate_limiters
        self._paths, self._transport = shared.paths, shared.transport
        self._slot: Slot | None = None

    @property
    def path_family(self) -> PathFamily | None:
        """Return the path family that the server has proven to offer, or None."""
        return self._paths.proven

    @property
    def rate_limit_state(self) -> RateLimitState:
        """Return how many requests the rate limit allows now, for all clients of the token together."""
        return self._rate_limiter().state

    def wait(self, priority: Priority, depth: int) -> float:
        """Estimate the seconds until a request is sent that begins to wait for the rate limit now."""
        return self._rate_limiter().wait(priority, depth)

    async def slot(self, applicant: Applicant) -> Slot:
        """Wait for the rate limit. The client that `holding` returns sends the request later."""
        return await self._rate_limiter().slot(applicant)

    def holding(self, slot: Slot) -> Self:
        """Return a copy of this client whose next request uses the slot."""
        client = copy(self)
        client._slot = slot  # noqa: SLF001  # of the same class
        return client

    async def list_integrations(self, priority: Priority) -> Listing:
        """Return all integrations of the account, and the server's time of that response."""
        call, items = Call(Operation.LIST), []
        with self._bodies.body() as body:
            family, response = await self._request(Attempt(call, None, priority, body))
            with self._parsing(call, family):
                async for piece in yielding_every(codec.parse_listing(response.body), 1):
                    items += piece
        return Listing(tuple(items), responses.parse_date(response.date))

    async def get(self, integration_id: int, priority: Priority) -> Integration:
        """Return one integration, possibly without its configuration. Raises `NotFoundError` on a JSON 404."""
        call = Call(Operation.GET, integration_id)
        return await self._request_and_parse(
            call, None, priority, lambda body: codec.parse_integration(body, integration_id)
        )

    async def create(self, request: IntegrationRequest, priority: Priority) -> Integration:
        """Create an integration."""
        body = codec.encode_request(request)
        return await self._request_and_parse(Call(Operation.CREATE), body, priority, codec.parse_integration)

    async def update(self, integration_id: int, request: IntegrationRequest, priority: Priority) -> Integration:
        """Replace the configuration. The response may show the old values. Raises `NotFoundError` on a JSON 404."""
        call, sent = Call(Operation.UPDATE, integration_id), codec.encode_request(request)
        return await self._request_and_parse(
            call, sent, priority, lambda body: codec.parse_integration(body, integration_id)
        )

    async def delete(self, integration_id: int, priority: Priority) -> None:
        """Delete an integration. Raises `NotFoundError` on a JSON 404."""
        await self._request_and_parse(Call(Operation.DELETE, integration_id), None, priority, codec.check_deletion)

    async def account_id(self, priority: Priority) -> str:
        """Return the account's id by `GET /api/accounts`. Raises if the server or the token does not allow it."""
        return await self._request_and_parse(Call(Operation.ACCOUNT), None, priority, codec.parse_account_id)

    async def token_expiry(self, priority: Priority) -> datetime | None:
        """Return when the personal access token in use expires. None means that NetBird does not report it."""
        user_id = await self._request_and_parse(Call(Operation.USER), None, priority, codec.parse_user_id)
        call = Call(Operation.TOKENS, user_id=user_id)
        return expiry_of(await self._request_and_parse(call, None, priority, codec.parse_tokens))

    async def tenants(self, priority: Priority) -> tuple[str, ...]:
        """Return the ids of the tenants of a managed service provider. Raises if the token belongs to none."""
        return await self._request_and_parse(Call(Operation.TENANTS), None, priority, codec.parse_tenants)

    async def _request_and_parse(
        self, call: Call, body: bytes | None, priority: Priority, parse: Callable[[Encoded], T]
    ) -> T:
        """Send a request and parse the response."""
        with self._bodies.body() as answered:
            family, response = await self._request(Attempt(call, body, priority, answered))
            with self._parsing(call, family):
                return parse(response.body)

    @contextmanager
    def _parsing(self, call: Call, family: PathFamily | None) -> Iterator[None]:
        """Convert the errors of the block, which parses a response. A readable response proves the path family."""
        try:
            yield
        except codec.UnreadableError as problem:
            raise responses.malformed_response(call, str(problem)) from None
        if family is not None:
            self._paths.prove(family)

    async def _request(self, attempt: "Attempt") -> tuple[PathFamily | None, Response]:
        """Send by either path family, and retry reads. Raises the error of a response that is no success."""
        call = attempt.call
        family, outcome = await self._send_with_fallback(attempt)
        for retry in range(RETRIES):
            if not _is_worth_repeating(call, outcome):
                break
            await self._context.clock.sleep(RETRY.pause(retry, self._context.random))
            family, outcome = await self._send_with_fallback(attempt)
        if isinstance(outcome, NoResponse) or not responses.is_success(outcome.status) or outcome.fault is not None:
            raise await self._failure(attempt, outcome)
        return family, outcome

    async def _failure(self, attempt: "Attempt", outcome: Response | NoResponse) -> OperatorError:
        """Return the error of a failed request.

        A server without a licence answers 404 before it checks the token, so a wrong token resembles a missing licence.
        One `GET /api/accounts` distinguishes them.
        """
        now, call = self._context.clock.now(), attempt.call
        problem = responses.to_operator_error(call, outcome, now)
        unlicensed = problem.reason is Reason.NOT_LICENSED and call.operation is Operation.LIST
        if not unlicensed or self._paths.proven is not None:
            return problem
        if self._paths.is_token_rejected is None:
            question = Attempt(Call(Operation.ACCOUNT), None, attempt.priority, attempt.answer)
            account = await self._send(question, question.call.path or "")
            if isinstance(account, NoResponse) or account.status >= HTTPStatus.TOO_MANY_REQUESTS:
                return problem
            self._paths.is_token_rejected = account.status == HTTPStatus.UNAUTHORIZED
        return responses.token_rejected(call) if self._paths.is_token_rejected else problem

    async def _send_with_fallback(self, attempt: "Attempt") -> tuple[PathFamily | None, Response | NoResponse]:
        """Try the likelier path, and the other one after a 404 that proves nothing. A 404 applies no write."""
        if attempt.call.path is not None:
            return None, await self._send(attempt, attempt.call.path)
        family, other = self._paths.order
        outcome = await self._send(attempt, attempt.path(family))
        if isinstance(outcome, NoResponse):
            return family, outcome
        if not self._paths.asks_for_other(family, outcome):
            self._paths.learn(family, outcome, alone=True)
            return family, outcome
        second = await self._send(attempt, attempt.path(other))
        if isinstance(second, NoResponse):
            return other, second
        both = responses.is_api_404(outcome) and responses.is_api_404(second)
        family, chosen = self._paths.choose((family, outcome), (other, second))
        self._paths.learn(family, chosen, alone=not both)
        return family, chosen

    async def _send(self, attempt: "Attempt", path: str) -> Response | NoResponse:
        """Wait for the rate limit, then send once."""
        prepared = self._prepared(attempt, path)
        clock, rate_limiter = self._context.clock, self._rate_limiter()
        asked = clock.monotonic() - self._waited()
        async with rate_limiter.request(attempt.priority, self._slot):
            begun = clock.monotonic()
            outcome = await self._transport.send(prepared)
        result, cause = (
            (outcome.failure, outcome.cause) if isinstance(outcome, NoResponse) else (outcome.status, outcome.fault)
        )
        metric = CallMetric(attempt.call.operation, result, clock.monotonic() - begun, begun - asked)
        self._context.observe(metric)
        self._context.inspect(attempt.call, path, outcome)
        status = result if isinstance(result, int) else None
        extra = {"operation": metric.operation, "status": status, "cause": cause, "seconds": round(metric.seconds, 3)}
        logger.debug("netbird", extra=extra)
        if isinstance(outcome, Response):
            self._update_rate_limiter(rate_limiter, outcome)
        return outcome

    def _waited(self) -> float:
        """Return the seconds that the slot waited. Later calls return 0."""
        if self._slot is None:
            return 0.0
        waited, self._slot.waited = self._slot.waited, 0.0
        return waited

    def _update_rate_limiter(self, rate_limiter: RateLimiter, response: Response) -> None:
        """Apply a response to the rate limiter of the token."""
        asked = responses.retry_after(response, self._context.clock.now())
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            rate_limiter.on_too_many_requests(asked)
        else:
            rate_limiter.on_success()
            if asked is not None and response.status == HTTPStatus.SERVICE_UNAVAILABLE:
                rate_limiter.pause(asked)

    def _rate_limiter(self) -> RateLimiter:
        return self._rate_limiters.get(self._endpoint.url, self._endpoint.token, self._limit)

    def _prepared(self, attempt: "Attempt", path: str) -> PreparedRequest:
        """Build the request. Raises `WaitError` for a connection whose settings allow none."""
        operation, headers = attempt.call.operation, headers_for(self._endpoint, self._context.user_agent)
        if attempt.body is not None:
            headers["Content-Type"] = "application/json"
        return PreparedRequest(
            method=_METHODS.get(operation, "GET"),
            url=url_for(self._endpoint, path),
            headers=headers,
            body=attempt.body,
            answer=attempt.answer,
            limit=MAX_LIST if operation is Operation.LIST else codec.MAX_ELEMENT,
            guard=self._context.guard,
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    """Request before the choice of a path family. `answer` takes the body of the response."""

    call: Call
    body: bytes | None
    priority: Priority
    answer: Body

    def path(self, family: PathFamily) -> str:
        """Return the path of one family."""
        return family.value if self.call.integration_id is None else f"{family.value}/{self.call.integration_id}"


def _is_worth_repeating(call: Call, outcome: Response | NoResponse) -> bool:
    """Return whether to retry: a read whose connection broke, or that failed without a `Retry-After`."""
    if call.operation.is_write or call.operation in _ONCE:
        return False
    if isinstance(outcome, NoResponse):
        return outcome.failure in responses.TRANSIENT
    failed = outcome.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return not outcome.retry_after and (failed or outcome.fault == responses.TRUNCATED)
