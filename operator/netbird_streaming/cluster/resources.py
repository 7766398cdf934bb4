"""Our own kinds and what they refer to, read and written with as few requests as there can be.

Every write is a JSON merge patch that carries `metadata.resourceVersion`, which makes it a compare-and-swap; a uid
would be ignored on `/status`.
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
# Strict: a CRD older than this operator must refuse a field of its status, not drop an intent in silence.
_WRITE_QUERY: Final = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}

R = TypeVar("R", bound=Resource)
logger = logging.getLogger(__name__)


class Resources:
    """The `Cluster` port. Every method raises a branch of `OperatorError` and nothing else."""

    def __init__(
        self,
        client: KubernetesClient,
        publisher: EventPublisher,
        *,
        namespaces: Sequence[str] | None = None,
        cluster_kinds: bool = True,
        guard: Callable[[], None] | None = None,
    ) -> None:
        """Take the connection and what depends on the installation.

        Args:
            client: The connection.
            publisher: Publishes Events.
            namespaces: The watched namespaces; None for all.
            cluster_kinds: Whether the kinds without a namespace are watched; else no request asks for them all.
            guard: Called at the last moment before each write; raises when this process may no longer act.
        """
        self._client = client
        self._publisher = publisher
        self._namespaces = None if namespaces is None else tuple(namespaces)
        self._cluster_kinds = cluster_kinds
        self._guard = guard
        self._unreadable: dict[ObjectKey, str] = {}

    async def read(self, key: ObjectKey) -> Resource | None:
        """The object as it is now (a consistent read), or None; raises `EditError` where it can't be parsed."""
        path = _path(key.kind, key.namespace, key.name)
        raw = await self._find(Request(_subject(key), path))
        return None if raw is None else parse(raw)

    def scopes(self, kind: str) -> Sequence[str | None]:
        """The namespaces in which this kind is listed; None is one list of the whole cluster."""
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
        """List one kind in one namespace, or in the whole cluster, consistently; return the version of the list.

        Args:
            kind: One of ours.
            namespace: One of the `scopes` of the kind.
            is_newer: Asked of each object, by its uid and version: whether it is worth parsing.
            handle: Handed each that is, if it can be read.

        Raises:
            OperatorError: What was seen by then is not all.
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
        """Put our finalizer beside the others'; no request where it is there."""
        if resource.has_finalizer:
            return resource
        raw = await self._patch(resource, {"metadata": {"finalizers": [*resource.metadata.finalizers, FINALIZER]}})
        return cast("R", parse(raw))

    async def remove_finalizer(self, resource: Resource) -> None:
        """Take our finalizer away and leave the others'; fine where the object is gone."""
        if not resource.has_finalizer:
            return
        others = [entry for entry in resource.metadata.finalizers if entry != FINALIZER]
        try:
            await self._patch(resource, {"metadata": {"finalizers": others}})
        except ObjectGoneError:
            return

    async def write_status(self, resource: EventStreamingIntegration, status: Status) -> EventStreamingIntegration:
        """Make `status` the resource's status, by a merge patch of what differs; no request where nothing does."""
        return await self._write_status(resource, resource.status, status)

    async def write_connection_status(self, resource: Connection, status: ConnectionStatus) -> Connection:
        """Make `status` the connection's status, in the same way."""
        return await self._write_status(resource, resource.status, status)

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """The decoded data of a Secret, or None where there is none."""
        raw = await self._find_named(namespace, "Secret", name)
        subject = f"Secret {namespace}/{name}"
        try:
            return None if raw is None else {key: base64.b64decode(text) for key, text in _data(raw, subject).items()}
        except ValueError as error:
            raise to_operator_error(error, subject, write=False) from None

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """The data of a ConfigMap, or None where there is none."""
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
        """The labels of a namespace; raises `ObjectGoneError` where there is none, since no labels would match."""
        subject = f"Namespace {name}"
        raw = await self._client.call(Request(subject, f"/api/v1/namespaces/{name}"))
        return _texts(_object(raw, "metadata", subject), "labels", subject)

    def publish(self, resource: Resource, notes: Sequence[EventNote]) -> None:
        """Hand over Events, to be published soon: nothing waits for it, failing to is logged and never raised."""
        self._publisher.publish(resource, notes)

    async def _write_status(self, resource: R, old: Status | ConnectionStatus, new: Status | ConnectionStatus) -> R:
        # A merge patch writes a list whole: others' conditions go with ours, as they are in this version.
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
        """Each page, while the API server makes the next one: it takes as long as reading one."""
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
        """An object of the core group; one with an impossible name, which would be another path, is not there."""
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
    """Our conditions and those of other controllers, as far as the schema has room: ours always fit."""
    theirs = others(old)
    room = MAX_CONDITIONS - len(ours)
    if len(theirs) > room:
        dropped = ", ".join(each.type for each in theirs[room:])
        logger.warning("%s: conditions of other controllers dropped: %s", _subject(resource.key), dropped)
    return (*ours, *theirs[:room])


def _object(raw: Json, name: str, subject: str) -> Json:
    """An object's part that is an object; empty where it is absent. Raises for whatever else a proxy may answer."""
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
