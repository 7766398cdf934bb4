"""The status of a connection: whether its token is accepted, which accounts it leads to, which paths the server has."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from netbird_streaming.core.actions import State, state_of
from netbird_streaming.core.conditions import Standing, conditions
from netbird_streaming.core.connection_status import ConfirmedAccount, ConnectionInternal, ConnectionStatus
from netbird_streaming.core.fingerprint import FingerprintKey
from netbird_streaming.core.resources import ClusterNetBirdConnection, Connection
from netbird_streaming.errors import OperatorError
from netbird_streaming.reasons import Reason

SHOWN_USERS: Final = 10


@dataclass(frozen=True, slots=True)
class Reached:
    """What is known of one tenant's account."""

    tenant_id: str | None
    account_id: str | None
    problem: OperatorError | None


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a connection.

    `proof` is a keyed digest of the URL and token in use, None before the token was read; `users` are the resources
    that still need a connection that is being deleted.
    """

    reached: tuple[Reached, ...]
    problem: OperatorError | None
    path_family: str | None
    users: tuple[str, ...]
    proof: str | None = None


def connection_status(connection: Connection, found: Found, key: FingerprintKey, wall: datetime) -> ConnectionStatus:
    """The status for what was found."""
    standing = _deleting(found) if connection.deleting else _standing(found.reached, found.problem)
    metadata, before = connection.metadata, connection.status
    return ConnectionStatus(
        path_family=found.path_family or before.path_family,
        accounts=_accounts(connection, found, key),
        observed_generation=metadata.generation,
        last_handled_reconcile_at=metadata.reconcile_request or before.last_handled_reconcile_at,
        conditions=conditions(standing, before.conditions, metadata.generation, wall),
        internal=ConnectionInternal(
            proof=found.proof or before.internal.proof,
            key_id=key.id if found.proof is not None else before.internal.key_id,
            owner_uid=metadata.uid,
        ),
    )


def _deleting(found: Found) -> Standing:
    shown = ", ".join(found.users[:SHOWN_USERS]) + (" and others" if len(found.users) > SHOWN_USERS else "")
    message = (
        f"It is being deleted, and waits for the resources that need it to delete their integrations: {shown}. Delete "
        "them, or let them refer to another connection of the same account."
    )
    return Standing(State.WORKING, Reason.DELETING, message)


def _standing(reached: tuple[Reached, ...], problem: OperatorError | None) -> Standing:
    if problem is not None:
        return Standing(state_of(problem), problem.reason, problem.message)
    for each in reached:
        if each.problem is not None:
            where = f"Tenant {each.tenant_id}: " if each.tenant_id is not None else ""
            return Standing(state_of(each.problem), each.problem.reason, where + each.problem.message)
    known = sorted({each.account_id for each in reached if each.account_id is not None})
    account = f" The account is {known[0]}." if len(known) == 1 else ""
    return Standing(State.READY, Reason.SYNCED, "NetBird accepts the token." + account)


def _accounts(connection: Connection, found: Found, key: FingerprintKey) -> tuple[ConfirmedAccount, ...]:
    """Those seen now, and those of tenants that the spec still names, if the token in use confirmed them."""
    internal = connection.status.internal
    same = found.proof is None or (internal.proof, internal.key_id) == (found.proof, key.id)
    known = connection.status.accounts if same else ()
    tenants = {connection.spec.tenant_id}
    if isinstance(connection, ClusterNetBirdConnection):
        tenants |= {entry.tenant_id for entry in connection.spec.access if entry.tenant_id is not None}
    result = {each.tenant_id: each for each in known if each.tenant_id in tenants}
    for each in found.reached:
        if each.account_id is not None:
            result[each.tenant_id] = ConfirmedAccount(tenant_id=each.tenant_id, account_id=each.account_id)
    return tuple(result[tenant_id] for tenant_id in sorted(result, key=lambda each: each or ""))
