"""A simulated Kubernetes API server, as the reconciler can observe it.

The rules were measured on kube-apiserver. Every change increments one resource version. A write that names an old
version is refused (409). A spec change or the start of a deletion increments the generation. Status and metadata
changes do not. No request can add a finalizer to an object in deletion. Removing the last finalizer removes the object.
A write without a change keeps the version.

Objects are the pydantic models themselves. A status is serialized to JSON and parsed, as on the wire.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from netbird_streaming.api.connection_status import ConnectionStatus
from netbird_streaming.api.model import Model
from netbird_streaming.api.status import Status
from netbird_streaming.api.types import FINALIZER, Metadata, ObjectKey, Resource
from netbird_streaming.errors import ConflictError, ObjectGoneError, WaitError
from netbird_streaming.reasons import Reason
from tools.crds.definitions import INITIAL_STATUS

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, slots=True)
class Change:
    """A watch event: an object was stored or removed, or a Secret changed."""

    version: int
    resource: Resource | None = None
    gone: bool = False
    secret: tuple[str, str] | None = None

    @property
    def label(self) -> str:
        """Return a readable label of the changed object."""
        return f"secret {'/'.join(self.secret or ())}" if self.resource is None else self.resource.key.label


@dataclass(frozen=True, slots=True)
class SecretObject:
    """A Secret or ConfigMap with its data and the version of its last change."""

    version: int
    data: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The stored objects at one moment."""

    version: int
    objects: Mapping[ObjectKey, Resource]
    secrets: Mapping[tuple[str, str], SecretObject]


