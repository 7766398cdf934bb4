"""The status of a connection: whether its token is accepted, which accounts it leads to, which paths the server has."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from netbird_streaming.api.connection_status import ConfirmedAccount, ConnectionInternal, ConnectionStatus
from netbird_streaming.api.types import ClusterNetBirdConnection, Connection
from netbird_streaming.core.actions import ReadyState, state_of
from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from netbird_streaming.core.status.conditions import ConditionInput, conditions
from netbird_streaming.errors import OperatorError
from netbird_streaming.reasons import Reason

MAX_SHOWN_DEPENDENTS: Final = 10


@dataclass(frozen=True, slots=True)
class AccountObservation:
    """What is known of one tenant's account."""

    tenant_id: str | None
    account_id: str | None
    problem: OperatorError | None


@dataclass(frozen=True, slots=True)
class ConnectionObservation:
    """What is known of a connection.

    `proof` is a keyed digest of the URL and token in use, None before the token was read; `dependents` are the
    resources that still need a connection that is being deleted.
    """

    accounts: tuple[AccountObservation, ...]
    problem: OperatorError | None
    path_family: str | None
    dependents: tuple[str, ...]
    proof: str | None = None


def connection_status(
    connection: Connection, observation: ConnectionObservation, key: FingerprintKey, wall: datetime
) -> ConnectionStatus:
    """The status for what was found."""
    condition_input = (
        _deleting(observation) if connection.deleting else _condition(observation.accounts, observation.problem)
    )
    metadata, before = connection.metadata, connection.status
    return ConnectionStatus(
        path_family=observation.path_family or before.path_family,
        accounts=_accounts(connection, observation, key),
        observed_generation=metadata.generation,
        last_handled_reconcile_at=metadata.reconcile_request or before.last_handled_reconcile_at,
        conditions=conditions(condition_input, before.conditions, metadata.generation, wall),
        internal=ConnectionInternal(
            proof=observation.proof or before.internal.proof,
            key_id=key.id if observation.proof is not None else before.internal.key_id,
            owner_uid=metadata.uid,
        ),
    )


def _deleting(observation: ConnectionObservation) -> ConditionInput:
    shown = ", ".join(observation.dependents[:MAX_SHOWN_DEPENDENTS]) + (
        " and others" if len(observation.dependents) > MAX_SHOWN_DEPENDENTS else ""
    )
    message = (
        f"It is being deleted, and waits for the resources that need it to delete their integrations: {shown}. Delete "
        "them, or let them refer to another connection of the same account."
    )
    return ConditionInput(ReadyState.RECONCILING, Reason.DELETING, message)


def _condition(reached: tuple[AccountObservation, ...], problem: OperatorError | None) -> ConditionInput:
    if problem is not None:
        return ConditionInput(state_of(problem), problem.reason, problem.message)
    for each in reached:
        if each.problem is not None:
            where = f"Tenant {each.tenant_id}: " if each.tenant_id is not None else ""
            return ConditionInput(state_of(each.problem), each.problem.reason, where + each.problem.message)
    known = sorted({each.account_id for each in reached if each.account_id is not None})
    account = f" The account is {known[0]}." if len(known) == 1 else ""
    return ConditionInput(ReadyState.READY, Reason.SYNCED, "NetBird accepts the token." + account)


def _accounts(
    connection: Connection, observation: ConnectionObservation, key: FingerprintKey
) -> tuple[ConfirmedAccount, ...]:
    """Those seen now, and those of tenants that the spec still names, if the token in use confirmed them."""
    internal = connection.status.internal
    same = observation.proof is None or (internal.proof, internal.key_id) == (observation.proof, key.id)
    known = connection.status.accounts if same else ()
    tenants = {connection.spec.tenant_id}
    if isinstance(connection, ClusterNetBirdConnection):
        tenants |= {entry.tenant_id for entry in connection.spec.access if entry.tenant_id is not None}
    result = {each.tenant_id: each for each in known if each.tenant_id in tenants}
    for each in observation.accounts:
        if each.account_id is not None:
            result[each.tenant_id] = ConfirmedAccount(tenant_id=each.tenant_id, account_id=each.account_id)
    return tuple(result[tenant_id] for tenant_id in sorted(result, key=lambda each: each or ""))
