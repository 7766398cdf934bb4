"""The actions that change something, except the create."""

import logging
from typing import Final

from netbird_streaming.api.timestamps import latest
from netbird_streaming.core import former
from netbird_streaming.core.actions import (
    Delete,
    DeleteFormer,
    ReadyState,
    RemoveFinalizer,
    Report,
    Update,
)
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.netbird.types import Integration
from netbird_streaming.core.policies.drift import overwrites_foreign_change
from netbird_streaming.core.status import updates
from netbird_streaming.core.status.conditions import readiness
from netbird_streaming.core.status.events import deletion_events
from netbird_streaming.errors import (
    ConflictError,
    Effect,
    LeaseLostError,
    NotFoundError,
    ObjectGoneError,
    OperatorError,
    RetryError,
)
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler import reporting
from netbird_streaming.reconciler.connection.finalizer import ensure_finalizer
from netbird_streaming.reconciler.connection.resolved import ResolvedConnection
from netbird_streaming.reconciler.integration.execute_reads import note_missing
from netbird_streaming.reconciler.integration.finish import report_error, report_write_error
from netbird_streaming.reconciler.integration.reconciliation import Next, Reconciliation, read_latest

logger = logging.getLogger(__name__)

_DELETING: Final = Report(ReadyState.RECONCILING, Reason.PROGRESSING, "The integration is being deleted in NetBird.")


async def add_finalizer(run: Reconciliation, inputs: DecisionInput) -> Next:
    """Add our finalizer to the resource, and to the connection whose token the deletion will need."""
    try:
        if isinstance(run.resolved, ResolvedConnection):
            await ensure_finalizer(run.context, run.resolved.state)
        with run.context.triggers.hold_events(run.record):
            held = await run.context.ports.cluster.add_finalizer(run.resource)
            run.use_version(held)
            run.context.triggers.apply_response(run.record, held)
    except (ConflictError, ObjectGoneError) as refusal:
        await run.refresh(refusal)
        return Next.CONTINUE
    except OperatorError as problem:
        return await report_write_error(run, inputs, problem)
    run.record.memory = run.record.memory.finalizer_seen(run.context.ports.clock.monotonic())
    return Next.CONTINUE


async def remove_finalizer(run: Reconciliation, inputs: DecisionInput, action: RemoveFinalizer) -> Next:
    """Remove our finalizer, so that the resource is deleted."""
    # The watch may report the deletion before the write returns.
    run.record.releasing = True
    try:
        return await _remove_finalizer(run, inputs, action)
    finally:
        run.record.releasing = False


async def _remove_finalizer(run: Reconciliation, inputs: DecisionInput, action: RemoveFinalizer) -> Next:
    try:
        await run.context.ports.cluster.remove_finalizer(run.resource)
    except ConflictError as refusal:
        await run.refresh(refusal)
        return Next.CONTINUE
    except OperatorError as problem:
        return await report_write_error(run, inputs, problem)
    if action.absent:
        ids = {"integrations": action.absent, "reason": Reason.REMOTE_DELETED}
        logger.warning("released: NetBird does not show what the operator did not delete", extra=ids)
    run.context.ports.cluster.publish(run.resource, list(deletion_events(run.desired_status, action)))
    run.record.memory = run.record.memory.created_handled()
    reporting.log_done("orphaned" if action.note is not None else "released", Reason.DELETING, run.desired_status.id)
    run.context.triggers.forget(run.record.key, run.record.uid)
    return Next.STOP


async def update(run: Reconciliation, inputs: DecisionInput, action: Update) -> Next:
    """Send a PUT of all settings. It can be repeated after a LIST, so only an unrecorded id is written first."""
    if not isinstance(run.resolved, ResolvedConnection):
        return Next.STOP
    # The client of the decision's account: the token may change while the status is written.
    bound = run.resolved.account.client
    if run.record.cache.may_be_stale:
        run.use_version(await read_latest(run.context, run.record))
        return Next.CONTINUE
    if run.is_dirty and not await run.write_status():
        return Next.CONTINUE
    if overwrites_foreign_change(inputs, action):
        run.mark_drift()
    memory, clock = run.record.memory, run.context.ports.clock
    try:
        async with run.sending(bound) as client:
            answer = await client.update(action.id, action.payload.request, run.send_priority)
    except NotFoundError:
        return await _on_not_found(run, inputs, action.id)
    except LeaseLostError:
        raise
    except OperatorError as problem:
        if problem.effect is Effect.UNKNOWN:
            now = clock.monotonic()
            run.record.memory = memory.update_unanswered(now, now + run.context.timeouts.late_commit)
            run.desired_status = updates.corrected(run.desired_status, action)
        return await report_error(run, run.with_status(inputs), problem)
    _updated(run, inputs, action, answer)
    return Next.CONTINUE


