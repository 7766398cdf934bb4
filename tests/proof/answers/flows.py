"""The flows of users, each with its calls of NetBird: any of them can get a wrong response."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import uuid4

from netbird_streaming.api.types import RECONCILE_ANNOTATION
from netbird_streaming.reasons import Reason
from tests.doubles.netbird.faults import Fault, Moment, Reset
from tests.doubles.netbird.tenancy import Account, Token
from tests.doubles.netbird.wire import Operation
from tests.proof.answers.faulty_user import FaultyUser
from tests.proof.api_user import SECRET, TOKENS, headers_with
from tests.proof.expectations import Expected, Writes

NO_WRITES: Final = Writes()
Step = Callable[[FaultyUser], Awaitable[None]]
CHANGED: Final = "https://siem.example.com/changed"
EVENTS: Final = "events"


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow. `act` makes these calls in order, and changes NetBird by these writes.

    `about` is the kind that the user then reads. `in_outage` says that the flow is also tested while every call fails.
    `expected` are its reasons with any response of NetBird: they are no failure.
    """

    name: str
    prepare: Step
    act: Step
    calls: tuple[Operation, ...]
    writes: Writes = NO_WRITES
    about: str = "integration"
    in_outage: bool = False
    expected: frozenset[Reason] = frozenset()

    def __str__(self) -> str:
        """The name in the page and in pytest."""
        return self.name


async def _nothing(tenant: FaultyUser) -> None:
    await tenant.secret("siem", key=SECRET)


async def _connect(tenant: FaultyUser) -> None:
    """Next to an integration of another client."""
    tenant.foreign()
    await _nothing(tenant)
    await tenant.connect()
    await tenant.connected()


async def _connect_literally(tenant: FaultyUser) -> None:
    """With a server whose POST ignores `enabled`."""
    tenant.behave(post_ignores_enabled=True)
    await _connect(tenant)


async def _connect_to_customer(tenant: FaultyUser) -> None:
    """With a provider's token, in the account of a customer without integrations."""
    directory = tenant.netbird.model.directory
    customer = tenant.customer
    directory.add_account(Account(customer))
    for name in TOKENS:
        directory.add_token(Token(name, tenant.token(name), tenant.account, tenants=frozenset({customer})))
    await _nothing(tenant)


async def _have_one(tenant: FaultyUser) -> None:
    await _connect(tenant)
    await tenant.create(EVENTS)
    await tenant.ready(EVENTS)


async def _have_lost(tenant: FaultyUser) -> None:
    """Another client has deleted it in NetBird."""
    await _have_one(tenant)
    tenant.netbird.model.dashboard_delete(tenant.held(), tenant.netbird.now())


async def _have_edited(tenant: FaultyUser) -> None:
    """Another client has changed it in NetBird."""
    await _have_one(tenant)
    tenant.netbird.model.dashboard_edit(tenant.held(), tenant.netbird.now(), config={"url": CHANGED})


async def _have_unanswered(tenant: FaultyUser) -> None:
    """A create whose response was lost although it was applied."""
    await _connect(tenant)
    tenant.netbird.exchange.faults.add(Fault(Reset(), Moment.AFTER, Operation.CREATE))
    await tenant.create(EVENTS, deletionPolicy="Orphan")
    await tenant.until(lambda: tenant.says(Reason.CREATE_OUTCOME_UNKNOWN), "the answer is lost")
    (made,) = tenant.netbird.model.integrations.keys() - tenant.left.keys()
    tenant.leave(made)


async def _make_connection(tenant: FaultyUser) -> None:
    await tenant.connect(**tenant.misleading)


async def _make_customer(tenant: FaultyUser) -> None:
    await tenant.connect(tenantID=tenant.customer)
    await tenant.connected()
    await tenant.create(EVENTS)


async def _create(tenant: FaultyUser) -> None:
    await tenant.create(EVENTS)


async def _create_disabled(tenant: FaultyUser) -> None:
    await tenant.create(EVENTS, enabled=False)


async def _update(tenant: FaultyUser) -> None:
    tenant.wanted[EVENTS] = Expected({"url": CHANGED})
    await tenant.patch(EVENTS, genericHTTP={"url": CHANGED})


async def _rotate(tenant: FaultyUser) -> None:
    key = f"{SECRET}-rotated"
    _want(tenant, config={"headers": headers_with(key)})
    await tenant.secret("siem", key=key)


async def _rotate_token(tenant: FaultyUser) -> None:
    await tenant.replace_token()
    await _update(tenant)


async def _disable(tenant: FaultyUser) -> None:
    _want(tenant, enabled=False)
    await tenant.patch(EVENTS, enabled=False)


async def _delete(tenant: FaultyUser) -> None:
    await tenant.delete(EVENTS)


async def _adopt(tenant: FaultyUser) -> None:
    (found,) = tenant.left
    await tenant.create(EVENTS, adoption={"policy": "Override", "id": found})
    del tenant.left[found]


async def _look(tenant: FaultyUser) -> None:
    """The user requests a reconcile, which is a resync without the wait."""
    await tenant.annotate(EVENTS, RECONCILE_ANNOTATION, uuid4().hex)


async def _restart(tenant: FaultyUser) -> None:
    await tenant.restart.join(tenant.namespace)


def _want(tenant: FaultyUser, **changes: Any) -> None:
    tenant.wanted[EVENTS] = replace(tenant.wanted[EVENTS], **changes)


_LIST, _GET = Operation.LIST, Operation.GET
_POST, _PUT, _DELETE = Operation.CREATE, Operation.UPDATE, Operation.DELETE
_MADE, _CHANGED = Writes(posts=1), Writes(puts=1)
_LOST: Final = frozenset({Reason.REMOTE_DELETED})
"""For a minute, until the absence is proven."""

RESTART: Final = Flow("restart", _have_one, _restart, (_LIST,), about="connection")
"""This waits for all other flows to end."""

FLOWS: Final = (
    Flow("create", _connect, _create, (_LIST, _POST), _MADE, in_outage=True),
    Flow("create disabled", _connect_literally, _create_disabled, (_PUT,), Writes(posts=1, puts=1)),
    Flow("update", _have_one, _update, (_PUT,), _CHANGED, in_outage=True),
    Flow("rotate", _have_one, _rotate, (_PUT,), _CHANGED, in_outage=True),
    Flow("disable", _have_one, _disable, (_PUT,), _CHANGED),
    Flow("delete", _have_one, _delete, (_DELETE,), Writes(deletes=1), in_outage=True),
    Flow("delete what is gone", _have_lost, _delete, (_LIST,), expected=_LOST),
    Flow("adopt", _connect, _adopt, (_LIST, _PUT), _CHANGED, in_outage=True),
    Flow("orphan an unanswered create", _have_unanswered, _delete, (_LIST,)),
    Flow("resync", _have_one, _look, (_LIST,), in_outage=True),
    Flow("resync after an edit", _have_edited, _look, (_PUT,), _CHANGED),
    Flow("resync after a deletion", _have_lost, _look, (_GET, _POST), _MADE, expected=_LOST),
    Flow("rotate the token", _have_one, _rotate_token, (_LIST,), _CHANGED),
    Flow("connect", _nothing, _make_connection, (_LIST, Operation.ACCOUNTS), about="connection", in_outage=True),
    Flow("connect to a tenant", _connect_to_customer, _make_customer, (Operation.ACCOUNTS,), _MADE),
    RESTART,
)
