"""The resource is being deleted: its integration goes first, or is left on purpose, or is proven to be gone."""

from netbird_streaming.core import intents
from netbird_streaming.core.actions import Action, Delete, Done, Look, Release, Report, State
from netbird_streaming.core.facts import Case
from netbird_streaming.core.resources import DeletionPolicy
from netbird_streaming.core.upkeep import confirm_account, is_gone, prove_absence, prove_ownership
from netbird_streaming.errors import OperatorError

WAYS_OUT = (
    "The integration can't be deleted in NetBird yet. Mend the connection, or refer to a cluster connection of the "
    "same account, or set spec.deletionPolicy to Orphan to leave the integration where it is."
)


def nothing_held(case: Case) -> Action | None:
    """Not our business, or nothing of ours can be in NetBird."""
    if not case.desired.resource.has_finalizer:
        return Done()
    status = case.status
    if case.memory.deleted:
        return Release()
    if status.id is not None or intents.open_intent(case) is not None or status.internal.unresolved_creations:
        return None
    claim = case.remembered.claim
    return Release(None if claim is None else f"integration {claim}, named by a restored status, was not touched")


def orphan(case: Case) -> Action | None:
    """Leave it where it is; an open create is settled first where NetBird can be reached."""
    if case.desired.resource.spec.deletion_policy is not DeletionPolicy.ORPHAN:
        return None
    if not isinstance(case.observed.route, OperatorError):
        action = intents.settle_open_intent(case)
        if action is not None and not (isinstance(action, Report) and action.state is State.STALLED):
            return action
    if case.status.id is not None:
        return Release(f"integration {case.status.id} of account {case.status.account_id} was left in NetBird")
    return Release("an integration may be left in NetBird: a create was never answered")


def unreachable(case: Case) -> Action | None:
    """A visible wait, with the ways out that even a terminating namespace allows."""
    problem = case.observed.route
    if not isinstance(problem, OperatorError):
        return None
    return Report(State.WORKING, problem.reason, f"{problem.message.removesuffix('.')}. {WAYS_OUT}")


def settle_unresolved(case: Case) -> Action | None:
    """Attempts that were given up may have made something after all."""
    if case.status.id is not None or not case.status.internal.unresolved_creations:
        return None
    view = case.observed.view
    return Look(case.observed.now) if view is None else intents.settle_unresolved(case, view)


def delete(case: Case) -> Action:
    """DELETE, once; again only after a look."""
    status, memory = case.status, case.memory
    if status.id is None or is_gone(case):
        return Release()
    if memory.unknown_write is not None and case.seen_since(memory.unknown_write) is None:
        return Look(memory.unknown_write)
    return Delete(status.id)


POLICIES = (
    nothing_held,
    orphan,
    unreachable,
    intents.settle_open_intent,
    confirm_account,
    prove_ownership,
    settle_unresolved,
    prove_absence,
)
