"""Recordings of resources from a real API server in every state: `make recordings` makes them.

Each resource is created, given the status that the shipped code writes, and read back. So the tests of health rules
need no control plane. The status is compared each time, so that an outdated recording is noticed.
"""

import json
from pathlib import Path
from typing import Any, Final

from netbird_streaming.api.types import (
    FINALIZER,
    ClusterNetBirdConnection,
    EventStreamingIntegration,
    NetBirdConnection,
)
from netbird_streaming.cluster.merge_patch import document
from netbird_streaming.cluster.parsing import parse
from tests.harness import manifests
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import Objects
from tests.harness.gitops.connections import CONNECTION_SITUATIONS, ConnectionSituation
from tests.harness.gitops.situations import SITUATIONS, URL, Situation
from tests.harness.manifests import Manifest, to_yaml
from tests.harness.schema_errors import install_crds
from tools.crds.definitions import DEFINITIONS

FOLDER: Final = Path(__file__).parents[2] / "contract" / "recordings"
UNSEEN: Final = "pending"
"""The recording of a resource without a status."""
Recordings = dict[str, dict[str, Any]]


def situations(kind: str) -> dict[str, Situation | ConnectionSituation]:
    """Return every state of this kind by name, except the one without a status."""
    every = SITUATIONS if kind == EventStreamingIntegration.__name__ else CONNECTION_SITUATIONS
    return {each.name: each for each in every}


def read(kind: str) -> Recordings:
    """Return the recordings of a kind, by the name of the situation."""
    found: Recordings = json.loads((FOLDER / f"{kind.lower()}.json").read_text())
    return found


def expected(situation: Situation | ConnectionSituation, raw: dict[str, Any]) -> dict[str, Any]:
    """Return the status that the shipped code writes for this object, or wrote before later changes."""
    metadata = {name: value for name, value in raw["metadata"].items() if name != "deletionTimestamp"}
    if situation.deleted:
        metadata["deletionTimestamp"] = raw["metadata"].get("deletionTimestamp")
    if situation.edited:
        metadata["generation"] = 1
    resource = parse({**raw, "metadata": metadata, "status": {}})
    match situation, resource:
        case Situation(), EventStreamingIntegration():
            return document(situation.status(resource))
        case ConnectionSituation(), NetBirdConnection() | ClusterNetBirdConnection():
            return document(situation.status(resource))
        case _:
            message = f"{situation.name} is no situation of a {type(resource).__name__}"
            raise AssertionError(message)


class Recorder:
    """Creates objects of one kind in every situation."""

    def __init__(self, plane: ControlPlane, kind: str, namespace: str) -> None:
        """Store the control plane, which has the definitions and the namespace."""
        self._plane = plane
        self._kind = kind
        self._namespace = namespace
        self._plural = next(each.plural for each in DEFINITIONS if each.model.__name__ == kind)
        self._objects = Objects(plane)
        self.every: Final[dict[str, Situation | ConnectionSituation | None]] = {UNSEEN: None, **situations(kind)}

    def record(self) -> Recordings:
        """Return an object in each situation; remove all of them afterwards."""
        try:
            return self.place()
        finally:
            self._apply(*(self._manifest(name, each, held=False) for name, each in self.every.items()))
            self._kubectl("delete", self._plural, *self.every, "--ignore-not-found")
            self.close()

    def close(self) -> None:
        """Close the connections to the API server; the objects stay."""
        self._objects.close()

    def place(self) -> Recordings:
        """Put an object into each situation, and return the objects."""
        self._apply(*(self._manifest(name, each) for name, each in self.every.items()))
        return {name: self._in_situation(name, each) for name, each in self.every.items()}

    def manifests(self) -> dict[str, Manifest]:
        """Return what a user would have in git for each object that `place` makes, by the name of the situation."""
        found = {}
        for name, each in self.every.items():
            edited = each is not None and each.edited
            found[name] = self._manifest(name, each, held=False, edited=edited)
            if self._kind != ClusterNetBirdConnection.__name__:
                found[name]["metadata"]["namespace"] = self._namespace
        return found

    def _in_situation(self, name: str, situation: Situation | ConnectionSituation | None) -> dict[str, Any]:
        if situation is None:
            return self._read(name)
        if situation.deleted:
            self._kubectl("delete", self._plural, name, "--wait=false")
        raw = self._read(name)
        patch = json.dumps({"status": expected(situation, raw)})
        self._kubectl("patch", self._plural, name, "--subresource=status", "--type=merge", f"--patch={patch}")
        if situation.edited:
            self._apply(self._manifest(name, situation, edited=True))
        return self._read(name)

    def _manifest(
        self, name: str, situation: Situation | ConnectionSituation | None, *, held: bool = True, edited: bool = False
    ) -> Manifest:
        match self._kind:
            case EventStreamingIntegration.__name__:
                spec = dict(situation.spec) if isinstance(situation, Situation) else {}
                spec |= {"deletionPolicy": "Orphan"} if edited else {}
                made = manifests.integration("generic_http", name, **{"genericHTTP": {"url": URL}, **spec})
            case NetBirdConnection.__name__:
                made = manifests.connection(name, resyncInterval="10m" if edited else "5m")
            case _:
                made = manifests.cluster_connection(name, resyncInterval="10m" if edited else "5m")
        if held and situation is not None:
            made["metadata"]["finalizers"] = [FINALIZER]
        return made

    def _read(self, name: str) -> dict[str, Any]:
        namespace = None if self._kind == ClusterNetBirdConnection.__name__ else self._namespace
        found = self._objects.ours(self._plural, name, namespace)
        assert found is not None, f"{self._plural} {name} is gone"
        # Managed fields are irrelevant for health, and most of the text.
        del found["metadata"]["managedFields"]
        return found

    def _apply(self, *documents: Manifest) -> None:
        self._kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", input=to_yaml(*documents))

    def _kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002 — as subprocess.run calls it
        return self._plane.kubectl(f"--namespace={self._namespace}", *arguments, input=input)


def main() -> None:
    """Write the recordings."""
    FOLDER.mkdir(exist_ok=True)
    with ControlPlane.start() as plane:
        install_crds(plane)
        namespace = "recorded"
        plane.kubectl("create", "namespace", namespace)
        for each in DEFINITIONS:
            kind = each.model.__name__
            found = Recorder(plane, kind, namespace).record()
            (FOLDER / f"{kind.lower()}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
