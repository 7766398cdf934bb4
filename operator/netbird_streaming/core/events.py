"""Events that a person cares about: transitions, never a clock."""

from dataclasses import dataclass

from netbird_streaming.reasons import Reason


@dataclass(frozen=True, slots=True)
class EventNote:
    """A Kubernetes Event to publish about a resource."""

    reason: Reason
    action: str
    note: str
    warning: bool = False
