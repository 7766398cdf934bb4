"""The reconcile of one connection: read its token, resync its accounts, say whether it works, let it go when unused."""

from dataclasses import replace
from typing import Final

from netbird_streaming.api.types import (
    CONFIRM_ANNOTATION,
    ClusterNetBirdConnection,
    Connection,
    NetBirdConnection,
    ObjectKey,
)
from netbird_streaming.core.inputs import AccountSnapshot
from netbird_streaming.core.netbird.endpoints import authority_of, resync_interval
from netbird_streaming.core.netbird.types import Priority
from netbird_streaming.core.status.conditions import readiness
from netbird_streaming.core.status.connection_status import (
    AccountObservation,
    ConnectionObservation,
    Listed,
    connection_status,
    shown,
)
from netbird_streaming.core.status.events import several_enabled_note, summarize
from netbird_streaming.errors import ConflictError, EditError, ObjectGoneError, OperatorError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler import reporting
from netbird_streaming.reconciler.connection.account import Account
from netbird_streaming.reconciler.connection.resolved import ConnectionState
from netbird_streaming.reconciler.installations import CHECK_INTERVAL
from netbird_streaming.reconciler.ownership import Place
from netbird_streaming.reconciler.ports import Outcome
from netbird_streaming.reconciler.records import ResourceRecord
from netbird_streaming.reconciler.store import Store

JITTER: Final = 0.1
FIRST_RETRY: Final = 5.0


async def reconcile_connection(store: Store, key: ObjectKey, priority: Priority) -> Outcome:
    """Bring one connection's status up to date, and resync what is due. Raises where Kubernetes fails."""
    state = store.connections.get(key)
    if state is None:
        return Outcome.SUCCESS
    if await _is_managed_elsewhere(store, state):
        return Outcome.ERROR
    users = await _users(store, state)
    if state.connection.deleting and not users:
        await _remove_finalizer(store, state)
        return Outcome.SUCCESS
    asked = state.connection.metadata.reconcile_request
    urgent = asked is not None and asked != state.connection.status.last_handled_reconcile_at
    due = _is_due(store, state)
    await store.connections.load(state, force=due or urgent)
    if state.token is not None and not state.accounts:
        store.connections.account(state, state.connection.spec.tenant_id)
    if _is_unconfirmed(store, state):
        await _write_status(store, state, confirming=True)
    if users and not state.connection.deleting:
        await store.ensure_finalizer(state)
    _confirm(store, state)
    outcomes = {
        await _resync_account(store, state, account, urgent=urgent, priority=priority)
        for account in list(state.accounts.values())
    }
    if Outcome.WAITING in outcomes:
        return Outcome.WAITING
    await _write_status(store, state)
    _schedule_resync(store, state)
    if state.problem is not None:
        store.ports.recorder.requeued(key.kind, state.problem.reason)
        return Outcome.ERROR
    return Outcome.ERROR if Outcome.ERROR in outcomes else Outcome.SUCCESS


async def _is_managed_elsewhere(store: Store, state: ConnectionState) -> bool:
    """Return whether another installation is in charge; check again soon, since it may be removed."""
    before = state.not_in_charge
    try:
        state.not_in_charge = await store.connections.installations.take_charge(state)
    except OperatorError as problem:
        state.refused = reporting.refused(store.ports.cluster, state.connection, problem, state.refused)
        raise
    key = state.connection.key
    if state.not_in_charge is None:
        state.informed.clear()
        if before is not None:
            store.requeue_dependents(key)
        return False
    reporting.not_in_charge(store.ports.cluster, state.connection, state.not_in_charge, state.informed)
    store.ports.recorder.requeued(key.kind, state.not_in_charge.reason)
    store.queue.add(key, at=store.ports.clock.monotonic() + CHECK_INTERVAL)
    return True


async def _users(store: Store, state: ConnectionState) -> tuple[str, ...]:
    """Name what has an integration that this connection can delete: in its accounts, of namespaces that may use it."""
    holding = [record for record in store.dependents(state.connection.key) if _can_delete(state, record)]
    namespaces = {record.key.namespace or "" for record in holding}
    served = {each for each in namespaces if await store.connections.serves(state, each)}
    users = [record.key.label for record in holding if (record.key.namespace or "") in served]
    accounts = list(state.accounts.values())
    orphans = [f"integration {key.name}" for key, unowned in store.unowned.items() if unowned.account in accounts]
    return (*users, *orphans)


