"""Conditions: `Ready` always; `Reconciling` and `Stalled` (kstatus), `Drifted` and `Suspended` only while true."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

from netbird_streaming.api.status import Condition
from netbird_streaming.core.actions import ReadyState
from netbird_streaming.core.status.documentation import NO_DOCUMENTATION, Documentation
from netbird_streaming.reasons import Reason

ConditionStatus = Literal["True", "False", "Unknown"]


class Readiness(NamedTuple):
    """The status and reason of the condition `Ready`."""

    ready: bool
    reason: Reason


NOT_REPORTED: Final = Readiness(ready=False, reason=Reason.PENDING)
"""Of what has no condition yet, or has one whose reason this version does not know."""
_SUSPENDED: Final = {
    Reason.SUSPENDED: "The resource is suspended; only deletion acts.",
    Reason.OBSERVE_ONLY: "The connection is observed only; nothing is written to NetBird.",
}
_READINESS: Final = {(each, reason.value): Readiness(each, reason) for each in (True, False) for reason in Reason}


def readiness(conditions: tuple[Condition, ...]) -> Readiness:
    """Return the status and reason of `Ready`. Equal values are one object, which ten thousand resources share."""
    return next(
        (_READINESS.get((e.status == "True", e.reason), NOT_REPORTED) for e in conditions if e.type == "Ready"),
        NOT_REPORTED,
    )


@dataclass(frozen=True, slots=True)
class ConditionInput:
    """The state of a resource before it is written as conditions."""

    state: ReadyState
    reason: Reason
    message: str
    drifted: str | None = None
    suspended: Reason | None = None


def conditions(
    condition_input: ConditionInput,
    before: tuple[Condition, ...],
    generation: int,
    wall: datetime,
    documentation: Documentation = NO_DOCUMENTATION,
) -> tuple[Condition, ...]:
    """Return the conditions for a state. A transition time changes only with the status of its condition."""
    known = {each.type: each for each in before}
    now = wall.replace(microsecond=0)
    result: list[Condition] = []
    for name, truth, reason, message in _conditions_of(condition_input):
        old = known.get(name)
        since = old.last_transition_time if old is not None and old.status == truth else now
        result.append(
            Condition(
                type=name,
                status=truth,
                reason=reason.value,
                message=documentation.linked(message, reason),
                observed_generation=generation,
                last_transition_time=since,
            )
        )
    return tuple(result)


def _conditions_of(condition_input: ConditionInput) -> Iterator[tuple[str, ConditionStatus, Reason, str]]:
    ready: ConditionStatus = "True" if condition_input.state is ReadyState.READY else "False"
    yield "Ready", ready, condition_input.reason, condition_input.message
    if condition_input.state is ReadyState.RECONCILING:
        yield "Reconciling", "True", condition_input.reason, condition_input.message
    if condition_input.state is ReadyState.STALLED:
        yield "Stalled", "True", condition_input.reason, condition_input.message
    if condition_input.drifted is not None:
        yield "Drifted", "True", Reason.DRIFTED, condition_input.drifted
    if condition_input.suspended is not None:
        yield "Suspended", "True", condition_input.suspended, _SUSPENDED[condition_input.suspended]
