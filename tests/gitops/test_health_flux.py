"""Flux's kustomize-controller judges a resource in every situation, with the expressions of deploy/flux and without."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import eventually
from tests.harness.gitops import flux
from tests.harness.gitops.flux_controllers import NAMESPACE, Flux
from tests.harness.gitops.judgements import documented
from tests.harness.gitops.kstatus import Result
from tests.harness.gitops.recordings import Recorder, Recordings
from tests.harness.gitops.repository import git_server
from tests.harness.manifests import Manifest, to_yaml
from tests.harness.schema_errors import install_crds
from tools.crds.definitions import DEFINITIONS

RECORDED: Final = "recorded"
KINDS: Final = tuple(each.model.__name__ for each in DEFINITIONS)
_ABBREVIATIONS: Final = {
    "EventStreamingIntegration": "esi",
    "NetBirdConnection": "nbc",
    "ClusterNetBirdConnection": "cnbc",
}
WITH: Final = "expressions"
WITHOUT: Final = "plain"
PLAIN: Final = frozenset({"synced", "secret-not-found", "ownership-conflict"})
"""Situations that are judged without expressions too, one for each result."""
JUDGED_SECONDS: Final = 240.0


def kustomization(case: "Case") -> Manifest:
    spec: dict[str, Any] = {
        "interval": "1h",
        "retryInterval": "1h",
        "timeout": "2s",
        "sourceRef": {"kind": "GitRepository", "name": RECORDED},
        "path": f"./{case.kind}/{case.situation}",
        "prune": False,
        "wait": True,
    }
    if case.checks == WITH:
        spec["healthCheckExprs"] = flux.expressions()
    metadata = {"name": case.name, "namespace": NAMESPACE}
    return {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": metadata, "spec": spec}


def source(url: str) -> Manifest:
    spec = {"interval": "1h", "url": url, "ref": {"branch": "main"}}
    metadata = {"name": RECORDED, "namespace": NAMESPACE}
    return {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": metadata, "spec": spec}


def result(condition: Mapping[str, str]) -> Result | None:
    """Return the health that a Kustomization reports for its only resource; None before it does."""
    if condition.get("status") == "True":
        return Result.CURRENT
    if condition.get("reason") != "HealthCheckFailed":
        return None
    (found,) = (each for each in Result if f"status: '{each}'" in condition["message"])
    return found


@dataclass(frozen=True, slots=True)
class Case:
    """An object, and whether Flux is given the expressions."""

    kind: str
    situation: str
    checks: str

    @property
    def name(self) -> str:
        """A name short enough for the label by which Flux marks what it applied."""
        return f"{_ABBREVIATIONS[self.kind]}.{self.situation}.{self.checks}"


@dataclass(frozen=True, slots=True)
class Judged:
    """The objects by kind and situation, and what Flux makes of them."""

    objects: Mapping[str, Recordings]
    results: Mapping[Case, Result | None]


def cases(objects: Mapping[str, Recordings]) -> list[Case]:
    """Return each object with the expressions, and without them each that is then documented to differ.

    Objects that are being deleted are left out: Flux applies nothing to them.
    """
    found = []
    for kind, recordings in objects.items():
        for situation, raw in recordings.items():
            if "deletionTimestamp" not in raw["metadata"]:
                seen = documented(situation, raw)
                found.append(Case(kind, situation, WITH))
                if seen.flux is not seen.kstatus or situation in PLAIN:
                    found.append(Case(kind, situation, WITHOUT))
    return found


def results(running: Flux, wanted: Sequence[Case]) -> dict[Case, Result | None] | None:
    conditions = running.conditions()
    found = {case: result(conditions.get(case.name, {})) for case in wanted}
    return None if None in found.values() else found


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    with ControlPlane.start() as plane, git_server(tmp_path_factory.mktemp("repositories")) as git:
        install_crds(plane)
        plane.kubectl("create", "namespace", RECORDED)
        recorders = {kind: Recorder(plane, kind, RECORDED) for kind in KINDS}
        objects = {kind: each.place() for kind, each in recorders.items()}
        repository, wanted = git.create(RECORDED), cases(objects)
        repository.commit(
            {
                f"{kind}/{name}/resource.yaml": to_yaml(manifest)
                for kind, each in recorders.items()
                for name, manifest in each.manifests().items()
            }
        )
        with Flux(plane) as running:
            documents = [source(repository.url), *map(kustomization, wanted)]
            plane.kubectl("apply", "--filename=-", input=to_yaml(*documents))
            for each in recorders.values():
                each.close()
            found = eventually(lambda: results(running, wanted), "Flux has judged every object", JUDGED_SECONDS)
            yield Judged(objects, found)


def test_flux_judges_every_situation_as_documented(judged: Judged) -> None:
    expected = {}
    for case in judged.results:
        seen = documented(case.situation, judged.objects[case.kind][case.situation])
        expected[case] = seen.flux if case.checks == WITH else seen.kstatus
    assert judged.results == expected