def _can_delete(state: ConnectionState, record: ResourceRecord) -> bool:
    """Whether the connection leads to the account of what the resource holds, as far as is known."""
    authority, created = authority_of(state.connection), record.memory.create.created
    if created is not None and created.authority == authority:
        return True
    accounts = {account.account_id for account in state.accounts.values()}
    known = bool(accounts) and None not in accounts and record.origin.account_id is not None
    here = record.origin.authority == authority and (not known or record.origin.account_id in accounts)
    return here and (record.id is not None or record.create_pending)


def _interval(state: ConnectionState) -> float:
    return resync_interval(state.connection.spec, len(state.accounts))


def _is_due(store: Store, state: ConnectionState) -> bool:
    """Whether a LIST is due, and not there yet: a resync begins with a fresh look at the token, once."""
    now = store.ports.clock.monotonic()
    return any(account.due_at <= now and not account.is_listed for account in state.accounts.values())


async def _resync_account(
    store: Store, state: ConnectionState, account: Account, *, urgent: bool, priority: Priority
) -> Outcome:
    """Resync the account with a fresh LIST, or ask for one."""
    now, key = store.ports.clock.monotonic(), state.connection.key
    snapshot = account.snapshot
    if snapshot is not None and account.is_listed:
        # Before the resync, which takes its time: a token that changes meanwhile makes another one due at once.
        account.due_at = now + _interval(state) * store.ports.random.uniform(1 - JITTER, 1 + JITTER)
        await store.resync(state, account, snapshot)
        _report_several_enabled(store, state, account, snapshot)
        if account.account_id is None and not snapshot.by_id and not account.account_checked:
            async with store.queue.slot_released(key):
                await account.confirm(Priority.LOW)
        return Outcome.SUCCESS
    problem = account.take_list_error(key)
    if problem is not None:
        store.ports.recorder.requeued(key.kind, problem.reason)
        account.due_at = now + _pause(store, state, account)
        return Outcome.ERROR
    if account.problem is not None:
        # A LIST that somebody else asked for: the connection says so, and must not say so until the next resync.
        account.due_at = min(account.due_at, now + _pause(store, state, account))
    if account.due_at > now and not urgent:
        return Outcome.SUCCESS
    account.due_at = now if urgent else min(account.due_at, now)
    account.await_list(key, account.due_at, priority, lambda: store.queue.add(key, priority))
    return Outcome.WAITING


def _report_several_enabled(store: Store, state: ConnectionState, account: Account, snapshot: AccountSnapshot) -> None:
    """Publish an Event when a LIST begins to show more than one enabled integration.

    For an account that the status names already, another process has reported what its first LIST here shows.
    """
    note, before = several_enabled_note(snapshot.by_id.values()), account.has_several_enabled
    if before is None:
        before = any(each.account_id == account.account_id for each in state.connection.status.accounts)
    if note is not None and not before:
        store.ports.cluster.publish(state.connection, [note])
    account.has_several_enabled = note is not None


def _pause(store: Store, state: ConnectionState, account: Account) -> float:
    """Seconds until an account whose LIST failed is looked at again."""
    pause: float = min(_interval(state), FIRST_RETRY * 2 ** min(account.failures, 16))
    return pause * store.ports.random.uniform(1 - JITTER, 1 + JITTER)


def _is_unconfirmed(store: Store, state: ConnectionState) -> bool:
    """Return whether the status says Ready of another URL or token than those in use."""
    status = state.connection.status
    is_other = state.problem is None and status.internal.proof != store.connections.proof(state)
    return is_other and not state.connection.deleting and readiness(status.conditions).ready


