"""Conditions: `Ready` always; `Reconciling` and `Stalled` (kstatus), `Drifted` and `Suspended` only while true."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

from netbird_streaming.core.actions import State
from netbird_streaming.core.status import MAX_MESSAGE, Condition
from netbird_streaming.reasons import Reason

Truth = Literal["True", "False", "Unknown"]


class Readiness(NamedTuple):
    """What the condition `Ready` says, in short."""

    ready: bool
    reason: Reason


UNTOLD: Final = Readiness(ready=False, reason=Reason.PENDING)
"""Of what has no condition yet, or has one whose reason this version does not know."""
_READINESS: Final = {(each, reason.value): Readiness(each, reason) for each in (True, False) for reason in Reason}


def readiness(conditions: tuple[Condition, ...]) -> Readiness:
    """What `Ready` says. Of each there is one object, so that ten thousand resources keep none of their own."""
    return next(
        (_READINESS.get((e.status == "True", e.reason), UNTOLD) for e in conditions if e.type == "Ready"), UNTOLD
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """How a resource stands, before it is written as conditions."""

    state: State
    reason: Reason
    message: str
    drifted: str | None = None
    suspended: bool = False


def conditions(
    standing: Standing, before: tuple[Condition, ...], generation: int, wall: datetime
) -> tuple[Condition, ...]:
    """The conditions for a standing; a transition time changes only with the status of its condition."""
    known = {each.type: each for each in before}
    now = wall.replace(microsecond=0)
    result: list[Condition] = []
    for name, truth, reason, message in _facts(standing):
        old = known.get(name)
        since = old.last_transition_time if old is not None and old.status == truth else now
        result.append(
            Condition(
                type=name,
                status=truth,
                reason=reason.value,
                message=message[:MAX_MESSAGE],
                observed_generation=generation,
                last_transition_time=since,
            )
        )
    return tuple(result)


def _facts(standing: Standing) -> Iterator[tuple[str, Truth, Reason, str]]:
    ready: Truth = "True" if standing.state is State.READY else "False"
    yield "Ready", ready, standing.reason, standing.message
    if standing.state is State.WORKING:
        yield "Reconciling", "True", standing.reason, standing.message
    if standing.state is State.STALLED:
        yield "Stalled", "True", standing.reason, standing.message
    if standing.drifted is not None:
        yield "Drifted", "True", Reason.DRIFTED, standing.drifted
    if standing.suspended:
        yield "Suspended", "True", Reason.SUSPENDED, "The resource is suspended; only deletion acts."