def _updated(run: Reconciliation, inputs: DecisionInput, action: Update, answer: Integration) -> None:
    memory = run.record.memory
    run.clear_drift()
    now = run.context.ports.clock.monotonic()
    window = run.context.timeouts.post + run.context.timeouts.late_commit
    late = memory.write.overtaken_until(now, window, by_another_process=inputs.status.internal.applied is not None)
    again = action.correction is not None or action.resent_at is not None
    doubtful = again or memory.write.unknown_at is not None
    undone = action.correction.updated_at if action.correction is not None else None
    former = latest(inputs.status.updated_at, answer.updated_at, undone)
    run.record.memory = memory.updated(now, former, late, verify=doubtful)
    if late is not None and isinstance(run.resolved, ResolvedConnection):
        # A write that overtakes this one can be recognized once a LIST has shown NetBird's time of this one.
        run.resolved.account.due_at = min(run.resolved.account.due_at, now)
        run.context.queue.add(run.resolved.state.connection.key)
    run.desired_status = updates.updated(run.with_status(inputs), action, answer)
    if not again:
        reporting.log_done("updated", Reason.PROGRESSING, action.id)
    else:
        reporting.log_done("corrected", Reason.DRIFTED, action.id)


async def delete(run: Reconciliation, inputs: DecisionInput, action: Delete) -> Next:
    """Send a DELETE. A status that says Ready is corrected first."""
    if not isinstance(run.resolved, ResolvedConnection):
        return Next.STOP
    # The client of the decision's account: the token or the server may change while the status is written.
    account, bound = run.resolved.account, run.resolved.account.client
    if readiness(run.stored_status.conditions).ready:
        # If the status can't be written, nothing is deleted: it would say Ready without an integration.
        run.desired_status = updates.reported(inputs, _DELETING)
        if not await run.write_status():
            return Next.CONTINUE
    memory, clock = run.record.memory, run.context.ports.clock
    try:
        async with run.sending(bound) as client:
            await client.delete(action.id, run.send_priority)
    except NotFoundError:
        return await _on_not_found(run, inputs, action.id)
    except LeaseLostError:
        raise
    except OperatorError as problem:
        if problem.effect is Effect.UNKNOWN:
            run.record.memory = memory.delete_unanswered(clock.monotonic())
        return await report_error(run, inputs, problem)
    account.deleted_at = clock.monotonic()
    run.record.memory = memory.deleted()
    reporting.log_done("deleted", Reason.DELETING, action.id)
    return Next.CONTINUE


async def delete_former(run: Reconciliation, inputs: DecisionInput, action: DeleteFormer) -> Next:
    """Delete a former integration that appeared again. The DELETE is repeated if a later LIST still shows it."""
    if not isinstance(run.resolved, ResolvedConnection):
        return Next.STOP
    account = run.resolved.account
    try:
        async with run.sending(account.client) as client:
            await client.delete(action.id, run.priority)
    except NotFoundError:
        pass
    except LeaseLostError:
        raise
    except OperatorError as problem:
        return await report_error(run, inputs, problem)
    account.deleted_at = run.context.ports.clock.monotonic()
    others = former.without(inputs, inputs.status.internal.former, action.id)
    run.desired_status = run.desired_status.evolve(former=others)
    logger.warning("deleted", extra={"reason": Reason.REMOTE_DELETED, "integration": action.id})
    await run.write_status()
    return Next.CONTINUE


async def _on_not_found(run: Reconciliation, inputs: DecisionInput, integration_id: int) -> Next:
    """Remember a 404 as half of a proof of absence, or report that it contradicts the LIST."""
    missing = inputs.memory.absence.not_found_at
    snapshot = inputs.list_since(missing) if missing is not None else None
    if snapshot is not None and integration_id in snapshot.by_id:
        message = (
            f"NetBird's list shows integration {integration_id}, but NetBird answers 404 for that id. The operator "
            "retries."
        )
        return await report_error(run, inputs, RetryError(Reason.UNEXPECTED_ANSWER, message))
    note_missing(run)
    return Next.CONTINUE
