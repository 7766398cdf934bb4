"""The reconcile of one connection: read its token, resync its accounts, say whether it works, let it go when unused."""

from dataclasses import replace
from typing import NamedTuple, Self

from netbird_streaming.api.types import (
    CONFIRM_ANNOTATION,
    ObjectKey,
)
from netbird_streaming.core.netbird.endpoints import authority_of
from netbird_streaming.core.netbird.types import Priority
from netbird_streaming.core.status.conditions import readiness
from netbird_streaming.core.status.connection_updates import (
    AccountObservation,
    ConnectionObservation,
    Listed,
    connection_status,
    shown,
)
from netbird_streaming.errors import ConflictError, EditError, ObjectGoneError, OperatorError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler import reporting
from netbird_streaming.reconciler.connection.account import Account
from netbird_streaming.reconciler.connection.finalizer import ensure_finalizer, read_again, remove_finalizer
from netbird_streaming.reconciler.connection.resolved import ConnectionState
from netbird_streaming.reconciler.connection.resync import is_due, resync_account, schedule_resync
from netbird_streaming.reconciler.connection.token_expiry import check_token_expiry
from netbird_streaming.reconciler.context import Context
from netbird_streaming.reconciler.installations import CHECK_INTERVAL
from netbird_streaming.reconciler.ownership import Place
from netbird_streaming.reconciler.ports import Outcome
from netbird_streaming.reconciler.records import ResourceRecord


async def reconcile_connection(context: Context, key: ObjectKey, priority: Priority) -> Outcome:
    """Bring one connection's status up to date, and resync what is due. Raises where Kubernetes fails."""
    state = context.connections.get(key)
    if state is None:
        return Outcome.SUCCESS
    if await _is_managed_elsewhere(context, state):
        return Outcome.ERROR
    users = await _users(context, state)
    if state.connection.deleting and not users:
        await remove_finalizer(context, state)
        return Outcome.SUCCESS
    asked = state.connection.metadata.reconcile_request
    urgent = asked is not None and asked != state.connection.status.last_handled_reconcile_at
    due = is_due(context, state)
    await context.connections.load(state, force=due or urgent)
    if not state.accounts:
        context.connections.account(state, state.connection.spec.tenant_id)
    if _is_unconfirmed(context, state):
        await _write_status(context, state, confirming=True)
    if users and not state.connection.deleting:
        await ensure_finalizer(context, state)
    _confirm(context, state)
    outcomes = {
        await resync_account(context, state, account, urgent=urgent, priority=priority)
        for account in list(state.accounts.values())
    }
    if Outcome.WAITING in outcomes:
        return Outcome.WAITING
    check_token_expiry(context, state)
    await _write_status(context, state)
    schedule_resync(context, state)
    if state.problem is not None:
        context.ports.recorder.requeued(key.kind, state.problem.reason)
        return Outcome.ERROR
    return Outcome.ERROR if Outcome.ERROR in outcomes else Outcome.SUCCESS


async def _is_managed_elsewhere(context: Context, state: ConnectionState) -> bool:
    """Return whether another installation is in charge; check again soon, since it may be removed."""
    before = state.not_in_charge
    try:
        state.not_in_charge = await context.connections.installations.take_charge(state)
    except OperatorError as problem:
        state.published.write_refused(context.ports.cluster, state.connection, problem)
        raise
    key = state.connection.key
    if state.not_in_charge is None:
        state.informed.clear()
        if before is not None:
            context.triggers.requeue_dependents(key)
        return False
    reporting.not_in_charge(context.ports.cluster, state.connection, state.not_in_charge, state.informed)
    context.ports.recorder.requeued(key.kind, state.not_in_charge.reason)
    context.queue.add(key, at=context.ports.clock.monotonic() + CHECK_INTERVAL)
    return True


async def _users(context: Context, state: ConnectionState) -> tuple[str, ...]:
    """Name what has an integration that this connection can delete: in its accounts, of namespaces that may use it."""
    reach = _Reach.of(state)
    holding = [record for record in context.store.dependents(state.connection.key) if reach.includes(record)]
    namespaces = {record.key.namespace or "" for record in holding}
    served = {each for each in namespaces if await context.connections.namespaces.serves(state, each)}
    users = [record.key.label for record in holding if (record.key.namespace or "") in served]
    accounts = list(state.accounts.values())
    orphans = [f"integration {each}" for each in context.unowned.ids_in(accounts)]
    return (*users, *orphans)


