"""What a decision can come to; the shell does one after another until one of them ends the reconcile."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from netbird_streaming.api.status import Correction, Intent, Origin
from netbird_streaming.core.inputs import CreatedIntegration
from netbird_streaming.core.netbird.payload import Payload
from netbird_streaming.core.netbird.types import Integration
from netbird_streaming.errors import EditError, OperatorError
from netbird_streaming.reasons import Reason


class ReadyState(Enum):
    """How a resource stands, as kstatus (sigs.k8s.io/cli-utils) tells it apart."""

    READY = auto()
    RECONCILING = auto()
    STALLED = auto()
    SUSPENDED = auto()
    """On purpose: suspended."""


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Put our finalizer on the resource, before anything that it must outlive."""


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Remove our finalizer: nothing of ours is left in NetBird, or it is left on purpose as `note` says.

    `absent` holds the ids that were never deleted by us, and that NetBird does not show.
    """

    note: str | None = None
    absent: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class WaitForList:
    """A LIST is needed that began at or after this monotonic second.

    `own_write_updated_at` is what one before told: see `Memory`.
    """

    since: float
    own_write_updated_at: str | None = None


@dataclass(frozen=True, slots=True)
class ConfirmAccount:
    """The account behind the connection must be known before the id that we hold means anything."""


@dataclass(frozen=True, slots=True)
class ProveAbsence:
    """Ask for the id: the LIST does not show it."""

    id: int


@dataclass(frozen=True, slots=True)
class Create:
    """Write the intent (a compare-and-swap), and only then POST."""

    intent: Intent
    unresolved: tuple[Intent, ...]
    payload: Payload


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
    """Nothing (more) to do now: say how it stands. `retry_at` is a monotonic second at which to look again.

    `absent` is when the LIST began that showed nothing: the first of two observations.
    """

    state: ReadyState
    reason: Reason
    message: str
    retry_at: float | None = None
    drifted: str | None = None
    item: Integration | None = None
    normalized: tuple[tuple[str, str], ...] | None = None
    absent: float | None = None


@dataclass(frozen=True, slots=True)
class Ignore:
    """The resource is none of our business (any more)."""


Write = Create | RecordId | Update | Delete | DeleteFormer
Action = AddFinalizer | RemoveFinalizer | WaitForList | ConfirmAccount | ProveAbsence | Write | Report | Ignore


def report_of(problem: OperatorError) -> Report:
    """How a problem is reported: by the branch of the error tree that it is of."""
    return Report(state_of(problem), problem.reason, problem.message)


def state_of(problem: OperatorError) -> ReadyState:
    """A human must edit: stalled; anything else is tried again."""
    return ReadyState.STALLED if isinstance(problem, EditError) else ReadyState.RECONCILING


def refuse(reason: Reason, sentence: str) -> Report:
    """Return the report of a state that a person has to end."""
    return Report(ReadyState.STALLED, reason, f"{sentence} {reason.remedy}")
