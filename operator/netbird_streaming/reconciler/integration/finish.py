"""The end of a reconcile: report the state in the status, and schedule the next reconcile."""

import logging
from typing import Final

from netbird_streaming.backoff import Backoff
from netbird_streaming.core.actions import (
    Create,
    ReadyState,
    RecordId,
    Report,
    report_of,
)
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.policies import deletion
from netbird_streaming.core.status import updates
from netbird_streaming.errors import (
    LeaseLostError,
    OperatorError,
    RetryError,
)
from netbird_streaming.reconciler.integration.reconciliation import Next, Reconciliation
from netbird_streaming.reconciler.ports import Outcome
from netbird_streaming.reconciler.records import integration_digest

logger = logging.getLogger(__name__)

RETRY: Final = {ReadyState.RECONCILING: Backoff(1.0, 300.0), ReadyState.STALLED: Backoff(30.0, 1800.0)}
"""A stalled resource is retried too: a destination's new key can take minutes to work."""


async def report(run: Reconciliation, inputs: DecisionInput, action: Report) -> Next:
    """Write the status once, and end the reconcile."""
    logger.debug("reported", extra={"reason": action.reason, "integration": run.desired_status.id})
    run.desired_status = updates.reported(inputs, action)
    if not await run.write_status():
        return Next.CONTINUE
    _claim(run, inputs, action)
    _finish(run, inputs, action)
    return Next.STOP


def _claim(run: Reconciliation, inputs: DecisionInput, action: Report) -> None:
    """Claim what a planned write would claim, so that of two resources that want the same only one plans it."""
    match action.planned:
        case Create():
            run.context.ownership.mark_creating(run.record.uid)
        case RecordId():
            status = updates.with_id(inputs, action.planned)
            owner = run.record.at(status.internal.authority, status.account_id, status.created_at)
            run.context.ownership.own(owner, status.id)
        case _:
            pass


async def report_error(run: Reconciliation, inputs: DecisionInput, problem: OperatorError) -> Next:
    """Report an error of an action. After a conflict the next decision reports it on the newest version."""
    run.retry_after = problem.retry_after if isinstance(problem, RetryError) else None
    action = deletion.report_problem(inputs, problem)
    run.context.ports.observer.decided(run.record.key, inputs, action)
    return await report(run, inputs, action)


async def report_write_error(run: Reconciliation, inputs: DecisionInput, problem: OperatorError) -> Next:
    """Report in the status that a write of the resource failed. A status write is admitted separately."""
    if not isinstance(problem, LeaseLostError):
        before, run.desired_status = run.desired_status, updates.reported(inputs, report_of(problem))
        try:
            await run.write_status()
        except OperatorError:
            # A later write that succeeds must not report a refusal that it disproves.
            run.desired_status = before
            raise
    raise problem


def _finish(run: Reconciliation, inputs: DecisionInput, action: Report) -> None:
    """Schedule the next reconcile, and keep little of a resource that is in sync."""
    record = run.record
    record.in_sync_digest, record.cache.may_be_stale, record.backing_off = None, True, False
    if action.drifted is not None:
        run.mark_drift()
        held = inputs.held(inputs.observed.snapshot)
        record.memory = record.memory.drift_reported(held.updated_at if held is not None else None)
    if action.state is ReadyState.READY:
        record.failures = 0
        if action.drifted is None:
            record.drifted = False
        # The next resync reconciles a resource that no LIST showed in sync, and would have to read it.
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
    record.backing_off = True
    run.context.queue.add(record.key, at=run.context.ports.clock.monotonic() + max(pause, run.retry_after or 0.0))


def _remember_comparison(run: Reconciliation, inputs: DecisionInput, action: Report) -> None:
    snapshot = inputs.observed.snapshot
    if action.item is not None and snapshot is not None:
        run.record.in_sync_digest = integration_digest(action.item)
        run.record.memory = run.context.store.shared(run.record.memory.in_sync(snapshot.started_at))
