"""The five operations of the NetBird API, and the account: budget, paths, repetition, and what each answer means."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from http import HTTPStatus
from random import Random
from typing import Final, Self, TypeVar

from netbird_streaming.core.remote import (
    Allowance,
    Applicant,
    Endpoint,
    Integration,
    IntegrationRequest,
    Listing,
    PathFamily,
    Priority,
    Slot,
)
from netbird_streaming.core.resources import RateLimit
from netbird_streaming.errors import OperatorError
from netbird_streaming.netbird import answers, wire
from netbird_streaming.netbird.answers import Answer, Obstacle, Operation, Silence, Subject
from netbird_streaming.netbird.bodies import Bodies, Body
from netbird_streaming.netbird.budget import Budget, Budgets, Clock
from netbird_streaming.netbird.json_list import Encoded
from netbird_streaming.netbird.outgoing import Outgoing, headers_for, url_for
from netbird_streaming.netbird.paths import Paths
from netbird_streaming.netbird.transport import Transport
from netbird_streaming.pieces import in_pieces
from netbird_streaming.reasons import Reason

log = logging.getLogger(__name__)
T = TypeVar("T")

ACCOUNTS_PATH: Final = "/api/accounts"
MAX_LIST: Final = 16 * 2**20
"""Bytes; an integration takes about 300, so this is fifty thousand of them."""
PAUSES: Final = (0.25, 0.5)
"""Seconds, give or take half, before each repetition of a read; a write is never repeated."""

_METHODS: Final = {Operation.CREATE: "POST", Operation.UPDATE: "PUT", Operation.DELETE: "DELETE"}


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was sent, for metrics: its status, or what kept the answer away; times in seconds."""

    operation: Operation
    outcome: int | Obstacle
    seconds: float
    queued: float


def unobserved(_: Call) -> None:
    """Hear of a request and do nothing."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all clients of a process share.

    `guard` raises `LeaseLostError` when this process may no longer act; `observe` hears of each request.
    """

    clock: Clock
    random: Random
    guard: Callable[[], None]
    observe: Callable[[Call], None] = unobserved
    user_agent: str = "netbird-streaming-operator"


@dataclass(frozen=True, slots=True)
class Shares:
    """What a client shares with all others, and with some: those of one token, of one server, of one CA bundle."""

    bodies: Bodies
    budgets: Budgets
    paths: Paths
    transport: Transport


