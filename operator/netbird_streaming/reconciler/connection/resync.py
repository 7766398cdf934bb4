"""The resync of a connection's accounts: a fresh LIST is compared with what was in sync."""

from dataclasses import replace
from typing import Final

from netbird_streaming.backoff import Backoff
from netbird_streaming.cooperative import yielding_every
from netbird_streaming.core.inputs import AccountSnapshot
from netbird_streaming.core.netbird.endpoints import resync_interval
from netbird_streaming.core.netbird.types import Priority
from netbird_streaming.core.status.events import several_enabled_note
from netbird_streaming.reconciler.connection.account import Account
from netbird_streaming.reconciler.connection.resolved import ConnectionState
from netbird_streaming.reconciler.context import Context
from netbird_streaming.reconciler.ports import Outcome
from netbird_streaming.reconciler.records import integration_digest

JITTER: Final = 0.1
FIRST_RETRY: Final = 5.0


def _interval(state: ConnectionState) -> float:
    return resync_interval(state.connection.spec, len(state.accounts))


def is_due(context: Context, state: ConnectionState) -> bool:
    """Return whether a LIST is due that has not arrived: a resync begins with reading the token again, once."""
    now, key = context.ports.clock.monotonic(), state.connection.key
    return any(account.due_at <= now and account.due_list(key) is None for account in state.accounts.values())


async def resync_account(
    context: Context, state: ConnectionState, account: Account, *, urgent: bool, priority: Priority
) -> Outcome:
    """Resync the account with a fresh LIST, or ask for one."""
    now, key = context.ports.clock.monotonic(), state.connection.key
    snapshot = account.due_list(key)
    if snapshot is not None:
        account.release_list(key)
        # Set before the resync, which takes time: a token that changes meanwhile makes another one due at once.
        interval = _interval(state)
        due_at = now + interval * context.ports.random.uniform(1 - JITTER, 1 + JITTER)
        # Of connections with one token, the first that is due lists for all of them.
        account.schedule(due_at, now + interval * (1 - 2 * JITTER))
        await _requeue_changed(context, account, snapshot)
        _report_several_enabled(context, state, account, snapshot)
        if account.account_id is None and not snapshot.by_id and not account.account_checked:
            async with context.queue.slot_released(key):
                await account.confirm(Priority.LOW)
        return Outcome.SUCCESS
    problem = account.take_list_error(key)
    if problem is not None:
        context.ports.recorder.requeued(key.kind, problem.reason)
        account.due_at = now + _pause(context, state, account)
        return Outcome.ERROR
    if account.problem is not None:
        # A LIST for a resource failed. The connection reports that, and must not do so until the next resync.
        account.due_at = min(account.due_at, now + _pause(context, state, account))
    if account.due_at > now and not urgent:
        return Outcome.SUCCESS
    account.due_at = now if urgent else min(account.due_at, now)
    if not urgent and account is not state.accounts.get(state.connection.spec.tenant_id):
        # The connection is Ready without its tenants, whose new resources ask for the LIST themselves.
        priority = Priority.LOW
    account.await_list(key, account.due_at, priority, lambda: context.queue.add(key, priority))
    return Outcome.WAITING


async def _requeue_changed(context: Context, account: Account, snapshot: AccountSnapshot) -> None:
    """Requeue the resources whose integration differs from when it was last in sync.

    One that failed keeps its backoff, unless the LIST differs from that of the resync before.
    """
    unowned: int | None = None
    async for record in yielding_every(context.store.dependents(account.connection)):
        if record.account is not account:
            continue
        item = snapshot.by_id.get(record.summary.id) if record.summary.id is not None else None
        if item is not None and record.in_sync_digest == integration_digest(item) and not record.summary.create_pending:
            continue
        if unowned is None:
            unowned = await _unowned_digest(context, account, snapshot)
        before, record.resync_digest = record.resync_digest, hash((unowned, item and integration_digest(item)))
        if not record.backing_off or record.resync_digest != before:
            account.hand_list(record.key, snapshot)
            context.queue.add(record.key)


async def _unowned_digest(context: Context, account: Account, snapshot: AccountSnapshot) -> int:
    """Return a digest of what a LIST shows besides the resources' own integrations: candidates, and what it lacks."""
    shown = set[object]()
    async for item in yielding_every(snapshot.by_id.values()):
        if not context.ownership.has(item.id):
            shown.add((item.id, item.created_at, integration_digest(replace(item, updated_at=None))))
    return hash((frozenset(shown), account.vanished, frozenset(account.contradicted)))


def _report_several_enabled(
    context: Context, state: ConnectionState, account: Account, snapshot: AccountSnapshot
) -> None:
    """Publish an Event when a LIST begins to show more than one enabled integration.

    For an account that the status names already, another process has reported what its first LIST here shows.
    """
    note, before = several_enabled_note(snapshot.by_id.values()), account.has_several_enabled
    if before is None:
        before = any(each.account_id == account.account_id for each in state.connection.status.accounts)
    if note is not None and not before:
        context.ports.cluster.publish(state.connection, [note])
    account.has_several_enabled = note is not None


def _pause(context: Context, state: ConnectionState, account: Account) -> float:
    """Return the seconds until an account whose LIST failed is listed again."""
    return Backoff(FIRST_RETRY, _interval(state), JITTER).pause(account.failures, context.ports.random)


def schedule_resync(context: Context, state: ConnectionState) -> None:
    """Queue the next resync. A connection without an account is also retried when its Secret changes."""
    now = context.ports.clock.monotonic()
    due = min((account.due_at for account in state.accounts.values()), default=now + _interval(state))
    if state.problem is not None:
        due = min(due, now + _interval(state))
    context.queue.add(state.connection.key, at=max(due, now + 0.001))
