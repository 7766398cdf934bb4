"""The actions that only look, and the end of a reconcile: say how it stands, and when to look again."""

import logging
from datetime import timedelta
from typing import Final

from netbird_streaming.backoff import Backoff
from netbird_streaming.core.actions import ProveAbsence, ReadyState, Report, WaitForList
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.policies import deletion, existing
from netbird_streaming.core.status import updates
from netbird_streaming.errors import NotFoundError, OperatorError, RetryError
from netbird_streaming.reconciler.connection.resolved import ResolvedConnection
from netbird_streaming.reconciler.integration.reconciliation import Reconciliation
from netbird_streaming.reconciler.ports import Outcome
from netbird_streaming.reconciler.records import integration_digest

logger = logging.getLogger(__name__)

RETRY: Final = {ReadyState.RECONCILING: Backoff(1.0, 300.0), ReadyState.STALLED: Backoff(30.0, 1800.0)}
"""A stalled resource is retried too: a destination's new key can take minutes to work."""


async def report(run: Reconciliation, inputs: DecisionInput, action: Report) -> bool:
    """Write the status, once, and rest."""
    logger.debug("reported", extra={"reason": action.reason, "integration": run.desired_status.id})
    run.desired_status = updates.reported(inputs, action)
    if not await run.write_status():
        return False
    _finish(run, inputs, action)
    return True


async def report_error(run: Reconciliation, inputs: DecisionInput, problem: OperatorError) -> bool:
    """Report a problem that an action met; after a conflict it is said of the newest version, by the next decision."""
    run.retry_after = problem.retry_after if isinstance(problem, RetryError) else None
    return await report(run, inputs, deletion.report_problem(inputs, problem))


async def wait_for_list(run: Reconciliation, inputs: DecisionInput, action: WaitForList) -> bool:
    """Wait for the LIST, together with all who need one."""
    if run.list_failure is not None:
        problem, run.list_failure = run.list_failure, None
        return await report_error(run, inputs, problem)
    if not isinstance(run.resolved, ResolvedConnection):
        return True
    if not existing.is_applied(inputs):
        run.desired_status = updates.waiting(
            inputs, action, timedelta(seconds=run.resolved.account.client.wait(run.priority, 1))
        )
    if run.is_dirty and not await run.write_status():
        return False
    queue, key, priority = run.context.queue, run.record.key, run.priority
    run.remember_version(run.resource)
    if action.own_write_updated_at is not None:
        run.record.memory = run.record.memory.own_write_listed(action.own_write_updated_at)
    run.resolved.account.await_list(key, action.since, priority, lambda: queue.add(key, priority, front=True))
    run.outcome = Outcome.WAITING
    return True


async def confirm_account(run: Reconciliation, inputs: DecisionInput) -> bool:
    """By the LIST, which shows it on each integration; by the account itself where the LIST is empty."""
    if not isinstance(run.resolved, ResolvedConnection):
        return True
    resolved, account = run.resolved, run.resolved.account
    if account.snapshot is None:
        return await wait_for_list(run, inputs, WaitForList(0.0))
    async with run.context.queue.slot_released(run.record.key):
        if resolved.tenant_id is not None and resolved.state.token_account_id is None:
            run.account_problem = await run.context.connections.check_token_account(resolved.state, run.priority)
        if account.account_id is None:
            run.account_problem = await account.confirm(run.send_priority)
    run.context.queue.add(run.resolved.state.connection.key)
    return False


async def prove_absence(run: Reconciliation, inputs: DecisionInput, action: ProveAbsence) -> bool:
    """Ask for the integration by id, unless the LIST shows another one with its id.

    A JSON 404 is the first half of an observation, the LIST that follows the second. Any other answer proves that the
    LIST is not whole.
    """
    if not isinstance(run.resolved, ResolvedConnection):
        return True
    account, snapshot = run.resolved.account, inputs.observed.snapshot
    if snapshot is not None and action.id in snapshot.by_id:
        note_missing(run)
        return False
    try:
        async with run.sending(account.client) as client:
            item = await client.get(action.id, run.send_priority)
    except NotFoundError:
        account.contradicted.discard(action.id)
        note_missing(run)
        return False
    except OperatorError as problem:
        return await report_error(run, inputs, problem)
    now = run.context.ports.clock.monotonic()
    if not inputs.is_ours(item):
        note_missing(run)
        return False
    if action.id not in account.contradicted:
        account.contradicted.add(action.id)
        run.context.queue.add(run.resolved.state.connection.key)
    run.record.memory = run.record.memory.found(item, now)
    return False


def note_missing(run: Reconciliation) -> None:
    """Remember that the integration was not found."""
    run.record.memory = run.record.memory.not_found(run.context.ports.clock.monotonic())


def _finish(run: Reconciliation, inputs: DecisionInput, action: Report) -> None:
    """Keep little of what is in order; look again at what is not."""
    record = run.record
    record.in_sync_digest, record.cache.may_be_stale = None, True
    if action.drifted is not None:
        run.mark_drift()
    if action.state is ReadyState.READY:
        record.failures = 0
        if action.drifted is None:
            record.drifted = False
        # What no LIST has shown in order is looked at again by the next resync, which would have to read it.
        run.remember_version(run.resource if action.item is None else None)
        _remember_comparison(run, inputs, action)
        return
    run.remember_version(run.resource)
    record.memory = record.memory.not_in_sync(action.absent)
    if action.state is ReadyState.SUSPENDED:
        return
    run.outcome = Outcome.ERROR
    run.context.ports.recorder.requeued(record.key.kind, action.reason)
    if action.retry_at is not None:
        run.context.queue.add(record.key, run.priority, at=action.retry_at)
        return
    pause = RETRY[action.state].pause(record.failures, run.context.ports.random)
    record.failures += 1
    run.context.queue.add(record.key, at=run.context.ports.clock.monotonic() + max(pause, run.retry_after or 0.0))


def _remember_comparison(run: Reconciliation, inputs: DecisionInput, action: Report) -> None:
    snapshot = inputs.observed.snapshot
    if action.item is not None and snapshot is not None:
        run.record.in_sync_digest = integration_digest(action.item)
        run.record.memory = run.context.store.shared(run.record.memory.in_sync(snapshot.started_at))
