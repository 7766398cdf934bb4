"""The decision: a total function from what is wanted, seen and remembered to the one next action.

A chain of small policies, the first that has something to say decides. Their order is the argument of its correctness:
what is in flight is settled before anything new is begun, and an id means nothing before its account is known.
"""

from collections.abc import Callable
from typing import Final

from netbird_streaming.core import creation, drift, intents, removal, upkeep
from netbird_streaming.core.actions import Action, Bind, Look, Report, State, failed
from netbird_streaming.core.facts import Case
from netbird_streaming.core.status import Origin
from netbird_streaming.errors import OperatorError
from netbird_streaming.reasons import Reason

Policy = Callable[[Case], Action | None]


def land_answer(case: Case) -> Action | None:
    """A POST was answered: its id goes into the status before anything else."""
    posted = case.memory.posted
    if posted is None or case.status.id == posted.item.id:
        return None
    return Bind(posted.item, Origin.CREATED, posted)


def unreachable(case: Case) -> Action | None:
    """Without a connection nothing can be done or seen."""
    route = case.observed.route
    return failed(route) if isinstance(route, OperatorError) else None


def unresolved_payload(case: Case) -> Action | None:
    """Without the Secrets there is nothing to send, and nothing to compare with."""
    payload = case.desired.payload
    return failed(payload) if isinstance(payload, OperatorError) else None


def without_integration(case: Case) -> Action | None:
    """Nothing is held, or what was held is proven to be gone."""
    if case.status.id is not None and not upkeep.is_gone(case):
        return None
    for policy in _CREATION:
        action = policy(case)
        if action is not None:
            return action
    return None


def look_again(case: Case) -> Action | None:
    """What an attempt that was given up made after all is found by any later sweep."""
    view = case.observed.view
    if view is not None:
        return intents.settle_unresolved(case, view)
    # What a LIST showed once is not taken back without another.
    doubtful = bool(case.status.internal.unresolved_creations) and not drift.is_in_order(case)
    return Look(case.observed.now) if doubtful else None


_CREATION: Final[tuple[Policy, ...]] = (
    creation.settle_late_commit,
    creation.restored,
    creation.rival,
    creation.adopt,
    creation.create,
)

_LIVE: Final[tuple[Policy, ...]] = (
    land_answer,
    upkeep.restore_finalizer,
    unreachable,
    intents.settle_open_intent,
    unresolved_payload,
    upkeep.move_by_adoption,
    upkeep.confirm_account,
    upkeep.prove_ownership,
    upkeep.prove_absence,
    upkeep.report_deletion,
    without_integration,
    upkeep.update,
    look_again,
    drift.mend_drift,
)


def decide(case: Case) -> Action:
    """The next action for this resource. Total: there is one for every case, and none raises."""
    action = _decide(case)
    if case.observed.unlisted is not None and isinstance(action, Bind) and action.origin is not Origin.CREATED:
        return _hold_binding(action, case.observed.unlisted)
    return action


def _hold_binding(action: Bind, unlisted: str) -> Report:
    """Take over nothing while a resource that owns it may be unknown."""
    message = (
        f"Integration {action.item.id} is not taken over: one of {unlisted} may own it, and Kubernetes refuses that "
        "list. Grant the operator's ServiceAccount list and watch there, or take the namespace out of scope."
    )
    return Report(State.WORKING, Reason.KUBERNETES_REFUSED, message)


def _decide(case: Case) -> Action:
    deleting = case.desired.resource.deleting
    for policy in (land_answer, *removal.POLICIES) if deleting else _LIVE:
        action = policy(case)
        if action is not None:
            return action
    return removal.delete(case) if deleting else drift.nothing_to_compare(case)
