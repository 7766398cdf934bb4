"""The Events and log lines that follow a status write."""

import logging
from typing import Final

from netbird_streaming.api.connection_status import ConnectionStatus
from netbird_streaming.api.status import Condition, Status
from netbird_streaming.api.types import Connection, EventStreamingIntegration
from netbird_streaming.core.status.events import EventNote, Reported, events_for, refusal_note, summarize
from netbird_streaming.errors import NotInChargeError, OperatorError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.ports import Cluster

logger = logging.getLogger(__name__)

INFORMATIONAL: Final = frozenset({Reason.SYNCED, Reason.SUSPENDED, Reason.OBSERVE_ONLY, Reason.DELETING})
"""Reasons that need no action by a user."""


class Published:
    """The last publication about one object.

    `reported` is how it stood when its status was last written; None before the first write of this process.
    """

    __slots__ = ("_refusal", "reported")

    def __init__(self) -> None:
        self.reported: Reported | None = None
        self._refusal: str | None = None

    def assume(self, conditions: tuple[Condition, ...]) -> None:
        """Use these conditions as reported if nothing was: a write whose response is lost may change them."""
        self.reported = self.reported or summarize(conditions)

    def status_changed(
        self, cluster: Cluster, resource: EventStreamingIntegration | Connection, before: Status | ConnectionStatus
    ) -> None:
        """Publish what changed with the status that was written: Events, and a log line if the state changed.

        Args:
            cluster: Where Events go.
            resource: The resource as it was written.
            before: Its status until then.
        """
        was = summarize(before.conditions) if self.reported is None else self.reported
        self.reported, self._refusal = summarize(resource.status.conditions, was), None
        events = events_for(before, resource.status, was)
        if events:
            cluster.publish(resource, events)
        if self.reported != was:
            _log(resource.status, self.reported)

    def write_refused(
        self, cluster: Cluster, resource: EventStreamingIntegration | Connection, problem: OperatorError
    ) -> None:
        """Publish an Event for a status write that Kubernetes refuses, once for each cause."""
        if problem.reason is Reason.KUBERNETES_REFUSED and problem.message != self._refusal:
            cluster.publish(resource, [refusal_note(problem.message)])
            self._refusal = problem.message


def not_in_charge(
    cluster: Cluster, resource: EventStreamingIntegration | Connection, problem: NotInChargeError, informed: set[str]
) -> None:
    """Publish, once for each object, that another installation manages it. The status is that installation's."""
    if resource.metadata.uid in informed:
        return
    informed.add(resource.metadata.uid)
    cluster.publish(resource, [EventNote(problem.reason, "Reconcile", problem.message, warning=True)])
    logger.warning("%s", problem.message, extra={"reason": problem.reason})


def log_done(what: str, reason: Reason, integration_id: int | None) -> None:
    """Log an action in NetBird, or on the ownership of an integration."""
    logger.info(what, extra={"reason": reason, "integration": integration_id})


def _log(status: Status | ConnectionStatus, now: Reported) -> None:
    message = next(each.message for each in status.conditions if each.type == "Ready")
    level = logging.INFO if now.reason in INFORMATIONAL else logging.WARNING
    extra = {"reason": now.reason, "integration": getattr(status, "id", None)}
    logger.log(level, "%s", "ready" if now.reason == Reason.SYNCED else message, extra=extra)