class NetBirdClient:
    """The API of one endpoint. Every method raises a branch of `OperatorError` and nothing else."""

    def __init__(self, endpoint: Endpoint, limit: RateLimit, around: Surroundings, shares: Shares) -> None:
        """Make a client; nothing is checked or sent before the first call."""
        self._endpoint = endpoint
        self._limit = limit
        self._around = around
        self._bodies, self._budgets = shares.bodies, shares.budgets
        self._paths, self._transport = shares.paths, shares.transport
        self._slot: Slot | None = None

    @property
    def path_family(self) -> PathFamily | None:
        """The family that answered, once one has."""
        return self._paths.proven

    @property
    def allowance(self) -> Allowance:
        """What of the token's budget is left, for all clients of the token together."""
        return self._budget().allowance

    def wait(self, priority: Priority, depth: int) -> float:
        """Estimate the seconds until a request is sent that begins to wait for the rate limit now."""
        return self._budget().wait(priority, depth)

    async def slot(self, applicant: Applicant) -> Slot:
        """Wait for the rate limit; the request is sent later by the client that `holding` returns."""
        return await self._budget().slot(applicant)

    def holding(self, slot: Slot) -> Self:
        """Return the same client; its next request uses the slot."""
        client = copy(self)
        client._slot = slot  # noqa: SLF001  # of the same class
        return client

    async def list_integrations(self, priority: Priority) -> Listing:
        """All integrations of the account, with the server's time of that answer."""
        subject, items = Subject(Operation.LIST), []
        with self._bodies.body() as body:
            family, answer = await self._ask(_Attempt(subject, None, priority, body))
            with self._believing(subject, family):
                async for piece in in_pieces(wire.parse_listing(answer.body), 1):
                    items += piece
        return Listing(tuple(items), answers.parse_date(answer.date))

    async def get(self, integration_id: int, priority: Priority) -> Integration:
        """One integration; may be thin. Raises `NotFoundError` on a JSON 404."""
        subject = Subject(Operation.GET, integration_id)
        return await self._do(subject, None, priority, lambda body: wire.parse_integration(body, integration_id))

    async def create(self, request: IntegrationRequest, priority: Priority) -> Integration:
        """Create an integration."""
        body = wire.encode_request(request)
        return await self._do(Subject(Operation.CREATE), body, priority, wire.parse_integration)

    async def update(self, integration_id: int, request: IntegrationRequest, priority: Priority) -> Integration:
        """Replace the configuration; the answer may show the old values. Raises `NotFoundError` on a JSON 404."""
        subject, sent = Subject(Operation.UPDATE, integration_id), wire.encode_request(request)
        return await self._do(subject, sent, priority, lambda body: wire.parse_integration(body, integration_id))

    async def delete(self, integration_id: int, priority: Priority) -> None:
        """Delete. Raises `NotFoundError` on a JSON 404."""
        await self._do(Subject(Operation.DELETE, integration_id), None, priority, wire.check_deletion)

    async def account_id(self, priority: Priority) -> str:
        """The account's id by `GET /api/accounts`; raises where the server or the token does not answer it."""
        return await self._do(Subject(Operation.ACCOUNT), None, priority, wire.parse_account_id)

    async def _do(self, subject: Subject, body: bytes | None, priority: Priority, parse: Callable[[Encoded], T]) -> T:
        """Ask, and parse the answer."""
        with self._bodies.body() as answered:
            family, answer = await self._ask(_Attempt(subject, body, priority, answered))
            with self._believing(subject, family):
                return parse(answer.body)

    @contextmanager
    def _believing(self, subject: Subject, family: PathFamily | None) -> Iterator[None]:
        """While the block parses an answer: one that can be read proves the path, for another it raises."""
        try:
            yield
        except wire.UnreadableError as problem:
            raise answers.unreadable(subject, str(problem)) from None
        if family is not None:
            self._paths.prove(family)

    async def _ask(self, attempt: "_Attempt") -> tuple[PathFamily | None, Answer]:
        """Send, by either family, reads repeatedly; raises what an answer means that is no success."""
        subject = attempt.subject
        family, outcome = await self._by_either_family(attempt)
        for pause in PAUSES:
            if not _is_worth_repeating(subject, outcome):
                break
            await self._around.clock.sleep(pause * self._around.random.uniform(0.5, 1.5))
            family, outcome = await self._by_either_family(attempt)
        if isinstance(outcome, Silence) or not answers.is_success(outcome.status) or outcome.fault is not None:
            raise await self._failure(attempt, outcome)
        return family, outcome

    async def _failure(self, attempt: "_Attempt", outcome: Answer | Silence) -> OperatorError:
        """Return what a failed request means.

        A server without a licence answers 404 before it looks at the token, so that a wrong token looks like a missing
        licence. `GET /api/accounts` tells them apart; it is asked once.
        """
        now, subject = self._around.clock.now(), attempt.subject
        problem = answers.failure(subject, outcome, now)
        unlicensed = problem.reason is Reason.NOT_LICENSED and subject.operation is Operation.LIST
        if not unlicensed or self._paths.proven is not None:
            return problem
        if self._paths.is_token_rejected is None:
            question = _Attempt(Subject(Operation.ACCOUNT), None, attempt.priority, attempt.answer)
            account = await self._send(question, ACCOUNTS_PATH)
            if isinstance(account, Silence) or account.status >= HTTPStatus.TOO_MANY_REQUESTS:
                return problem
            self._paths.is_token_rejected = account.status == HTTPStatus.UNAUTHORIZED
        return answers.token_rejected(subject) if self._paths.is_token_rejected else problem

    async def _by_either_family(self, attempt: "_Attempt") -> tuple[PathFamily | None, Answer | Silence]:
        """Try the likelier path, and the other where a 404 leaves it open; a 404 proves that nothing was done."""
        if attempt.subject.operation is Operation.ACCOUNT:
            return None, await self._send(attempt, ACCOUNTS_PATH)
        family, other = self._paths.order
        outcome = await self._send(attempt, attempt.path(family))
        if isinstance(outcome, Silence):
            return family, outcome
        if not self._paths.asks_for_other(family, outcome):
            self._paths.learn(family, outcome, alone=True)
            return family, outcome
        second = await self._send(attempt, attempt.path(other))
        if isinstance(second, Silence):
            return other, second
        both = answers.is_api_404(outcome) and answers.is_api_404(second)
        family, chosen = self._paths.choose((family, outcome), (other, second))
        self._paths.learn(family, chosen, alone=not both)
        return family, chosen

    async def _send(self, attempt: "_Attempt", path: str) -> Answer | Silence:
        """Wait for the budget, then send once."""
        outgoing = self._outgoing(attempt, path)
        clock, budget = self._around.clock, self._budget()
        asked = clock.monotonic() - self._waited()
        async with budget.request(attempt.priority, self._slot):
            begun = clock.monotonic()
            outcome = await self._transport.send(outgoing)
        result, cause = (
            (outcome.obstacle, outcome.cause) if isinstance(outcome, Silence) else (outcome.status, outcome.fault)
        )
        call = Call(attempt.subject.operation, result, clock.monotonic() - begun, begun - asked)
        self._around.observe(call)
        status = result if isinstance(result, int) else None
        extra = {"operation": call.operation, "status": status, "cause": cause, "seconds": round(call.seconds, 3)}
        log.debug("netbird", extra=extra)
        if isinstance(outcome, Answer):
            self._heed(budget, outcome)
        return outcome

    def _waited(self) -> float:
        """Return how long the slot was waited for, once."""
        if self._slot is None:
            return 0.0
        waited, self._slot.waited = self._slot.waited, 0.0
        return waited

    def _heed(self, budget: Budget, answer: Answer) -> None:
        """What the answer says of the token's budget."""
        asked = answers.retry_after(answer, self._around.clock.now())
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            budget.refused(asked)
        else:
            budget.admitted()
            if asked is not None and answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
                budget.pause(asked)

    def _budget(self) -> Budget:
        return self._budgets.of(self._endpoint.url, self._endpoint.token, self._limit)

    def _outgoing(self, attempt: "_Attempt", path: str) -> Outgoing:
        """Build the request. Raises `WaitError` for a connection of which none can be built."""
        operation, headers = attempt.subject.operation, headers_for(self._endpoint, self._around.user_agent)
        if attempt.body is not None:
            headers["Content-Type"] = "application/json"
        return Outgoing(
            method=_METHODS.get(operation, "GET"),
            url=url_for(self._endpoint, path),
            headers=headers,
            body=attempt.body,
            answer=attempt.answer,
            limit=MAX_LIST if operation is Operation.LIST else wire.MAX_ELEMENT,
            guard=self._around.guard,
        )


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What is to be sent, by whichever path; `answer` takes the body of what is answered."""

    subject: Subject
    body: bytes | None
    priority: Priority
    answer: Body

    def path(self, family: PathFamily) -> str:
        return family.value if self.subject.integration_id is None else f"{family.value}/{self.subject.integration_id}"


def _is_worth_repeating(subject: Subject, outcome: Answer | Silence) -> bool:
    """A read whose connection broke, or that a server failed on without saying when to come again."""
    if subject.operation.is_write:
        return False
    if isinstance(outcome, Silence):
        return outcome.obstacle in answers.PASSING
    failed = outcome.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return not outcome.retry_after and (failed or outcome.fault == answers.CUT_OFF)
