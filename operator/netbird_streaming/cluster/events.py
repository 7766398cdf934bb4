"""Kubernetes Events (events.k8s.io/v1) about the operator's resources."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, NamedTuple, Self

from netbird_streaming import background
from netbird_streaming.api.types import GROUP, Resource
from netbird_streaming.cluster.client import FIELD_MANAGER, Json, KubernetesClient, Request
from netbird_streaming.cluster.errors import TerminatingError
from netbird_streaming.cluster.parsing import API_VERSION
from netbird_streaming.core.status.documentation import NO_DOCUMENTATION, Documentation
from netbird_streaming.core.status.events import EventNote
from netbird_streaming.errors import ConflictError, LeaseLostError, ObjectGoneError, OperatorError
from netbird_streaming.log_context import LogOnce

MAX_WAITING: Final = 20_000
"""Events, of about half a kilobyte each. Further Events are lost while so many are pending."""
_ACTION_CHARACTERS: Final = 128
_INSTANCE_CHARACTERS: Final = 128
_NAME_CHARACTERS: Final = 225
_DIGEST_CHARACTERS: Final = 8
_TIMEOUT: Final = 5.0
_LAST_SECONDS: Final = 2.0
# The API server requires this namespace for Events of objects without a namespace.
_CLUSTER_NAMESPACE: Final = "default"

logger = logging.getLogger(__name__)


class PendingEvent(NamedTuple):
    """Contents of an Event that is not published yet. The resource itself may be large and is not kept.

    `position` is the position of the note among those about the same version.
    """

    kind: str
    namespace: str | None
    name: str
    uid: str
    version: str
    position: int
    note: EventNote
    at: datetime


class EventPublisher:
    """Publisher of Events, one after another, within the block of its context manager.

    No caller waits for an Event, so a burst of changes comes before its Events. Each Event is published once for a
    version of its resource: the API server refuses a second one, because it has the same name. At the end of the block,
    pending Events are published for up to two seconds.

    Args:
        client: The client of the API server.
        instance: The name of this process, usually that of the pod.
        now: The wall clock, in UTC.
        guard: Called immediately before each request. Raises if this process does not hold the Lease.
        documentation: The address of the pages that notes link to.
    """

    def __init__(
        self,
        client: KubernetesClient,
        instance: str,
        now: Callable[[], datetime],
        guard: Callable[[], None] | None = None,
        documentation: Documentation = NO_DOCUMENTATION,
    ) -> None:
        self._client = client
        self._instance = instance[:_INSTANCE_CHARACTERS]
        self._now = now
        self._guard = guard
        self._documentation = documentation
        self._waiting: asyncio.Queue[PendingEvent] = asyncio.Queue(MAX_WAITING)
        self._log_once = LogOnce()
        self._sender: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._sender = background.start(self._send_all(), "events")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                await self._waiting.join()
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.wait({self._sender})

    def publish(self, resource: Resource, notes: Sequence[EventNote]) -> None:
        """Queue Events, to be published in order. Failures are logged and never raised."""
        for position, note in enumerate(notes):
            pending = pending_event(resource, note, position, self._now())
            try:
                self._waiting.put_nowait(pending)
            except asyncio.QueueFull:
                self._log_failure(pending, "too many of them wait already")

    async def _send_all(self) -> None:
        while True:
            pending = await self._waiting.get()
            try:
                await self._send(pending)
            finally:
                self._waiting.task_done()

    async def _send(self, pending: PendingEvent) -> None:
        body = event(pending, self._instance, self._documentation)
        namespace = body["metadata"]["namespace"]
        path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
        request = Request("an Event", path, "POST", {"fieldManager": FIELD_MANAGER}, body)
        try:
            await self._client.call(request, seconds=_TIMEOUT, guard=self._guard)
        except (ConflictError, LeaseLostError, ObjectGoneError, TerminatingError):
            # Published already, or this process is not the leader, or the namespace is being deleted.
            return
        except OperatorError as error:
            self._log_failure(pending, error.message)
        except Exception as error:  # noqa: BLE001 # a defect must not end the task that publishes later Events
            self._log_failure(pending, type(error).__name__)
        else:
            self._log_once.reset(namespace)

    def _log_failure(self, pending: PendingEvent, why: str) -> None:
        """Log a failure once for a namespace and a cause, until an Event is published there."""
        namespace = pending.namespace or _CLUSTER_NAMESPACE
        level = self._log_once.level(logging.WARNING, why, namespace)
        logger.log(level, "can't publish an Event %s in namespace %s: %s", pending.note.reason, namespace, why)


def pending_event(resource: Resource, note: EventNote, position: int, at: datetime) -> PendingEvent:
    """Return the pending Event of a resource and a note."""
    metadata, kind = resource.metadata, type(resource).__name__
    return PendingEvent(
        kind, metadata.namespace, metadata.name, metadata.uid, metadata.resource_version, position, note, at
    )


def event(pending: PendingEvent, instance: str, documentation: Documentation = NO_DOCUMENTATION) -> Json:
    """Return the body of the Event."""
    note = pending.note
    regarding = {
        "apiVersion": API_VERSION,
        "kind": pending.kind,
        "name": pending.name,
        "uid": pending.uid,
        "resourceVersion": pending.version,
        **({"namespace": pending.namespace} if pending.namespace else {}),
    }
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{pending.name[:_NAME_CHARACTERS].rstrip('-.')}.{_suffix(pending)}",
            "namespace": pending.namespace or _CLUSTER_NAMESPACE,
        },
        "eventTime": pending.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": f"{GROUP}/{FIELD_MANAGER}",
        "reportingInstance": instance,
        "type": "Warning" if note.warning else "Normal",
        "reason": str(note.reason),
        "action": note.action[:_ACTION_CHARACTERS],
        "note": documentation.linked(note.note, note.reason),
        "regarding": regarding,
    }


def _suffix(pending: PendingEvent) -> str:
    """Return a suffix that is equal for equal Events and greater for later ones.

    `kubectl describe` shows Events in the order of their names.
    """
    note = pending.note
    key = f"{pending.uid}\n{pending.version}\n{note.reason}\n{note.action}\n{note.note}"
    digest = hashlib.sha256(key.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    version = int(pending.version) if pending.version.isdigit() else 0
    return f"{version:016x}{min(pending.position, 15):x}{digest}"