async def _write_status(store: Store, state: ConnectionState, *, confirming: bool = False) -> None:
    ports = store.ports
    for _ in range(2):
        observation = replace(await _observation(store, state), confirming=confirming)
        status = connection_status(state.connection, observation, ports.key, ports.clock.now())
        before = state.connection.status
        # Before the write, whose answer may be lost though it lands.
        state.last_notified = state.last_notified or summarize(before.conditions)
        try:
            written = await ports.cluster.write_connection_status(state.connection, status)
            state.take(written, ports.clock.monotonic())
        except (ConflictError, ObjectGoneError):
            if not await _read_again(store, state):
                return
        except OperatorError as problem:
            state.refused = reporting.refused(ports.cluster, state.connection, problem, state.refused)
            raise
        else:
            state.refused = None
            state.last_notified = reporting.status_changed(ports.cluster, state.connection, before, state.last_notified)
            return
    store.queue.add(state.connection.key)


def _listed(account: Account) -> Listed:
    return Listed(account.vanished, frozenset(account.contradicted), account.unreadable)


def _confirm(store: Store, state: ConnectionState) -> None:
    """Believe a LIST that lacks many integrations once a person confirmed that just these were deleted."""
    value = state.connection.metadata.annotations.get(CONFIRM_ANNOTATION)
    for account in state.accounts.values():
        if account.vanished and value == _listed(account).confirmation:
            account.confirm_missed()
            store.requeue_dependents(state.connection.key)


async def _observation(store: Store, state: ConnectionState) -> ConnectionObservation:
    foreign = _dependents_of_another_account(store, state)
    reached = tuple(
        AccountObservation(tenant_id, account.account_id, account.problem or foreign.get(account), _listed(account))
        for tenant_id, account in state.accounts.items()
    )
    families = [account.client.path_family for account in state.accounts.values()]
    family = next((each.value for each in families if each is not None), None)
    users = await _users(store, state) if state.connection.deleting else ()
    return ConnectionObservation(reached, state.problem, family, users, store.connections.proof(state))


def _dependents_of_another_account(store: Store, state: ConnectionState) -> dict[Account, OperatorError]:
    """Return the accounts that the token leads to while resources hold integrations of the former one."""
    spec, found = state.connection.spec, dict[Account, tuple[str | None, list[str]]]()
    for record in store.dependents(state.connection.key):
        account = record.account or state.accounts.get(spec.tenant_id)
        former = store.ownership.place_of(record.uid)
        if account is None or account.account_id is None or former is None or None in former:
            continue
        if not former.is_same(Place(account.authority, account.account_id)):
            found.setdefault(account, (former.account_id, []))[1].append(record.key.label)
    ref = spec.token_secret_ref
    return {
        account: EditError(
            Reason.ACCOUNT_MISMATCH,
            f"The token leads to account {account.account_id}, but these resources hold integrations of account "
            f"{former}: {shown(users)}. Put a token of account {former} into Secret {ref.name}, key {ref.key}, or "
            "delete these resources with deletionPolicy Orphan.",
        )
        for account, (former, users) in found.items()
    }


async def _read_again(store: Store, state: ConnectionState) -> bool:
    since = store.ports.clock.monotonic()
    fresh = await store.ports.cluster.read(state.connection.key)
    if not isinstance(fresh, NetBirdConnection | ClusterNetBirdConnection):
        store.forget_connection(state.connection.key, state.connection.metadata.uid)
        return False
    known: Connection = state.connection
    store.apply_connection_event(fresh, since)
    return fresh.metadata.uid == known.metadata.uid


async def _remove_finalizer(store: Store, state: ConnectionState) -> None:
    """Nothing in NetBird needs its token any more."""
    if not state.connection.has_finalizer:
        return
    try:
        await store.ports.cluster.remove_finalizer(state.connection)
    except ConflictError:
        if await _read_again(store, state):
            store.queue.add(state.connection.key)


def _schedule_resync(store: Store, state: ConnectionState) -> None:
    """The next resync; a connection without an account is tried again when its Secret changes, and now and then."""
    now = store.ports.clock.monotonic()
    due = min((account.due_at for account in state.accounts.values()), default=now + _interval(state))
    if state.problem is not None:
        due = min(due, now + _interval(state))
    store.queue.add(state.connection.key, at=max(due, now + 0.001))
