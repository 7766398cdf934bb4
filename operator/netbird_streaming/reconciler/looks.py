"""The actions that only look, and the end of a reconcile: say how it stands, and when to look again."""

import logging
from datetime import timedelta
from typing import Final

from netbird_streaming.core import transitions, upkeep
from netbird_streaming.core.actions import Look, ProveAbsence, Report, State
from netbird_streaming.core.actions import failed as standing
from netbird_streaming.core.facts import Case
from netbird_streaming.errors import NotFoundError, OperatorError, RetryError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.entries import digest
from netbird_streaming.reconciler.ports import Outcome
from netbird_streaming.reconciler.run import Run
from netbird_streaming.reconciler.way import Way

log = logging.getLogger(__name__)

FIRST_RETRY: Final = {State.WORKING: 1.0, State.STALLED: 30.0}
LAST_RETRY: Final = {State.WORKING: 300.0, State.STALLED: 1800.0}
"""Seconds. A destination's new key can take minutes to work: even what a human should edit is tried again, rarely."""


async def report(run: Run, case: Case, action: Report) -> bool:
    """Write the status, once, and rest."""
    log.debug("reported", extra={"reason": action.reason, "integration": run.status.id})
    run.status = transitions.reported(case, action)
    if not await run.flush():
        return False
    _rest(run, case, action)
    return True


async def failed(run: Run, case: Case, problem: OperatorError) -> bool:
    """Report a problem that an action met; after a conflict it is said of the newest version, by the next decision."""
    run.retry_after = problem.retry_after if isinstance(problem, RetryError) else None
    return await report(run, case, standing(problem))


async def look(run: Run, case: Case, action: Look) -> bool:
    """Wait for the LIST, together with all who need one."""
    if run.list_failure is not None:
        problem, run.list_failure = run.list_failure, None
        return await failed(run, case, problem)
    if not isinstance(run.way, Way):
        return True
    if not upkeep.is_applied(case):
        run.status = transitions.waiting(case, action, timedelta(seconds=run.way.account.client.wait(run.priority, 1)))
    if run.is_dirty and not await run.flush():
        return False
    queue, identity, priority = run.world.queue, run.entry.identity, run.priority
    run.keep(run.resource)
    if action.stamp is not None:
        run.entry.memory = run.entry.memory.having(stamp=action.stamp)
    run.way.account.park(identity, action.since, priority, lambda: queue.add(identity, priority, ahead=True))
    run.outcome = Outcome.WAITING
    return True


async def confirm_account(run: Run, case: Case) -> bool:
    """By the LIST, which shows it on each integration; by the account itself where the LIST is empty."""
    if not isinstance(run.way, Way):
        return True
    way, account = run.way, run.way.account
    if account.view is None:
        return await look(run, case, Look(0.0))
    async with run.world.queue.released(run.entry.identity):
        if way.tenant_id is not None and way.link.home is None:
            run.account_problem = await run.world.connections.ask_home(way.link, run.priority)
        if account.account_id is None:
            run.account_problem = await account.confirm(run.priority)
    run.world.queue.add(run.way.link.connection.identity)
    return False


async def prove_absence(run: Run, case: Case, action: ProveAbsence) -> bool:
    """A request by id: a JSON 404 is the first half of the proof, the LIST that follows the second."""
    if not isinstance(run.way, Way):
        return True
    try:
        async with run.sending(run.way.account.client) as client:
            await client.get(action.id, run.priority)
    except NotFoundError:
        run.entry.memory = run.entry.memory.having(missing=run.world.ports.clock.monotonic())
        return False
    except OperatorError as problem:
        return await failed(run, case, problem)
    message = f"NetBird's list leaves out integration {action.id}, but answers for it by id. It is looked at again."
    return await report(run, case, Report(State.WORKING, Reason.UNEXPECTED_ANSWER, message))


def _rest(run: Run, case: Case, action: Report) -> None:
    """Keep little of what is in order; look again at what is not."""
    entry = run.entry
    entry.seen, entry.rested = None, True
    if action.drifted is not None:
        run.world.found_drift(entry)
    if action.state is State.READY:
        entry.failures = 0
        if action.drifted is None:
            run.world.drifted.discard(entry.identity)
        # What no LIST has shown in order is looked at again by the next sweep, which would have to read it.
        run.keep(run.resource if action.item is None else None)
        _remember_look(run, case, action)
        return
    run.keep(run.resource)
    # However old the LIST is when it is looked at again: what is not in order is not called so without another.
    entry.memory = entry.memory.having(doubtful=True)
    if action.state is State.HELD:
        return
    run.outcome = Outcome.FAILED
    run.world.ports.meter.put_back(entry.identity.kind, action.reason)
    if action.retry_at is not None:
        run.world.queue.add(entry.identity, run.priority, at=action.retry_at)
        return
    first, last = FIRST_RETRY[action.state], LAST_RETRY[action.state]
    run.world.retry(entry, first=first, last=last, at_least=run.retry_after or 0.0)


def _remember_look(run: Run, case: Case, action: Report) -> None:
    view = case.observed.view
    if action.item is not None and view is not None:
        run.entry.seen = digest(action.item)
        run.world.rest(run.entry, looked=view.begun)