class _Reach(NamedTuple):
    """The accounts to which a connection leads: all of the authority while one of them is unknown."""

    authority: str
    account_ids: frozenset[str] | None

    @classmethod
    def of(cls, state: ConnectionState) -> Self:
        """Return the reach of a connection, computed once for its many resources."""
        found = [account.account_id for account in state.accounts.values()]
        known = frozenset(each for each in found if each is not None)
        return cls(authority_of(state.connection), known if found and None not in found else None)

    def includes(self, record: ResourceRecord) -> bool:
        """Return whether the connection leads to the account of what the resource holds, as far as is known."""
        created, summary = record.memory.create.created, record.summary
        if created is not None and created.authority == self.authority:
            return True
        account_id = summary.origin.account_id
        known = self.account_ids is not None and account_id is not None
        here = summary.origin.authority == self.authority and (not known or account_id in (self.account_ids or ()))
        return here and (summary.id is not None or summary.create_pending)


def _is_unconfirmed(context: Context, state: ConnectionState) -> bool:
    """Return whether the status says Ready of another URL or token than those in use."""
    status = state.connection.status
    is_other = state.loaded and status.internal.proof != context.connections.proof(state)
    return is_other and not state.connection.deleting and readiness(status.conditions).ready


async def _write_status(context: Context, state: ConnectionState, *, confirming: bool = False) -> None:
    ports = context.ports
    for _ in range(2):
        observation = replace(await _observation(context, state), confirming=confirming)
        status = connection_status(state.connection, observation, ports.key, ports.clock.now(), context.documentation)
        before = state.connection.status
        state.published.assume(before.conditions)
        try:
            written = await ports.cluster.write_connection_status(state.connection, status)
            state.take(written, ports.clock.monotonic())
        except (ConflictError, ObjectGoneError):
            if not await read_again(context, state):
                return
        except OperatorError as problem:
            state.published.write_refused(ports.cluster, state.connection, problem)
            raise
        else:
            state.published.status_changed(ports.cluster, state.connection, before)
            return
    context.queue.add(state.connection.key)


def _listed(account: Account) -> Listed:
    return Listed(account.vanished, frozenset(account.contradicted), account.unreadable)


def _confirm(context: Context, state: ConnectionState) -> None:
    """Believe a LIST that lacks many integrations once a person confirmed that just these were deleted."""
    value = state.connection.metadata.annotations.get(CONFIRM_ANNOTATION)
    for account in state.accounts.values():
        if account.vanished and value == _listed(account).confirmation:
            account.confirm_missed()
            context.triggers.requeue_dependents(state.connection.key)


async def _observation(context: Context, state: ConnectionState) -> ConnectionObservation:
    # Awaited first: the accounts and the proof of a connection belong together.
    users = await _users(context, state) if state.connection.deleting else ()
    foreign = _dependents_of_another_account(context, state)
    reached = tuple(
        AccountObservation(tenant_id, account.account_id, account.problem or foreign.get(account), _listed(account))
        for tenant_id, account in state.accounts.items()
    )
    families = [account.client.path_family for account in state.accounts.values()]
    family = next((each.value for each in families if each is not None), None)
    proof, expiry = context.connections.proof(state), state.token_expiry
    expires_at = expiry.at if expiry is not None and proof in (None, expiry.proof) else None
    return ConnectionObservation(reached, state.problem, family, users, proof, token_expires_at=expires_at)


def _dependents_of_another_account(context: Context, state: ConnectionState) -> dict[Account, OperatorError]:
    """Return the accounts that the token leads to while resources hold integrations of the former one."""
    spec, found = state.connection.spec, dict[Account, tuple[str | None, list[str]]]()
    for record in context.store.dependents(state.connection.key):
        account = record.account or state.accounts.get(spec.tenant_id)
        former = context.ownership.place_of(record.uid)
        if account is None or account.account_id is None or former is None or None in former:
            continue
        if not former.is_same(Place(account.authority, account.account_id)):
            found.setdefault(account, (former.account_id, []))[1].append(record.key.label)
    ref = spec.token_secret_ref
    return {
        account: EditError(
            Reason.ACCOUNT_MISMATCH,
            f"The token leads to account {account.account_id}, but these resources hold integrations of account "
            f"{former}{_elsewhere(account, former)}: {shown(users)}. Put a token of account {former} into Secret "
            f"{ref.name}, key {ref.key}, or delete these resources with deletionPolicy Orphan.",
        )
        for account, (former, users) in found.items()
    }


def _elsewhere(account: Account, former: str | None) -> str:
    """Return how the former account differs from one with the same id."""
    return " on another NetBird server" if former == account.account_id else ""
