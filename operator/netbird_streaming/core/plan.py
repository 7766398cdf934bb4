"""A plan: what the next reconcile of a resource does, made of the decision that the reconcile itself would take."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from netbird_streaming.api.types import ObjectKey
from netbird_streaming.core.actions import (
    Action,
    Create,
    Delete,
    DeleteFormer,
    ReadyState,
    RecordId,
    RemoveFinalizer,
    Report,
    Update,
    report_of,
)
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.policies.observation import changed_fields, describe, is_write
from netbird_streaming.core.status.events import TRANSIENT
from netbird_streaming.errors import OperatorError
from netbird_streaming.reasons import Reason


class PlannedAction(StrEnum):
    """Kind of what the next reconcile does."""

    CREATE = "Create"
    UPDATE = "Update"
    ADOPT = "Adopt"
    DELETE = "Delete"
    RELEASE = "Release"
    """The finalizer is removed, and nothing is deleted in NetBird."""
    NOTHING = "Nothing"
    WAIT = "Wait"
    """The operator looks again by itself."""
    CONFLICT = "Conflict"
    """Something else has the integration, or one that is identical."""
    REJECT = "Reject"


CHANGES: Final = frozenset(
    {PlannedAction.CREATE, PlannedAction.UPDATE, PlannedAction.ADOPT, PlannedAction.DELETE, PlannedAction.RELEASE}
)
PROBLEMS: Final = frozenset({PlannedAction.CONFLICT, PlannedAction.REJECT})
_CONFLICTS: Final = frozenset(
    {
        Reason.ADOPTION_CLAIMED,
        Reason.ALREADY_EXISTS,
        Reason.CONTENDED,
        Reason.IDENTICAL_EXISTS,
        Reason.OTHER_INSTALLATION,
        Reason.OWNERSHIP_CONFLICT,
    }
)


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """Entry of a plan: the next reconcile of one resource.

    `fields` are the settings that change, by the names that NetBird gives them; values are never part of a plan.
    """

    kind: str
    namespace: str | None
    name: str
    action: PlannedAction
    message: str
    reason: Reason | None = None
    integration: int | None = None
    fields: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Return `namespace/name`."""
        return self.name if self.namespace is None else f"{self.namespace}/{self.name}"


def entry_for(key: ObjectKey, inputs: DecisionInput, action: Action) -> PlanEntry | None:
    """Return the entry for an action; None for one after which the reconcile decides again."""
    if isinstance(action, Report):
        return _reported(key, inputs, action)
    if isinstance(action, RemoveFinalizer):
        note = action.note or "nothing is left in NetBird"
        return PlanEntry(*key, PlannedAction.RELEASE, f"The finalizer is removed: {note}.", Reason.DELETING)
    return _written(key, inputs, action)


def entry_for_problem(key: ObjectKey, problem: OperatorError) -> PlanEntry:
    """Return the entry for a reconcile that can't decide."""
    return _stopped(key, report_of(problem))


def _reported(key: ObjectKey, inputs: DecisionInput, report: Report) -> PlanEntry | None:
    if report.planned is not None:
        return _written(key, inputs, report.planned)
    if report.state in (ReadyState.READY, ReadyState.SUSPENDED):
        return PlanEntry(*key, PlannedAction.NOTHING, report.message, report.reason, inputs.status.id)
    return _stopped(key, report)


def _written(key: ObjectKey, inputs: DecisionInput, action: Action) -> PlanEntry | None:
    if not is_write(action):
        return None
    sentence = describe(inputs, action)
    message = f"{sentence[0].upper()}{sentence[1:]}."
    fields = changed_fields(inputs, action)
    match action:
        case Create():
            return PlanEntry(*key, PlannedAction.CREATE, message)
        case RecordId():
            return PlanEntry(*key, PlannedAction.ADOPT, message, None, action.item.id, fields)
        case Update():
            return PlanEntry(*key, PlannedAction.UPDATE, message, None, action.id, fields)
        case Delete() | DeleteFormer():
            return PlanEntry(*key, PlannedAction.DELETE, message, None, action.id)


def _stopped(key: ObjectKey, report: Report) -> PlanEntry:
    if report.reason in _CONFLICTS:
        action = PlannedAction.CONFLICT
    elif report.retry_at is not None or report.reason in TRANSIENT:
        action = PlannedAction.WAIT
    else:
        action = PlannedAction.REJECT
    return PlanEntry(*key, action, report.message, report.reason)