class ApiServer:
    """The objects and their history. `on_change` receives every change, in order."""

    def __init__(self, now: Callable[[], datetime], on_change: Callable[[Change], None]) -> None:
        self._now = now
        self._on_change = on_change
        self.version = 100
        self._uids = 0
        self.objects: dict[ObjectKey, Resource] = {}
        self.secrets: dict[tuple[str, str], SecretObject] = {}
        self.leases: dict[str, str] = {}
        """The resourceVersion of the Lease of each installation, as `namespace/name`."""
        self.refused_leases = False
        """If set, RBAC denies reading the Leases."""
        self.unreadable: set[ObjectKey] = set()
        """Objects that the operator's version can't parse."""
        self.scope: tuple[str | None, ...] = (None,)
        """The namespaces that the operator watches; None is all of them."""
        self.unlistable: set[str] = set()
        """Namespaces in which RBAC denies a list."""
        self.refused_kinds: set[str] = set()
        """Kinds of which RBAC denies each list."""
        self.config_maps: dict[tuple[str, str], dict[str, str]] = {}
        self.labels: dict[str, dict[str, str]] = {}
        """The labels of namespaces."""

    # Requests of users.

    def create(self, kind: Callable[..., R], namespace: str | None, name: str, spec: Model) -> R:
        self._uids += 1
        metadata = Metadata(
            name=name,
            namespace=namespace,
            uid=f"uid-{self._uids:04d}",
            resource_version=self._next(),
            creation_timestamp=self._now().replace(microsecond=0),
        )
        resource = kind(metadata=metadata, spec=spec)
        status: Model = resource.status  # type: ignore[attr-defined]  # every kind has a status
        filled_in = {"status": type(status).model_validate(INITIAL_STATUS)}
        resource = resource.model_copy(update=filled_in)
        assert resource.key not in self.objects, f"{resource.key} exists already"
        self.objects[resource.key] = resource
        self._on_change(Change(self.version, resource))
        return resource

    def edit(self, key: ObjectKey, **spec: object) -> None:
        """Change fields of the spec, as `kubectl apply` does."""
        resource = self.objects[key]
        before: Model = resource.spec  # type: ignore[attr-defined]  # every kind has a spec
        after = before.model_copy(update=spec)
        if after != before:
            self._store(resource, spec=after, generation=resource.metadata.generation + 1)

    def annotate(self, key: ObjectKey, name: str, value: str) -> None:
        """Set an annotation. The generation does not change."""
        resource = self.objects[key]
        self._store(resource, annotations={**resource.metadata.annotations, name: value})

    def set_finalizers(self, key: ObjectKey, finalizers: tuple[str, ...]) -> None:
        """Replace the finalizers, as a user or another controller does."""
        resource = self.objects[key]
        if resource.deleting and not finalizers:
            self._remove(resource)
        else:
            self._store(resource, finalizers=finalizers)

    def restore_status(self, key: ObjectKey, status: Status) -> None:
        """Write a saved status, as a backup tool does after it created the object."""
        self._store(self.objects[key], status=status)

    def delete(self, key: ObjectKey) -> None:
        """Begin a deletion. Without finalizers the object is removed at once."""
        resource = self.objects.get(key)
        if resource is None or resource.deleting:
            return
        if not resource.metadata.finalizers:
            self._remove(resource)
            return
        self._store(resource, deletion_timestamp=self._now(), generation=resource.metadata.generation + 1)

    def put_secret(self, namespace: str, name: str, data: Mapping[str, bytes]) -> None:
        """Create or change a Secret. Equal values are no change."""
        known = self.secrets.get((namespace, name))
        if known is None or known.data != data:
            self.secrets[namespace, name] = SecretObject(int(self._next()), dict(data))
            self._on_change(Change(self.version, secret=(namespace, name)))

    def delete_secret(self, namespace: str, name: str) -> None:
        if self.secrets.pop((namespace, name), None) is not None:
            self._next()
            self._on_change(Change(self.version, secret=(namespace, name)))

    # Backup and restore of etcd.

    def snapshot(self) -> Snapshot:
        """Return all stored objects."""
        return Snapshot(self.version, dict(self.objects), dict(self.secrets))

    def restore(self, snapshot: Snapshot, *, jump: int | None) -> list[Change]:
        """Restore the stored objects.

        With a jump, versions continue that far above the last one. No watch reports the restore.

        Return the objects that differ from before.
        """
        before, secrets = self.objects, self.secrets
        self.objects, self.secrets = dict(snapshot.objects), dict(snapshot.secrets)
        self.version = snapshot.version if jump is None else self.version + jump
        uids = {each.metadata.uid for each in self.objects.values()}
        lost = [each for each in before.values() if each.metadata.uid not in uids]
        back = [each for key, each in self.objects.items() if before.get(key) != each]
        changed = [name for name in {**secrets, **self.secrets} if secrets.get(name) != self.secrets.get(name)]
        return [
            *(Change(self.version, each, gone=True) for each in lost),
            *(Change(self.version, each) for each in back),
            *(Change(self.version, secret=name) for name in changed),
        ]

    # Requests of a client.

    def of_kind(self, kind: str) -> Iterator[Resource]:
        """Return all objects of one kind, by name."""
        return iter([each for key, each in sorted(self.objects.items(), key=_order) if key.kind == kind])

    def compare_and_swap(self, read: Resource) -> Resource:
        """Return the stored object if its version is the one that was read.

        Raises:
            ObjectGoneError: The object does not exist.
            ConflictError: It has changed, or is another object with the same name.
        """
        current = self.objects.get(read.key)
        if current is None:
            raise ObjectGoneError(Reason.KUBERNETES_REFUSED, f"{read.key.label}: not found in Kubernetes.")
        if current.metadata.resource_version != read.metadata.resource_version:
            raise ConflictError(Reason.PROGRESSING, f"{read.key.label}: changed since it was read.")
        return current

    def add_finalizer(self, read: R) -> R:
        """Add the operator's finalizer. Refused once deletion has begun."""
        current = self.compare_and_swap(read)
        if current.deleting:
            raise WaitError(Reason.KUBERNETES_REFUSED, f"{read.key.label}: Kubernetes refuses the request (422).")
        return self._store(current, finalizers=(*current.metadata.finalizers, FINALIZER))  # type: ignore[return-value]

    def remove_finalizer(self, read: Resource) -> None:
        """Remove the operator's finalizer. Removing the last one of an object in deletion removes the object."""
        current = self.compare_and_swap(read)
        left = tuple(each for each in current.metadata.finalizers if each != FINALIZER)
        if current.deleting and not left:
            self._remove(current)
        else:
            self._store(current, finalizers=left)

    def write_status(self, read: R, status: Status | ConnectionStatus) -> R:
        """Replace the status, serialized to JSON and parsed. Other fields stay as they are."""
        current = self.compare_and_swap(read)
        kept = type(status).model_validate_json(status.model_dump_json(by_alias=True))
        return self._store(current, status=kept)  # type: ignore[return-value]  # the same kind as what was read

    def _store(self, resource: Resource, **changes: object) -> Resource:
        outer: dict[str, object] = {name: changes.pop(name) for name in ("spec", "status") if name in changes}
        if all(getattr(resource, name) == value for name, value in outer.items()) and all(
            getattr(resource.metadata, name) == value for name, value in changes.items()
        ):
            return resource
        metadata = resource.metadata.model_copy(update={**changes, "resource_version": self._next()})
        stored = resource.model_copy(update={**outer, "metadata": metadata})
        self.objects[resource.key] = stored
        self._on_change(Change(self.version, stored))
        return stored

    def _remove(self, resource: Resource) -> None:
        del self.objects[resource.key]
        metadata = resource.metadata.model_copy(update={"resource_version": self._next()})
        self._on_change(Change(self.version, resource.model_copy(update={"metadata": metadata}), gone=True))

    def _next(self) -> str:
        self.version += 1
        return str(self.version)


def _order(entry: tuple[ObjectKey, Resource]) -> tuple[str, str, str]:
    key = entry[0]
    return key.kind, key.namespace or "", key.name
