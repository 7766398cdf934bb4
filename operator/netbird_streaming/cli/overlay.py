"""Manifests in files, and a cluster in which they are applied in memory."""

import base64
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from netbird_streaming.api.types import (
    ClusterNetBirdConnection,
    EventStreamingIntegration,
    NetBirdConnection,
    ObjectKey,
    Resource,
)
from netbird_streaming.cluster.parsing import API_VERSION, KINDS, parse
from netbird_streaming.config.options import SettingsError
from netbird_streaming.errors import EditError
from netbird_streaming.reconciler.planner import PlanningCluster
from netbird_streaming.reconciler.ports import Cluster

_WITH_SPEC: Final = (EventStreamingIntegration, NetBirdConnection, ClusterNetBirdConnection)
_SUFFIXES: Final = (".yaml", ".yml", ".json")
_STANDARD_INPUT: Final = Path("-")


@dataclass(frozen=True, slots=True)
class Manifests:
    """Objects of files, by what they are called."""

    resources: dict[ObjectKey, Resource]
    secrets: dict[tuple[str, str], Mapping[str, bytes]] = field(repr=False)
    config_maps: dict[tuple[str, str], Mapping[str, str]]

    def names(self, kind: str, namespace: str | None, name: str) -> bool:
        """Return whether the files hold this resource, or a connection or Secret that any resource may use."""
        others = any(key.kind != kind for key in self.resources) or self.secrets or self.config_maps
        return bool(others) or ObjectKey(kind, namespace, name) in self.resources

    def secret_values(self) -> Iterator[bytes]:
        """Yield all values of Secrets."""
        for data in self.secrets.values():
            yield from data.values()


def read_manifests(paths: Sequence[Path], namespace: str) -> Manifests:
    """Read the files; a folder stands for all YAML and JSON files below it.

    Args:
        paths: The files; `-` is standard input.
        namespace: The namespace of objects that name none.

    Raises:
        SettingsError: A file can't be read, or holds something that can't be planned.
    """
    manifests = Manifests({}, {}, {})
    for path in paths:
        for file in _files(path):
            for raw in _documents(file):
                _add(manifests, raw, file, namespace)
    return manifests


class OverlaidCluster(PlanningCluster):
    """Cluster in which manifests are applied in memory.

    Objects are read from `cluster`, with `manifests` applied to them.
    """

    def __init__(self, cluster: Cluster, manifests: Manifests) -> None:
        super().__init__(cluster)
        self._manifests = manifests

    async def read(self, key: ObjectKey) -> Resource | None:
        """Return the object as it would be."""
        found, planned = await super().read(key), self._manifests.resources.get(key)
        return found if planned is None else _applied(found, planned)

    async def list_resources(
        self,
        kind: str,
        namespace: str | None,
        is_newer: Callable[[ObjectKey, str, str], bool],
        handle: Callable[[Resource], None],
    ) -> str:
        """List one kind as it would be."""
        listed: set[ObjectKey] = set()

        def note(key: ObjectKey, uid: str, version: str) -> bool:
            listed.add(key)
            return is_newer(key, uid, version)

        def overlay(found: Resource) -> None:
            planned = self._manifests.resources.get(found.key)
            handle(found if planned is None else _applied(found, planned))

        version = await super().list_resources(kind, namespace, note, overlay)
        for key, planned in self._manifests.resources.items():
            if key.kind == kind and namespace in (None, key.namespace) and key not in listed:
                is_newer(key, planned.metadata.uid, planned.metadata.resource_version)
                handle(planned)
        return version

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return the data of a Secret as it would be."""
        planned = self._manifests.secrets.get((namespace, name))
        return await super().secret(namespace, name) if planned is None else planned

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Return the data of a ConfigMap as it would be."""
        planned = self._manifests.config_maps.get((namespace, name))
        return await super().config_map(namespace, name) if planned is None else planned


def _applied(found: Resource | None, planned: Resource) -> Resource:
    """Return the found object with the planned spec and annotations."""
    if found is None:
        return planned
    if not isinstance(found, _WITH_SPEC) or not isinstance(planned, _WITH_SPEC):
        return planned
    changed = found.spec != planned.spec
    metadata = found.metadata.model_copy(
        update={
            "generation": found.metadata.generation + changed,
            "annotations": {**found.metadata.annotations, **planned.metadata.annotations},
        }
    )
    return found.model_copy(update={"metadata": metadata, "spec": planned.spec})


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(each for each in path.rglob("*") if each.suffix in _SUFFIXES)
    return [path]


def _documents(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file, those of lists one by one."""
    try:
        text = sys.stdin.read() if file == _STANDARD_INPUT else file.read_text(encoding="utf-8")
        documents = list(yaml.safe_load_all(text))
    except (OSError, ValueError, yaml.YAMLError) as error:
        # The text of a parser's error quotes what it can't read, which may be a Secret.
        message = f"--filename: {file} can't be read as YAML ({type(error).__name__}); correct it"
        raise SettingsError(message) from None
    for each in documents:
        if isinstance(each, dict):
            items = each.get("items")
            yield from (item for item in items if isinstance(item, dict)) if isinstance(items, list) else (each,)


def _add(manifests: Manifests, raw: dict[str, Any], file: Path, namespace: str) -> None:
    kind, version = str(raw.get("kind")), raw.get("apiVersion")
    metadata = raw.get("metadata")
    given: dict[str, Any] = metadata if isinstance(metadata, dict) else {}
    name, where = str(given.get("name") or ""), str(given.get("namespace") or namespace)
    try:
        if version == API_VERSION and kind in KINDS:
            place = {"namespace": where} if KINDS[kind].namespaced else {}
            created = {"creationTimestamp": datetime.now(UTC).isoformat()}
            new = {"uid": str(uuid.uuid4()), "resourceVersion": "1", **created}
            resource = parse({**raw, "metadata": {**new, **given, **place}})
            manifests.resources[resource.key] = resource
        elif (version, kind) == ("v1", "Secret"):
            manifests.secrets[where, name] = _secret_data(raw)
        elif (version, kind) == ("v1", "ConfigMap"):
            manifests.config_maps[where, name] = {str(key): str(text) for key, text in (raw.get("data") or {}).items()}
    except EditError as error:
        message = f"--filename: {file}: {kind} {name}: {error.message}"
        raise SettingsError(message) from None
    except (ValueError, AttributeError):
        message = f"--filename: {file}: {kind} {name}: data can't be read; correct it"
        raise SettingsError(message) from None


def _secret_data(raw: Mapping[str, Any]) -> Mapping[str, bytes]:
    encoded = {str(key): base64.b64decode(str(text), validate=True) for key, text in (raw.get("data") or {}).items()}
    return encoded | {str(key): str(text).encode() for key, text in (raw.get("stringData") or {}).items()}
