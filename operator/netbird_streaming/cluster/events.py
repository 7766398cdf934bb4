"""Kubernetes Events (events.k8s.io/v1) about our resources."""

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
from netbird_streaming.core.status.events import EventNote
from netbird_streaming.errors import ConflictError, LeaseLostError, ObjectGoneError, OperatorError
from netbird_streaming.log_context import LogOnce

MAX_WAITING: Final = 20_000
"""Events, of about half a kilobyte each; what comes while so many wait is lost."""
_NOTE_BYTES: Final = 1024
_ACTION_CHARACTERS: Final = 128
_INSTANCE_CHARACTERS: Final = 128
_NAME_CHARACTERS: Final = 225
_DIGEST_CHARACTERS: Final = 8
_TIMEOUT: Final = 5.0
_LAST_SECONDS: Final = 2.0
# Where the API server wants the Events of objects that have no namespace.
_CLUSTER_NAMESPACE: Final = "default"

logger = logging.getLogger(__name__)


class PendingEvent(NamedTuple):
    """What an Event is made of; the resource itself, which may be large, is not kept until it is published.

    `position` is that of the note among those about the same version.
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
    """Publishes Events one after another while the block lasts that it is the context manager of.

    Nothing waits for an Event: a burst of changes goes before what is to be said of them. Each is published once for
    one version of its resource: a repeated one has the same name and is refused. When the block ends, what still waits
    has a moment to go.
    """

    def __init__(
        self,
        client: KubernetesClient,
        instance: str,
        now: Callable[[], datetime],
        guard: Callable[[], None] | None = None,
    ) -> None:
        """Take the connection, our name (usually the pod's), the wall clock in UTC, and the Lease's guard."""
        self._client = client
        self._instance = instance[:_INSTANCE_CHARACTERS]
        self._now = now
        self._guard = guard
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
        """Publish in order, soon; failing to is logged and never raised, since nothing may depend on an Event."""
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
        body = event(pending, self._instance)
        namespace = body["metadata"]["namespace"]
        path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
        request = Request("an Event", path, "POST", {"fieldManager": FIELD_MANAGER}, body)
        try:
            await self._client.call(request, seconds=_TIMEOUT, guard=self._guard)
        except (ConflictError, LeaseLostError, ObjectGoneError, TerminatingError):
            # Published already; not ours to say any more; or who could read it in a namespace that goes?
            return
        except OperatorError as error:
            self._log_failure(pending, error.message)
        except Exception as error:  # noqa: BLE001 # a defect must not end what all later Events need
            self._log_failure(pending, type(error).__name__)
        else:
            self._log_once.reset(namespace)

    def _log_failure(self, pending: PendingEvent, why: str) -> None:
        """Once for a namespace and a cause, until one is published there."""
        namespace = pending.namespace or _CLUSTER_NAMESPACE
        level = self._log_once.level(logging.WARNING, why, namespace)
        logger.log(level, "can't publish an Event %s in namespace %s: %s", pending.note.reason, namespace, why)


def pending_event(resource: Resource, note: EventNote, position: int, at: datetime) -> PendingEvent:
    """What is kept of a resource until its Event is published."""
    metadata, kind = resource.metadata, type(resource).__name__
    return PendingEvent(
        kind, metadata.namespace, metadata.name, metadata.uid, metadata.resource_version, position, note, at
    )


def event(pending: PendingEvent, instance: str) -> Json:
    """The Event's body."""
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
        "note": _shortened(note.note),
        "regarding": regarding,
    }


def _suffix(pending: PendingEvent) -> str:
    """The same for the same news, and later for later ones: `kubectl describe` shows Events in the order of names."""
    note = pending.note
    key = f"{pending.uid}\n{pending.version}\n{note.reason}\n{note.action}\n{note.note}"
    digest = hashlib.sha256(key.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    version = int(pending.version) if pending.version.isdigit() else 0
    return f"{version:016x}{min(pending.position, 15):x}{digest}"


def _shortened(text: str) -> str:
    """At most 1,024 bytes of UTF-8, no character cut."""
    data = text.encode()
    if len(data) <= _NOTE_BYTES:
        return text
    return data[: _NOTE_BYTES - len("…".encode())].decode(errors="ignore") + "…"
