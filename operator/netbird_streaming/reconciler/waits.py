"""Waiting for the token's rate limit: the status reports it, and the resource leaves the queue meanwhile.

A resource that waits holds no worker and no task, and a change by its user is reconciled at once.
"""

from datetime import timedelta
from typing import Final

from netbird_streaming.core import transitions
from netbird_streaming.core.actions import Action, Create, Delete, ProveAbsence, Update
from netbird_streaming.core.facts import Case
from netbird_streaming.errors import OperatorError
from netbird_streaming.reconciler.entries import lane_of
from netbird_streaming.reconciler.looks import failed
from netbird_streaming.reconciler.ports import Outcome
from netbird_streaming.reconciler.run import Run
from netbird_streaming.reconciler.way import Way

PATIENCE: Final = 1.0
"""Seconds that a reconcile waits for the rate limit itself. For a longer wait the resource leaves the queue."""
_ACTIONS: Final = (Create, Update, Delete, ProveAbsence)


async def for_slot(run: Run, case: Case, action: Action) -> bool | None:
    """Wait for the rate limit before an action that sends a request by id, or a POST.

    Returns None if the request may be sent, True if the reconcile ends here, and False if it has to decide again.
    """
    if not isinstance(action, _ACTIONS) or not isinstance(run.way, Way):
        return None
    if isinstance(run.turn, OperatorError):
        problem, run.turn = run.turn, None
        return await failed(run, case, problem)
    if run.turn is not None:
        return None
    account, identity, priority = run.way.account, run.entry.identity, run.priority
    lane = lane_of(identity)
    wait = account.client.wait(priority, account.gate.depth(priority, lane))
    if wait <= PATIENCE:
        return None
    run.status = transitions.waiting(case, action, timedelta(seconds=wait))
    if run.is_dirty and not await run.flush():
        return False
    run.keep(run.resource)
    account.gate.park(identity, priority, lane, lambda turn: run.world.resume(identity, priority, turn))
    run.outcome = Outcome.WAITING
    return True
