"""Policies for a resource that is being deleted: delete its integration, orphan it, or prove that it is absent."""

from dataclasses import replace

from netbird_streaming.api.status import Former
from netbird_streaming.api.types import DeletionPolicy
from netbird_streaming.core import former
from netbird_streaming.core.actions import (
    Action,
    Delete,
    DeleteFormer,
    Ignore,
    ReadyState,
    RemoveFinalizer,
    Report,
    WaitForList,
    report_of,
)
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.policies import create_outcome
from netbird_streaming.core.policies.existing import FRESH, confirm_account, is_gone, prove_absence, prove_ownership
from netbird_streaming.errors import OperatorError

DELETION_BLOCKED_HELP = (
    "The integration can't be deleted in NetBird yet. Fix the connection, or refer to a cluster connection of the "
    "same account, or set spec.deletionPolicy to Orphan to leave the integration where it is."
)


def nothing_to_delete(inputs: DecisionInput) -> Action | None:
    """Remove the finalizer if no integration of ours can be in NetBird."""
    if not inputs.desired.resource.has_finalizer:
        return Ignore()
    status = inputs.status
    if inputs.memory.write.deleted:
        return _released(inputs, status.internal.former)
    internal = status.internal
    if status.id is not None or create_outcome.open_intent(inputs) or internal.unresolved_creations or internal.former:
        return None
    claim = inputs.recorded.restored_id
    return RemoveFinalizer(
        None if claim is None else f"integration {claim}, named by a restored status, was not touched"
    )


def _released(inputs: DecisionInput, integrations: tuple[Former, ...]) -> RemoveFinalizer:
    """Remove the finalizer, and name the integrations that were not deleted."""
    left = former.left(inputs)
    absent = tuple(each.id for each in integrations if each not in left)
    return RemoveFinalizer(absent=absent, left=former.describe(left))


def orphan(inputs: DecisionInput) -> Action | None:
    """Leave the integration in NetBird. An open create is resolved first if NetBird can be reached."""
    if inputs.desired.resource.spec.deletion_policy is not DeletionPolicy.ORPHAN:
        return None
    if not isinstance(inputs.observed.target, OperatorError):
        action = create_outcome.resolve_open_intent(inputs)
        if action is not None and not (isinstance(action, Report) and action.state is ReadyState.STALLED):
            return action
    if inputs.status.id is not None:
        return RemoveFinalizer(
            f"integration {inputs.status.id} of account {inputs.status.account_id} was left in NetBird"
        )
    return RemoveFinalizer("an integration may be left in NetBird: a create was never answered")


def report_blocked_deletion(inputs: DecisionInput) -> Action | None:
    """Report why the integration cannot be deleted, with remedies that work in a terminating namespace."""
    problem = inputs.observed.target
    if not isinstance(problem, OperatorError):
        return None
    return replace(report_problem(inputs, problem), state=ReadyState.RECONCILING)


def report_problem(inputs: DecisionInput, problem: OperatorError) -> Report:
    """Return the report of an error. Of a deletion it names the remedies."""
    found = report_of(problem)
    if not inputs.desired.resource.deleting:
        return found
    return replace(found, message=f"{problem.message.removesuffix('.')}. {DELETION_BLOCKED_HELP}")


def resolve_before_delete(inputs: DecisionInput) -> Action | None:
    """Resolve unresolved creates, because they may have made an integration."""
    if inputs.status.id is not None or not inputs.status.internal.unresolved_creations:
        return None
    snapshot = inputs.observed.snapshot
    return (
        WaitForList(inputs.observed.now)
        if snapshot is None
        else create_outcome.resolve_unresolved_creates(inputs, snapshot)
    )


def delete_former(inputs: DecisionInput) -> Action | None:
    """Delete what the resource owned before, if it appeared again."""
    if not inputs.status.internal.former:
        return None
    snapshot = inputs.list_since(inputs.recent(FRESH))
    if snapshot is None:
        return WaitForList(inputs.observed.now)
    again = former.shown(inputs, snapshot)
    return DeleteFormer(again[0][0].id) if again else None


def delete(inputs: DecisionInput) -> Action:
    """Send one DELETE. It is repeated only after a LIST."""
    status, memory = inputs.status, inputs.memory
    if status.id is None or is_gone(inputs):
        return _released(inputs, former.recorded(inputs))
    if memory.write.unknown_at is not None and inputs.list_since(memory.write.unknown_at) is None:
        return WaitForList(memory.write.unknown_at)
    return Delete(status.id)


POLICIES = (
    nothing_to_delete,
    orphan,
    report_blocked_deletion,
    create_outcome.resolve_open_intent,
    confirm_account,
    prove_ownership,
    resolve_before_delete,
    delete_former,
    prove_absence,
)
