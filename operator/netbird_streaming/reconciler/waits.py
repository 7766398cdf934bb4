"""Waiting for the token's rate limit: the status reports it, and the resource leaves the queue meanwhile.

A resource that waits holds no worker and no task, and a change by its user is reconciled at once.
"""

from datetime import timedelta
from typing import Final

from netbird_streaming.core.actions import Action, Create, Delete, ProveAbsence, Update
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.status import updates
from netbird_streaming.errors import OperatorError
from netbird_streaming.reconciler.connection.resolved import ResolvedConnection
from netbird_streaming.reconciler.integration.finish import report_error
from netbird_streaming.reconciler.integration.reconciliation import Next, Reconciliation
from netbird_streaming.reconciler.ports import Outcome
from netbird_streaming.reconciler.records import lane_of

PATIENCE: Final = 1.0
"""Seconds that a reconcile waits for the rate limit itself. For a longer wait the resource leaves the queue."""
_ACTIONS: Final = (Create, Update, Delete, ProveAbsence)


async def for_slot(run: Reconciliation, inputs: DecisionInput, action: Action) -> Next | None:
    """Wait for the rate limit before an action that sends a request by id, or a POST.

    Return None if the request may be sent now.
    """
    if not isinstance(action, _ACTIONS) or not isinstance(run.resolved, ResolvedConnection):
        return None
    if isinstance(run.turn, OperatorError):
        problem, run.turn = run.turn, None
        return await report_error(run, inputs, problem)
    if run.turn is not None:
        return None
    account, key, priority = run.resolved.account, run.record.key, run.send_priority
    lane = lane_of(key)
    wait = account.client.wait(priority, account.gate.depth(priority, lane))
    if wait <= PATIENCE:
        return None
    run.desired_status = updates.waiting(inputs, action, timedelta(seconds=wait))
    if run.is_dirty and not await run.write_status():
        return Next.CONTINUE
    run.remember_version(run.resource)
    # Only these are kept while the resource waits, and nothing else of its reconcile.
    resume, record, resumed = run.context.triggers.resume, run.record, run.priority
    account.gate.park(key, priority, lane, lambda turn: resume(record, resumed, turn))
    run.outcome = Outcome.WAITING
    return Next.STOP
