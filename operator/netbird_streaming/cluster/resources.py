"""Reads and writes of the operator's kinds and the objects that they refer to, with few requests.

Every write is a JSON merge patch with `metadata.resourceVersion`, which makes it a compare-and-swap. The API server
would ignore a uid on `/status`.
"""

import asyncio
import base64
import logging
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Final, TypeVar, cast

from netbird_streaming import background
from netbird_streaming.api.connection_status import ConnectionStatus
from netbird_streaming.api.status import MAX_CONDITIONS, Condition, Status, others
from netbird_streaming.api.types import FINALIZER, Connection, EventStreamingIntegration, ObjectKey, Resource
from netbird_streaming.cluster.client import FIELD_MANAGER, Json, KubernetesClient, Request
from netbird_streaming.cluster.errors import to_operator_error
from netbird_streaming.cluster.events import EventPublisher
from netbird_streaming.cluster.merge_patch import document, merge_patch
from netbird_streaming.cluster.parsing import API_VERSION, KINDS, object_key, object_version, parse
from netbird_streaming.cooperative import yielding_every
from netbird_streaming.core.status.events import EventNote
from netbird_streaming.errors import EditError, ObjectGoneError

# Objects: two whole pages are in memory at once, as dictionaries of some 12 KB each, and of a megabyte at most.
_PAGE: Final = "20"
_PIECE: Final = 10
"""Objects, at some 0.15 ms each."""
_LONGEST_NAME: Final = 253
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
# Strict: an older CRD must refuse an unknown field of the status, and not drop an intent silently.
_WRITE_QUERY: Final = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}

R = TypeVar("R", bound=Resource)
logger = logging.getLogger(__name__)


