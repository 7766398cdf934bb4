"""What is said where a status has landed: Events for people, and one log line where the state changed."""

import logging
from typing import Final, TypeVar

from netbird_streaming.api.connection_status import ConnectionStatus
from netbird_streaming.api.status import Status
from netbird_streaming.api.types import Connection, EventStreamingIntegration
from netbird_streaming.core.status.events import EventNote, Reported, events_for, refusal_note, summarize
from netbird_streaming.errors import NotInChargeError, OperatorError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.ports import Cluster

logger = logging.getLogger(__name__)

R = TypeVar("R", bound=EventStreamingIntegration | Connection)
INFORMATIONAL: Final = frozenset({Reason.SYNCED, Reason.SUSPENDED, Reason.DELETING})
"""States that nobody has to do anything about: as the user wants it, or on the way there."""


def status_changed(
    cluster: Cluster, resource: R, before: Status | ConnectionStatus, last_notified: Reported | None
) -> Reported:
    """Say what changed with the status that the API server now has; answers what was said, for the next time.

    Args:
        cluster: Where Events go.
        resource: The resource as it was written.
        before: Its status until then.
        last_notified: What was said last; None for one that was not written yet since this process leads.
    """
    was = summarize(before.conditions) if last_notified is None else last_notified
    now = summarize(resource.status.conditions, was)
    published = events_for(before, resource.status, was)
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


def not_in_charge(cluster: Cluster, resource: R, problem: NotInChargeError, informed: set[str]) -> None:
    """Publish, once for each object, that another installation manages it. The status is that installation's."""
    if resource.metadata.uid in informed:
        return
    informed.add(resource.metadata.uid)
    cluster.publish(resource, [EventNote(problem.reason, "Reconcile", problem.message, warning=True)])
    logger.warning("%s", problem.message, extra={"reason": problem.reason})


def _log(status: Status | ConnectionStatus, now: Reported) -> None:
    message = next(each.message for each in status.conditions if each.type == "Ready")
    level = logging.INFO if now.reason in INFORMATIONAL else logging.WARNING
    extra = {"reason": now.reason, "integration": getattr(status, "id", None)}
    logger.log(level, "%s", "ready" if now.reason == Reason.SYNCED else message, extra=extra)
