"""Kubernetes Events (events.k8s.io/v1) about our resources."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from netbird_streaming.cluster.connection import FIELD_MANAGER, Api, Json, Request
from netbird_streaming.cluster.parsing import API_VERSION
from netbird_streaming.core.events import EventNote
from netbird_streaming.core.resources import GROUP, Resource
from netbird_streaming.errors import ConflictError, OperatorError

_NOTE_BYTES: Final = 1024
_ACTION_CHARACTERS: Final = 128
_INSTANCE_CHARACTERS: Final = 128
_NAME_CHARACTERS: Final = 230
_DIGEST_CHARACTERS: Final = 16
_TIMEOUT: Final = 5.0
# Where the API server wants the Events of objects that have no namespace.
_CLUSTER_NAMESPACE: Final = "default"

logger = logging.getLogger(__name__)


class EventPublisher:
    """Publishes Events, each once for one version of its resource: a repeated one has the same name and is refused."""

    def __init__(
        self, api: Api, instance: str, now: Callable[[], datetime], guard: Callable[[], None] | None = None
    ) -> None:
        """Take the connection, our name (usually the pod's), the wall clock in UTC, and the Lease's guard."""
        self._api = api
        self._instance = instance[:_INSTANCE_CHARACTERS]
        self._now = now
        self._guard = guard

    async def publish(self, resource: Resource, notes: Sequence[EventNote]) -> None:
        """Publish in order; failing to is logged and never raised, since nothing may depend on an Event."""
        for note in notes:
            body = event(resource, note, self._instance, self._now())
            path = f"/apis/events.k8s.io/v1/namespaces/{body['metadata']['namespace']}/events"
            request = Request("an Event", path, "POST", {"fieldManager": FIELD_MANAGER}, body)
            try:
                await self._api.call(request, seconds=_TIMEOUT, guard=self._guard)
            except ConflictError:
                continue
            except OperatorError as error:
                logger.warning("can't publish an Event %s: %s", note.reason, error.message)


def event(resource: Resource, note: EventNote, instance: str, now: datetime) -> Json:
    """The Event's body; deterministic but for `eventTime`."""
    metadata = resource.metadata
    namespace = metadata.namespace or _CLUSTER_NAMESPACE
    key = f"{metadata.uid}\n{metadata.resource_version}\n{note.reason}\n{note.action}\n{note.note}"
    digest = hashlib.sha256(key.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    regarding = {
        "apiVersion": API_VERSION,
        "kind": type(resource).__name__,
        "name": metadata.name,
        "uid": metadata.uid,
        "resourceVersion": metadata.resource_version,
        **({"namespace": metadata.namespace} if metadata.namespace else {}),
    }
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata.name[:_NAME_CHARACTERS].rstrip('-.')}.{digest}",
            "namespace": namespace,
        },
        "eventTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": f"{GROUP}/{FIELD_MANAGER}",
        "reportingInstance": instance,
        "type": "Warning" if note.warning else "Normal",
        "reason": str(note.reason),
        "action": note.action[:_ACTION_CHARACTERS],
        "note": _shortened(note.note),
        "regarding": regarding,
    }


def _shortened(text: str) -> str:
    """At most 1,024 bytes of UTF-8, no character cut."""
    data = text.encode()
    if len(data) <= _NOTE_BYTES:
        return text
    return data[: _NOTE_BYTES - len("…".encode())].decode(errors="ignore") + "…"
