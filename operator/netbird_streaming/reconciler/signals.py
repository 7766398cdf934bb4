"""What is said where a status has landed: Events for people, and one log line where the state changed."""

import logging
from typing import Final, TypeVar

from netbird_streaming.core.connection_status import ConnectionStatus
from netbird_streaming.core.events import Told, notes, refusal_note, tell
from netbird_streaming.core.resources import Connection, EventStreamingIntegration
from netbird_streaming.core.status import Status
from netbird_streaming.errors import OperatorError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.ports import Cluster

log = logging.getLogger(__name__)

R = TypeVar("R", bound=EventStreamingIntegration | Connection)
CALM: Final = frozenset({Reason.SYNCED, Reason.SUSPENDED, Reason.DELETING})
"""States that nobody has to do anything about: as the user wants it, or on the way there."""


def landed(cluster: Cluster, resource: R, before: Status | ConnectionStatus, told: Told | None) -> Told:
    """Say what changed with the status that the API server now has; answers what was said, for the next time.

    Args:
        cluster: Where Events go.
        resource: The resource as it was written.
        before: Its status until then.
        told: What was said last; None for one that was not written yet since this process leads.
    """
    was = tell(before.conditions) if told is None else told
    now = tell(resource.status.conditions, was)
    published = notes(before, resource.status, was)
    if published:
        cluster.publish(resource, published)
    if now != was:
        _log(resource.status, now)
    return now


def refused(cluster: Cluster, resource: R, problem: OperatorError, published: str | None) -> str | None:
    """Publish an Event for a status write that Kubernetes refuses, once for each cause.

    Args:
        cluster: Where Events go.
        resource: The resource that was to be written.
        problem: What the write met.
        published: What the last call returned; None after a write that succeeded.
    """
    if problem.reason is not Reason.KUBERNETES_REFUSED or problem.message == published:
        return published
    cluster.publish(resource, [refusal_note(problem.message)])
    return problem.message


def _log(status: Status | ConnectionStatus, now: Told) -> None:
    message = next(each.message for each in status.conditions if each.type == "Ready")
    level = logging.INFO if now.reason in CALM else logging.WARNING
    extra = {"reason": now.reason, "integration": getattr(status, "id", None)}
    log.log(level, "%s", "ready" if now.reason == Reason.SYNCED else message, extra=extra)
