"""The actions that only read."""

import logging
from datetime import timedelta

from netbird_streaming.core.actions import (
    ProveAbsence,
    WaitForList,
)
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.policies import existing
from netbird_streaming.core.status import updates
from netbird_streaming.errors import (
    NotFoundError,
    OperatorError,
)
from netbird_streaming.reconciler.connection.resolved import ResolvedConnection
from netbird_streaming.reconciler.integration.finish import report_error
from netbird_streaming.reconciler.integration.reconciliation import Next, Reconciliation
from netbird_streaming.reconciler.ports import Outcome

logger = logging.getLogger(__name__)


async def wait_for_list(run: Reconciliation, inputs: DecisionInput, action: WaitForList) -> Next:
    """Wait for the LIST, together with all other resources that need one."""
    if run.list_failure is not None:
        problem, run.list_failure = run.list_failure, None
        return await report_error(run, inputs, problem)
    if not isinstance(run.resolved, ResolvedConnection):
        return Next.STOP
    if not existing.is_applied(inputs):
        run.desired_status = updates.waiting(
            inputs, action, timedelta(seconds=run.resolved.account.client.wait(run.priority, 1))
        )
    if run.is_dirty and not await run.write_status():
        return Next.CONTINUE
    queue, key, priority = run.context.queue, run.record.key, run.priority
    run.remember_version(run.resource)
    if action.own_write_updated_at is not None:
        run.record.memory = run.record.memory.own_write_listed(action.own_write_updated_at)
    run.resolved.account.await_list(key, action.since, priority, lambda: queue.add(key, priority, front=True))
    run.outcome = Outcome.WAITING
    return Next.STOP


async def confirm_account(run: Reconciliation, inputs: DecisionInput) -> Next:
    """Identify the account by the LIST, or by a request if the LIST is empty."""
    if not isinstance(run.resolved, ResolvedConnection):
        return Next.STOP
    resolved, account = run.resolved, run.resolved.account
    if account.snapshot_for(run.record.key) is None:
        return await wait_for_list(run, inputs, WaitForList(0.0))
    async with run.context.queue.slot_released(run.record.key):
        if resolved.tenant_id is not None and resolved.state.token_account_id is None:
            run.account_problem = await run.context.connections.check_token_account(resolved.state, run.send_priority)
        if account.account_id is None:
            run.account_problem = await account.confirm(run.send_priority)
    run.context.queue.add(run.resolved.state.connection.key)
    return Next.CONTINUE


async def prove_absence(run: Reconciliation, inputs: DecisionInput, action: ProveAbsence) -> Next:
    """Ask for the integration by id, unless the LIST shows another one with its id.

    A JSON 404 is the first half of an observation, the LIST that follows the second. Any other answer proves that the
    LIST is not whole.
    """
    if not isinstance(run.resolved, ResolvedConnection):
        return Next.STOP
    account, snapshot = run.resolved.account, inputs.observed.snapshot
    if snapshot is not None and action.id in snapshot.by_id:
        note_missing(run)
        return Next.CONTINUE
    try:
        async with run.sending(account.client) as client:
            item = await client.get(action.id, run.send_priority)
    except NotFoundError:
        account.contradicted.discard(action.id)
        note_missing(run)
        return Next.CONTINUE
    except OperatorError as problem:
        return await report_error(run, inputs, problem)
    now = run.context.ports.clock.monotonic()
    if not inputs.is_ours(item):
        note_missing(run)
        return Next.CONTINUE
    if action.id not in account.contradicted:
        account.contradicted.add(action.id)
        run.context.queue.add(run.resolved.state.connection.key)
    run.record.memory = run.record.memory.found(item, now)
    return Next.CONTINUE


def note_missing(run: Reconciliation) -> None:
    """Remember that the integration was not found."""
    run.record.memory = run.record.memory.not_found(run.context.ports.clock.monotonic())
