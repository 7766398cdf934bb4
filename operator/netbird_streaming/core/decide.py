"""Decision: a total function from the desired, observed and recorded state to the next action.

Policies are asked in order, and the first action wins. The order matters for correctness: a create in flight is
resolved before a new one begins, and an id means nothing before its account is known.
"""

from collections.abc import Callable
from typing import Final

from netbird_streaming.api.status import Origin
from netbird_streaming.core import former
from netbird_streaming.core.actions import Action, Delete, ReadyState, RecordId, Report, Update, WaitForList, report_of
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.policies import create_outcome, creation, deletion, drift, existing, observation
from netbird_streaming.errors import OperatorError
from netbird_streaming.reasons import Reason

Policy = Callable[[DecisionInput], Action | None]


def record_created_id(inputs: DecisionInput) -> Action | None:
    """Record the id of an answered POST before anything else."""
    created = inputs.memory.create.created
    if created is None or inputs.status.id == created.item.id:
        return None
    return RecordId(created.item, Origin.CREATED, created)


def report_connection_error(inputs: DecisionInput) -> Action | None:
    """Report that the connection cannot be used."""
    target = inputs.observed.target
    return report_of(target) if isinstance(target, OperatorError) else None


def report_payload_error(inputs: DecisionInput) -> Action | None:
    """Report that a Secret is missing or invalid. Without its value nothing can be sent or compared."""
    payload = inputs.desired.payload
    return report_of(payload) if isinstance(payload, OperatorError) else None


def create_or_adopt(inputs: DecisionInput) -> Action | None:
    """Create or adopt an integration, if none is recorded or the recorded one is proven absent."""
    if inputs.status.id is not None and not existing.is_gone(inputs):
        return None
    for policy in _CREATION:
        action = policy(inputs)
        if action is not None:
            return action
    return None


def recheck_unresolved(inputs: DecisionInput) -> Action | None:
    """Check whether an unresolved create made an integration after all."""
    snapshot = inputs.observed.snapshot
    if snapshot is not None:
        return create_outcome.resolve_unresolved_creates(inputs, snapshot)
    # What a LIST showed once is not taken back without another.
    doubtful = bool(inputs.status.internal.unresolved_creations) and not drift.is_in_sync(inputs)
    return WaitForList(inputs.observed.now) if doubtful else None


_CREATION: Final[tuple[Policy, ...]] = (
    former.adopt_again,
    creation.settle_late_commit,
    creation.refuse_restored_status,
    creation.refuse_conflict,
    creation.adopt,
    creation.create,
)

_LIVE: Final[tuple[Policy, ...]] = (
    record_created_id,
    existing.restore_finalizer,
    report_connection_error,
    create_outcome.resolve_open_intent,
    report_payload_error,
    existing.move_by_adoption,
    existing.confirm_account,
    existing.prove_ownership,
    existing.prove_absence,
    existing.report_deletion,
    create_or_adopt,
    existing.update,
    former.settle,
    recheck_unresolved,
    drift.correct_drift,
)


def decide(inputs: DecisionInput) -> Action:
    """Return the next action for this resource. Every input has one, and no policy raises."""
    return observation.hold_back(inputs, _decide_to_write(inputs))


def _decide_to_write(inputs: DecisionInput) -> Action:
    action = _decide(inputs)
    if isinstance(action, Update | Delete):
        return existing.before_write(inputs) or action
    if inputs.observed.unlisted is not None and isinstance(action, RecordId) and action.created is None:
        return _hold_binding(action, inputs.observed.unlisted)
    return action


def _hold_binding(action: RecordId, unlisted: str) -> Report:
    """Refuse an adoption while a resource that owns the integration may be unknown."""
    message = (
        f"Integration {action.item.id} is not taken over: one of {unlisted} may own it, and Kubernetes refuses that "
        "list. Grant the operator's ServiceAccount list and watch there, or take the namespace out of scope."
    )
    return Report(ReadyState.RECONCILING, Reason.KUBERNETES_REFUSED, message)


def _decide(inputs: DecisionInput) -> Action:
    deleting = inputs.desired.resource.deleting
    for policy in (record_created_id, *deletion.POLICIES) if deleting else _LIVE:
        action = policy(inputs)
        if action is not None:
            return action
    return deletion.delete(inputs) if deleting else drift.nothing_to_compare(inputs)