class Resources:
    """Implementation of the `Cluster` port. Every method raises a branch of `OperatorError` and nothing else.

    Args:
        client: The client of the API server.
        publisher: The publisher of Events.
        namespaces: The watched namespaces. None means all.
        cluster_kinds: Whether the kinds without a namespace are watched. If not, no request lists them.
        guard: Called immediately before each write. Raises if this process may no longer act.
    """

    def __init__(
        self,
        client: KubernetesClient,
        publisher: EventPublisher,
        *,
        namespaces: Sequence[str] | None = None,
        cluster_kinds: bool = True,
        guard: Callable[[], None] | None = None,
    ) -> None:
        self._client = client
        self._publisher = publisher
        self._namespaces = None if namespaces is None else tuple(namespaces)
        self._cluster_kinds = cluster_kinds
        self._guard = guard
        self._unreadable: dict[ObjectKey, str] = {}

    async def read(self, key: ObjectKey) -> Resource | None:
        """Return the current object (a consistent read), or None. Raises `EditError` if it can't be parsed."""
        path = _path(key.kind, key.namespace, key.name)
        raw = await self._find(Request(_subject(key), path))
        return None if raw is None else parse(raw)

    def scopes(self, kind: str) -> Sequence[str | None]:
        """Return the namespaces in which this kind is listed. None is one list of the whole cluster."""
        if not KINDS[kind].namespaced:
            return (None,) if self._cluster_kinds else ()
        return (None,) if self._namespaces is None else self._namespaces

    async def list_resources(
        self,
        kind: str,
        namespace: str | None,
        is_newer: Callable[[ObjectKey, str, str], bool],
        handle: Callable[[Resource], None],
    ) -> str:
        """List a kind in a namespace or in the whole cluster, consistently. Return the version of the list.

        Args:
            kind: One of the operator's kinds.
            namespace: One of the `scopes` of the kind.
            is_newer: Called with the key, uid and version of each object. Returns whether to parse the object.
            handle: Called with each parsed object.

        Raises:
            OperatorError: The list failed. The objects handled before are not all.
        """
        subject, version = f"the list of {kind}" + (f" of namespace {namespace}" if namespace else ""), ""
        async with aclosing(self._pages(subject, _path(kind, namespace))) as pages:
            async for page in pages:
                version = version or str(_object(page, "metadata", subject).get("resourceVersion") or "")
                async for raw in yielding_every(_items(page, subject), _PIECE):
                    if is_newer(*object_version(raw)):
                        self._deliver(raw, handle)
        return version

    async def add_finalizer(self, resource: R) -> R:
        """Add the operator's finalizer and keep the others. If it is present, no request is sent."""
        if resource.has_finalizer:
            return resource
        raw = await self._patch(resource, {"metadata": {"finalizers": [*resource.metadata.finalizers, FINALIZER]}})
        return cast("R", parse(raw))

    async def remove_finalizer(self, resource: Resource) -> None:
        """Remove the operator's finalizer and keep the others. An object that is gone is no error."""
        if not resource.has_finalizer:
            return
        others = [entry for entry in resource.metadata.finalizers if entry != FINALIZER]
        try:
            await self._patch(resource, {"metadata": {"finalizers": others}})
        except ObjectGoneError:
            return

    async def write_status(self, resource: EventStreamingIntegration, status: Status) -> EventStreamingIntegration:
        """Write the status of a resource, by a merge patch of the differences. Without one, no request is sent."""
        return await self._write_status(resource, resource.status, status)

    async def write_connection_status(self, resource: Connection, status: ConnectionStatus) -> Connection:
        """Write the status of a connection, in the same way."""
        return await self._write_status(resource, resource.status, status)

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return the decoded data of a Secret, or None if there is no such Secret."""
        raw = await self._find_named(namespace, "Secret", name)
        subject = f"Secret {namespace}/{name}"
        try:
            return None if raw is None else {key: base64.b64decode(text) for key, text in _data(raw, subject).items()}
        except ValueError as error:
            raise to_operator_error(error, subject, write=False) from None

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Return the data of a ConfigMap, or None if there is no such ConfigMap."""
        raw = await self._find_named(namespace, "ConfigMap", name)
        return None if raw is None else _data(raw, f"ConfigMap {namespace}/{name}")

    async def lease_version(self, namespace: str, name: str) -> str | None:
        """Return the resourceVersion of a Lease; None if there is no such Lease."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}"
        raw = await self._find(Request(f"Lease {namespace}/{name}", path))
        if raw is None:
            return None
        return str(_object(raw, "metadata", f"Lease {namespace}/{name}").get("resourceVersion") or "")

    async def namespace_labels(self, name: str) -> Mapping[str, str]:
        """Return the labels of a namespace. Raises `ObjectGoneError` if there is none, since no labels would match."""
        subject = f"Namespace {name}"
        raw = await self._client.call(Request(subject, f"/api/v1/namespaces/{name}"))
        return _texts(_object(raw, "metadata", subject), "labels", subject)

    def publish(self, resource: Resource, notes: Sequence[EventNote]) -> None:
        """Queue Events, to be published soon. Failures are logged and never raised."""
        self._publisher.publish(resource, notes)

    async def _write_status(self, resource: R, old: Status | ConnectionStatus, new: Status | ConnectionStatus) -> R:
        # A merge patch replaces a list: it includes the conditions of other controllers, as in this version.
        whole = new.model_copy(update={"conditions": _with_others(resource, new.conditions, old.conditions)})
        changes = merge_patch(document(old), document(whole))
        if not changes:
            return resource
        return cast("R", parse(await self._patch(resource, {"status": changes}, "/status")))

    async def _patch(self, resource: Resource, changes: Json, subresource: str = "") -> Json:
        target = resource.key
        body = {**changes, "metadata": {**changes.get("metadata", {}), **_version(resource)}}
        path = _path(target.kind, target.namespace, target.name) + subresource
        request = Request(f"{subresource[1:]} {_subject(target)}".strip(), path, "PATCH", _WRITE_QUERY, body)
        return await self._client.call(request, guard=self._guard)

    async def _pages(self, subject: str, path: str) -> AsyncGenerator[Json, None]:
        """Yield each page while the API server prepares the next one. That takes as long as to read a page."""
        token = ""
        asked = self._ask(subject, path, token)
        try:
            while True:
                page = await asked
                before, token = token, str(_object(page, "metadata", subject).get("continue") or "")
                if token and token == before:
                    raise to_operator_error(ValueError(), subject, write=False)
                if token:
                    asked = self._ask(subject, path, token)
                yield page
                if not token:
                    return
        finally:
            asked.cancel()

    def _ask(self, subject: str, path: str, token: str) -> asyncio.Task[Json]:
        query = {"limit": _PAGE, **({"continue": token} if token else {})}
        return background.start(self._client.call(Request(subject, path, query=query)), "page of a list")

    def _deliver(self, raw: Json, seen: Callable[[Resource], None]) -> None:
        name = object_key(raw)
        try:
            resource = parse(raw)
        except EditError as error:
            if self._unreadable.get(name) != error.message:
                self._unreadable[name] = error.message
                logger.warning("%s can't be read: %s", _subject(name), error.message)
            return
        self._unreadable.pop(name, None)
        seen(resource)

    async def _find_named(self, namespace: str, kind: str, name: str) -> Json | None:
        """Return an object of the core group, or None. An invalid name would be another path, and is never found."""
        if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
            return None
        path = f"/api/v1/namespaces/{namespace}/{kind.lower()}s/{name}"
        return await self._find(Request(f"{kind} {namespace}/{name}", path))

    async def _find(self, request: Request) -> Json | None:
        try:
            return await self._client.call(request)
        except ObjectGoneError:
            return None


def _with_others(resource: Resource, ours: tuple[Condition, ...], old: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Return the operator's conditions and, as far as the schema has room, those of other controllers."""
    theirs = others(old)
    room = MAX_CONDITIONS - len(ours)
    if len(theirs) > room:
        dropped = ", ".join(each.type for each in theirs[room:])
        logger.warning("%s: conditions of other controllers dropped: %s", _subject(resource.key), dropped)
    return (*ours, *theirs[:room])


def _object(raw: Json, name: str, subject: str) -> Json:
    """Return a part of an object that is an object, empty if absent. Raises for any other type."""
    part = raw.get(name) or {}
    if not isinstance(part, dict):
        raise to_operator_error(TypeError(), subject, write=False)
    return part


def _texts(raw: Json, name: str, subject: str) -> dict[str, str]:
    part = _object(raw, name, subject)
    if not all(isinstance(each, str) for each in part.values()):
        raise to_operator_error(TypeError(), subject, write=False)
    return part


def _items(page: Json, subject: str) -> list[Json]:
    items = page.get("items") or []
    if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
        raise to_operator_error(TypeError(), subject, write=False)
    return items


def _data(raw: Json, subject: str) -> dict[str, str]:
    return _texts(raw, "data", subject)


def _version(resource: Resource) -> Json:
    return {"resourceVersion": resource.metadata.resource_version}


def _subject(target: ObjectKey) -> str:
    return f"{target.kind} {target.namespace}/{target.name}" if target.namespace else f"{target.kind} {target.name}"


def _path(kind: str, namespace: str | None, name: str | None = None) -> str:
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{API_VERSION}{scope}/{KINDS[kind].plural}" + (f"/{name}" if name else "")
