"""Actions: the results of a decision. The reconciler executes one after another until one ends the reconcile."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from netbird_streaming.api.status import Correction, Intent, Origin
from netbird_streaming.core.memory import CreatedIntegration
from netbird_streaming.core.netbird.payload import Payload
from netbird_streaming.core.netbird.types import Integration
from netbird_streaming.errors import EditError, OperatorError
from netbird_streaming.reasons import Reason


class ReadyState(Enum):
    """State of a resource, in the terms of kstatus (sigs.k8s.io/cli-utils)."""

    READY = auto()
    RECONCILING = auto()
    STALLED = auto()
    SUSPENDED = auto()
    """On purpose: suspended."""


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Add our finalizer to the resource, before anything that it must outlive."""


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Remove our finalizer: nothing of ours is left in NetBird, or it is left on purpose as `note` says.

    `absent` holds the ids that were never deleted by us, and that NetBird does not show. `left` names the integrations
    of another server or account, which an adoption replaced.
    """

    note: str | None = None
    absent: tuple[int, ...] = ()
    left: str = ""


@dataclass(frozen=True, slots=True)
class WaitForList:
    """Wait for a LIST of the account that began at or after the monotonic second `since`.

    `own_write_updated_at` is the time of our write, as an earlier LIST showed it: see `Memory`.
    """

    since: float
    own_write_updated_at: str | None = None


@dataclass(frozen=True, slots=True)
class ConfirmAccount:
    """Find out which account the connection leads to. Without it the recorded id means nothing."""


@dataclass(frozen=True, slots=True)
class ProveAbsence:
    """GET the integration by id, because the LIST does not show it."""

    id: int


@dataclass(frozen=True, slots=True)
class Create:
    """Write the intent (a compare-and-swap), and then send the POST.

    `unmanaged` holds the integrations of the platform without an owner.
    """

    intent: Intent
    unresolved: tuple[Intent, ...]
    payload: Payload
    unmanaged: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordId:
    """Write the id of this integration into the status."""

    item: Integration
    origin: Origin
    created: CreatedIntegration | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """PUT the whole configuration; `correction` when it undoes a change of another client.

    `resent_at` is set when nothing but `updatedAt` tells of such a change, so that a Secret value may have changed.
    """

    id: int
    payload: Payload
    correction: Correction | None = None
    resent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE the integration."""

    id: int


@dataclass(frozen=True, slots=True)
class DeleteFormer:
    """DELETE an integration that the resource owned before, and that appeared again beside the one that replaced it."""

    id: int


@dataclass(frozen=True, slots=True)
class Report:
    """Report the state: there is nothing more to do now. `retry_at` is a monotonic second of the next reconcile.

    `absent` is when the LIST began that showed nothing: the first of two observations. `planned` is the write that
    would be made if the connection were not observed only. `ignored_at` is set when `updatedAt` moved again without
    another difference, so that it is ignored from then on.
    """

    state: ReadyState
    reason: Reason
    message: str
    retry_at: float | None = None
    drifted: str | None = None
    item: Integration | None = None
    normalized: tuple[tuple[str, str], ...] | None = None
    absent: float | None = None
    planned: "Write | None" = None
    ignored_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ignore:
    """Do nothing: the operator does not manage the resource, or no longer does."""


Write = Create | RecordId | Update | Delete | DeleteFormer
Action = AddFinalizer | RemoveFinalizer | WaitForList | ConfirmAccount | ProveAbsence | Write | Report | Ignore


def report_of(problem: OperatorError) -> Report:
    """Return the report for an error, by its branch of the error tree."""
    return Report(state_of(problem), problem.reason, problem.message)


def state_of(problem: OperatorError) -> ReadyState:
    """Return stalled if a user must edit something, else reconciling."""
    return ReadyState.STALLED if isinstance(problem, EditError) else ReadyState.RECONCILING


def refuse(reason: Reason, sentence: str) -> Report:
    """Return the report of a state that a person has to end."""
    return Report(ReadyState.STALLED, reason, f"{sentence} {reason.remedy}")
