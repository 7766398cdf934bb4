"""What a decision can come to; the shell does one after another until one of them ends the reconcile."""

from dataclasses import dataclass
from enum import Enum, auto

from netbird_streaming.core.facts import Posted
from netbird_streaming.core.payload import Payload
from netbird_streaming.core.remote import Integration
from netbird_streaming.core.status import Correction, Intent, Origin
from netbird_streaming.errors import EditError, OperatorError
from netbird_streaming.reasons import Reason


class State(Enum):
    """How a resource stands, as kstatus (sigs.k8s.io/cli-utils) tells it apart."""

    READY = auto()
    WORKING = auto()
    STALLED = auto()
    HELD = auto()
    """On purpose: suspended."""


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Put our finalizer on the resource, before anything that it must outlive."""


@dataclass(frozen=True, slots=True)
class Release:
    """Take our finalizer away: nothing of ours is left in NetBird, or it is left on purpose as `note` says."""

    note: str | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """A LIST is needed that began at or after this monotonic second. `stamp` is what one before told: see `Memory`."""

    since: float
    stamp: str | None = None


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
class Bind:
    """Write the id of this integration into the status."""

    item: Integration
    origin: Origin
    posted: Posted | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """PUT the whole configuration; `correction` when it is another's change that is undone."""

    id: int
    payload: Payload
    correction: Correction | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE the integration."""

    id: int


@dataclass(frozen=True, slots=True)
class Report:
    """Nothing (more) to do now: say how it stands. `retry_at` is a monotonic second at which to look again."""

    state: State
    reason: Reason
    message: str
    retry_at: float | None = None
    drifted: str | None = None
    item: Integration | None = None
    normalized: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The resource is none of our business (any more)."""


Action = AddFinalizer | Release | Look | ConfirmAccount | ProveAbsence | Create | Bind | Update | Delete | Report | Done


def failed(problem: OperatorError) -> Report:
    """How a problem is reported: by the branch of the error tree that it is of."""
    return Report(state_of(problem), problem.reason, problem.message)


def state_of(problem: OperatorError) -> State:
    """A human must edit: stalled; anything else is tried again."""
    return State.STALLED if isinstance(problem, EditError) else State.WORKING
