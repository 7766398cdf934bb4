"""The reconcile of one resource: gather, decide, act, report. Each trigger does the same."""

import logging
from typing import Final, assert_never

from netbird_streaming.api.types import EventStreamingIntegration, ObjectKey
from netbird_streaming.core.actions import (
    Action,
    AddFinalizer,
    ConfirmAccount,
    Create,
    Delete,
    DeleteFormer,
    Ignore,
    ProveAbsence,
    RecordId,
    RemoveFinalizer,
    Report,
    Update,
    WaitForList,
)
from netbird_streaming.core.decide import decide
from netbird_streaming.core.inputs import DecisionInput, own_status_of
from netbird_streaming.core.netbird.types import Priority
from netbird_streaming.errors import (
    NotInChargeError,
    OperatorError,
    RetryError,
)
from netbird_streaming.log_context import log_fields
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler import reporting, waits
from netbird_streaming.reconciler.context import Context
from netbird_streaming.reconciler.gate import give_back
from netbird_streaming.reconciler.integration import execute_create, execute_reads, execute_writes
from netbird_streaming.reconciler.integration.finish import report, report_error
from netbird_streaming.reconciler.integration.gather import gather
from netbird_streaming.reconciler.integration.reconciliation import Next, Reconciliation, ResourceReplaced, read_latest
from netbird_streaming.reconciler.ports import Outcome
from netbird_streaming.reconciler.records import ResourceRecord

logger = logging.getLogger(__name__)

MAX_STEPS: Final = 25
"""The step limit of a reconcile; the simulation never reaches it."""


async def reconcile(context: Context, key: ObjectKey, priority: Priority) -> Outcome:
    """Reconcile one resource. Raises an OperatorError if a request to Kubernetes fails."""
    record = context.store.get(key)
    if record is None:
        return Outcome.SUCCESS
    turn, outcome = record.take_turn(), Outcome.SUCCESS
    try:
        resource = record.cache.get() or await read_latest(context, record)
        run = _start(context, record, resource, priority)
        run.turn = turn
        outcome = await _advance(run)
    except ResourceReplaced:
        pass
    finally:
        give_back(turn)
        if record.account is not None:
            record.account.release_list(key)
            if outcome is not Outcome.WAITING:
                record.account.gate.forget(key)
        if not context.store.holds(record):
            context.triggers.clean_up_deleted(record)
        record.cache.compress()
    return outcome


async def _advance(run: Reconciliation) -> Outcome:
    """Decide and act until the reconcile ends. A status that could not be written is kept for the next reconcile."""
    try:
        for _ in range(MAX_STEPS):
            inputs = await gather(run)
            action = decide(inputs)
            run.context.ports.observer.decided(run.record.key, inputs, action)
            with log_fields(action=type(action).__name__):
                logger.debug("decided")
                follows = await waits.for_slot(run, inputs, action)
                if (await _act(run, inputs, action) if follows is None else follows) is Next.STOP:
                    return run.outcome
        return await _report_limit(run)
    except NotInChargeError as problem:
        # The connection's reconcile requeues it if this installation takes charge.
        _inform(run, problem)
        return Outcome.ERROR
    except OperatorError:
        if run.is_dirty:
            run.record.unwritten_status = (run.stored_status, run.desired_status)
        raise


async def _report_limit(run: Reconciliation) -> Outcome:
    """End a reconcile that reached its step limit: the status says so, and the resource is requeued."""
    message = f"The reconcile did not finish in {MAX_STEPS} steps. It is retried with backoff."
    problem = RetryError(Reason.PROGRESSING, message)
    if await report_error(run, await gather(run), problem) is Next.CONTINUE:
        raise problem
    return run.outcome


def _inform(run: Reconciliation, problem: NotInChargeError) -> None:
    """Publish that another installation manages the resource; write nothing."""
    ports, state = run.context.ports, run.context.connections.get(run.record.summary.connection)
    ports.recorder.requeued(run.record.key.kind, problem.reason)
    if state is not None:
        reporting.not_in_charge(ports.cluster, run.resource, problem, state.informed)


def _start(
    context: Context, record: ResourceRecord, resource: EventStreamingIntegration, priority: Priority
) -> Reconciliation:
    mine = own_status_of(resource, record.memory).status
    run = Reconciliation(context, record, priority, resource, stored_status=mine, desired_status=mine)
    if record.unwritten_status is not None:
        before, wanted = record.unwritten_status
        if before == mine:
            run.desired_status = wanted
        elif wanted == mine:
            # Its write was applied, and the response was lost.
            record.unwritten_status = None
            run.notify(resource, before)
    status = run.desired_status
    owner = record.at(status.internal.authority, status.account_id, status.created_at)
    context.ownership.own(owner, status.id)
    return run


async def _act(run: Reconciliation, inputs: DecisionInput, action: Action) -> Next:  # noqa: C901, PLR0911, PLR0912  # one branch for each action
    """Execute an action."""
    match action:
        case Report():
            return await report(run, inputs, action)
        case WaitForList():
            return await execute_reads.wait_for_list(run, inputs, action)
        case ConfirmAccount():
            return await execute_reads.confirm_account(run, inputs)
        case RecordId():
            return await execute_create.record_id(run, inputs, action)
        case AddFinalizer():
            return await execute_writes.add_finalizer(run, inputs)
        case RemoveFinalizer():
            return await execute_writes.remove_finalizer(run, inputs, action)
        case Create():
            return await execute_create.create(run, inputs, action)
        case Update():
            return await execute_writes.update(run, inputs, action)
        case Delete():
            return await execute_writes.delete(run, inputs, action)
        case DeleteFormer():
            return await execute_writes.delete_former(run, inputs, action)
        case ProveAbsence():
            return await execute_reads.prove_absence(run, inputs, action)
        case Ignore():
            run.context.triggers.cancel(run.record)
            return Next.STOP
        case _:
            assert_never(action)
