"""Resources as a real API server shows them, in every way in which they can stand: `make recordings` makes them anew.

Each is created there, given the status that the shipped code writes, and read back; so the tests of what judges health
need no control plane. What the status should be is compared each time, so that an old recording is noticed.
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
"""The recording of a resource that no operator has looked at."""
Recordings = dict[str, dict[str, Any]]


def situations(kind: str) -> dict[str, Situation | ConnectionSituation]:
    """Every way in which this kind can stand, by name, but for the one that no operator has looked at."""
    every = SITUATIONS if kind == EventStreamingIntegration.__name__ else CONNECTION_SITUATIONS
    return {each.name: each for each in every}


def read(kind: str) -> Recordings:
    """Read the recordings of a kind, by the name of the situation."""
    found: Recordings = json.loads((FOLDER / f"{kind.lower()}.json").read_text())
    return found


def expected(situation: Situation | ConnectionSituation, raw: dict[str, Any]) -> dict[str, Any]:
    """Answer the status that the shipped code writes for this object, or wrote before what was done to it."""
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
    """Puts objects of one kind into every situation."""

    def __init__(self, plane: ControlPlane, kind: str, namespace: str) -> None:
        """Take the control plane, where the definitions and the namespace are."""
        self._plane = plane
        self._kind = kind
        self._namespace = namespace
        self._plural = next(each.plural for each in DEFINITIONS if each.model.__name__ == kind)
        self._objects = Objects(plane)

    def record(self) -> Recordings:
        """Answer an object in each situation; none is left behind."""
        every: dict[str, Situation | ConnectionSituation | None] = {UNSEEN: None, **situations(self._kind)}
        self._apply(*(self._manifest(name, each) for name, each in every.items()))
        try:
            found = {name: self._in_situation(name, each) for name, each in every.items()}
        finally:
            self._apply(*(self._manifest(name, each, held=False) for name, each in every.items()))
            self._kubectl("delete", self._plural, *every, "--ignore-not-found")
            self._objects.close()
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
        # Who wrote which field is not what health is about, and most of the text.
        del found["metadata"]["managedFields"]
        return found

    def _apply(self, *documents: Manifest) -> None:
        self._kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", input=to_yaml(*documents))

    def _kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002 — as subprocess.run calls it
        return self._plane.kubectl(f"--namespace={self._namespace}", *arguments, input=input)


def main() -> None:
    """Write the recordings anew."""
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
