"""The status of a connection: whether its token is accepted, which accounts it leads to, which paths the server has."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from netbird_streaming.api.connection_status import ConfirmedAccount, ConnectionInternal, ConnectionStatus
from netbird_streaming.api.types import CONFIRM_ANNOTATION, ClusterNetBirdConnection, Connection
from netbird_streaming.core.actions import ReadyState, state_of
from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from netbird_streaming.core.netbird.token_expiry import notice_for
from netbird_streaming.core.netbird.types import UNKNOWN_ID, Integration
from netbird_streaming.core.status.conditions import ConditionInput, conditions
from netbird_streaming.core.status.documentation import NO_DOCUMENTATION, Documentation
from netbird_streaming.errors import OperatorError
from netbird_streaming.reasons import Reason

MAX_SHOWN_DEPENDENTS: Final = 10
SHOWN_IDS: Final = 10
_CONFIRMING: Final = "The URL or token is not the one that NetBird accepted last. NetBird is being asked about it."


@dataclass(frozen=True, slots=True)
class Listed:
    """The doubts about the last LIST of an account.

    `vanished` holds owned ids that it lacks and whose absence is not believed, `contradicted` those that it lacks and
    that NetBird shows by id, `unreadable` its elements that can't be read.
    """

    vanished: frozenset[int] = frozenset()
    contradicted: frozenset[int] = frozenset()
    unreadable: tuple[Integration, ...] = ()

    @property
    def confirmation(self) -> str:
        """Return the annotation's value by which a person confirms that just these integrations were deleted."""
        return sha256(_ids(self.vanished, most=None).encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class AccountObservation:
    """The observed state of one tenant's account."""

    tenant_id: str | None
    account_id: str | None
    problem: OperatorError | None
    listed: Listed = Listed()


@dataclass(frozen=True, slots=True)
class ConnectionObservation:
    """The observed state of a connection.

    `proof` is a keyed digest of the URL and token in use, None before the token was read; `dependents` are the
    resources that still need a connection that is being deleted. While `confirming`, the URL and token in use were not
    tried yet. `token_expires_at` is None while it is not known.
    """

    accounts: tuple[AccountObservation, ...]
    problem: OperatorError | None
    path_family: str | None
    dependents: tuple[str, ...]
    proof: str | None = None
    confirming: bool = False
    token_expires_at: datetime | None = None


def connection_status(
    connection: Connection,
    observation: ConnectionObservation,
    key: FingerprintKey,
    wall: datetime,
    documentation: Documentation = NO_DOCUMENTATION,
) -> ConnectionStatus:
    """Return the status for an observation."""
    condition_input = _deleting(connection, observation) if connection.deleting else _condition(observation)
    metadata, before = connection.metadata, connection.status
    return ConnectionStatus(
        path_family=observation.path_family or before.path_family,
        accounts=_accounts(connection, observation, key),
        token_expires_at=observation.token_expires_at,
        observed_generation=metadata.generation,
        last_handled_reconcile_at=_handled(connection, observation),
        conditions=conditions(condition_input, before.conditions, metadata.generation, wall, documentation),
        internal=ConnectionInternal(
            proof=observation.proof or before.internal.proof,
            key_id=key.id if observation.proof is not None else before.internal.key_id,
            installation=before.internal.installation,
            expiry_notice=notice_for(observation.token_expires_at, wall),
            owner_uid=metadata.uid,
        ),
    )


def _deleting(connection: Connection, observation: ConnectionObservation) -> ConditionInput:
    shared = isinstance(connection, ClusterNetBirdConnection)
    message = (
        "It is being deleted, and waits for the resources that need it to delete their integrations: "
        f"{shown(observation.dependents)}. Delete them, or let them refer to another connection of the same account."
        + (" Or take their namespaces out of spec.access: their integrations then stay in NetBird." if shared else "")
    )
    return ConditionInput(ReadyState.RECONCILING, Reason.DELETING, message)


def shown(users: Sequence[str]) -> str:
    """Return the names of resources for a message, the first of many."""
    return ", ".join(users[:MAX_SHOWN_DEPENDENTS]) + (" and others" if len(users) > MAX_SHOWN_DEPENDENTS else "")


def _handled(connection: Connection, observation: ConnectionObservation) -> str | None:
    before = connection.status.last_handled_reconcile_at
    return before if observation.confirming else connection.metadata.reconcile_request or before


def _condition(observation: ConnectionObservation) -> ConditionInput:
    problem, reached = observation.problem, observation.accounts
    if problem is not None:
        return ConditionInput(state_of(problem), problem.reason, problem.message)
    if observation.confirming:
        return ConditionInput(ReadyState.RECONCILING, Reason.PROGRESSING, _CONFIRMING)
    for each in reached:
        if each.problem is not None:
            where = f"Tenant {each.tenant_id}: " if each.tenant_id is not None else ""
            return ConditionInput(state_of(each.problem), each.problem.reason, where + each.problem.message)
    for each in reached:
        if each.listed.vanished:
            return ConditionInput(ReadyState.RECONCILING, Reason.INTEGRATIONS_VANISHED, _vanished(each.listed))
    known = sorted({each.account_id for each in reached if each.account_id is not None})
    account = f" The account is {known[0]}." if len(known) == 1 else ""
    notes = "".join(_notes(each.listed) for each in reached)
    return ConditionInput(ReadyState.READY, Reason.SYNCED, "NetBird accepts the token." + account + notes)


def _vanished(listed: Listed) -> str:
    return (
        f"NetBird's list lacks {len(listed.vanished)} integrations that the operator owns "
        f"({_ids(listed.vanished)}). Until it shows them again, none is created again. If they were deleted on "
        f"purpose, set the connection's annotation {CONFIRM_ANNOTATION} to {listed.confirmation}."
    )


def _notes(listed: Listed) -> str:
    text = ""
    if listed.contradicted:
        text += f" NetBird's list leaves out what NetBird shows by id ({_ids(listed.contradicted)})."
    if listed.unreadable:
        known = frozenset(item.id for item in listed.unreadable if item.id != UNKNOWN_ID)
        others = len(listed.unreadable) - len(known)
        what = [_ids(known)] * bool(known) + [f"{others} without a readable id"] * bool(others)
        text += f" NetBird lists integrations in a form that can't be read: {', '.join(what)}."
    return text


def _ids(ids: frozenset[int], most: int | None = SHOWN_IDS) -> str:
    more = f" and {len(ids) - most} others" if most is not None and len(ids) > most else ""
    return ", ".join(map(str, sorted(ids)[:most])) + more


def _accounts(
    connection: Connection, observation: ConnectionObservation, key: FingerprintKey
) -> tuple[ConfirmedAccount, ...]:
    """Return the accounts seen now, and those of tenants in the spec that the token in use confirmed before."""
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
