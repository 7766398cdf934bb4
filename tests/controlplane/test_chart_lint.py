"""The chart and the plain manifests under common linters, for each set of values in the chart's ci/ folder.

kubeconform uses the API server's own schemas and the CRDs, kube-score known rules of security and availability.
"""

import json
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from netbird_streaming.api.types import GROUP, VERSION
from tests.harness import kubeschemas
from tests.harness.controlplane import Binaries, ControlPlane
from tests.harness.end_to_end import eventually
from tests.harness.operator import apply
from tools.chart import CHART, Manifest, of_kind, render
from tools.plain_manifests import FOLDER

SETS: Final = sorted((CHART / "ci").glob("*-values.yaml"))
OPENSHIFT: Final = yaml.safe_load((CHART / "ci" / "openshift-values.yaml").read_text())
IGNORED: Final = {
    # A tag is never pushed twice, and a digest can be given. Pulling always would tie each start to the registry.
    "container-image-pull-policy",
    # The container writes no file: the root is read-only and there is no emptyDir. The kubelet rotates its log.
    "container-ephemeral-storage-request-and-limit",
    # A topology spread has the same effect, and allows the second pod to start on a cluster of one node.
    "deployment-has-host-podantiaffinity",
}
UNLESS_ASKED_FOR: Final = "pod-networkpolicy"
"""A NetworkPolicy is only useful with the cluster's addresses, so it is optional."""
UNLESS_USER_IS_SET: Final = "container-security-context-user-group-id"
"""OpenShift sets the user and the group of each namespace, and rejects a pod that names others."""
UNKNOWN: Final = "PodMonitor,PrometheusRule"
"""No API server here has the Prometheus operator's kinds. tests/monitoring/ uses one that has."""
OPTIONAL: Final = ("container-seccomp-profile", "container-ports-check")


@pytest.fixture(scope="module")
def binaries() -> Binaries:
    """Built here, because no test's timeout includes the build."""
    made = Binaries()
    for tool in ("helm", "kubeconform", "kube-score"):
        made.find(tool)
    return made


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ControlPlane.start() as plane:
        definitions = of_kind(render(plane.binaries.find("helm"), "netbird-system"), "CustomResourceDefinition")
        apply(plane, *definitions)
        kinds = {each["spec"]["names"]["kind"] for each in definitions}
        # The API server publishes them a while after it serves them.
        eventually(lambda: kinds <= kubeschemas.kinds(plane, f"apis/{GROUP}/{VERSION}"), "our schemas are published")
        yield kubeschemas.write(plane, tmp_path_factory.mktemp("schemas"))


def run(program: Path, *arguments: str, documents: Sequence[Manifest] = ()) -> tuple[int, str]:
    text = yaml.safe_dump_all(documents)
    done = subprocess.run([str(program), *arguments], input=text, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def values_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def manifests_of(folder: str) -> list[Manifest]:
    texts = (path.read_text() for path in (FOLDER / folder).glob("*.yaml") if path.name != "kustomization.yaml")
    return [document for text in texts for document in yaml.safe_load_all(text)]


def conforms(binaries: Binaries, schemas: str, documents: list[Manifest]) -> str:
    """Return the errors of kubeconform."""
    program = binaries.find("kubeconform")
    arguments = ("-strict", f"-schema-location={schemas}", f"-skip={UNKNOWN}", "-output=json")
    code, said = run(program, *arguments, documents=documents)
    wrong = [each["msg"] for each in json.loads(said)["resources"]]
    assert bool(code) == bool(wrong)
    return "\n".join(wrong)


def scores(binaries: Binaries, documents: list[Manifest], *ignored: str) -> list[str]:
    """Return the warnings of kube-score."""
    arguments = ["score", "-", "--output-format=ci", "--kubernetes-version=v1.33", "--ignore-container-cpu-limit"]
    arguments += [f"--enable-optional-test={each}" for each in OPTIONAL]
    arguments += [f"--ignore-test={each}" for each in (*IGNORED, *ignored)]
    _, said = run(binaries.find("kube-score"), *arguments, documents=documents)
    assert "[OK]" in said
    return [line for line in said.splitlines() if not line.startswith(("[OK]", "[SKIPPED]"))]


@pytest.mark.parametrize("values", SETS, ids=lambda path: path.stem)
def test_helm_lint_finds_nothing(binaries: Binaries, values: Path) -> None:
    code, said = run(binaries.find("helm"), "lint", "--strict", str(CHART), f"--values={values}")
    assert code == 0, said


@pytest.mark.parametrize("values", SETS, ids=lambda path: path.stem)
def test_rendered_chart_is_valid_for_the_api_server(binaries: Binaries, schemas: str, values: Path) -> None:
    documents = render(binaries.find("helm"), "netbird-system", values_of(values))
    assert conforms(binaries, schemas, documents) == ""


@pytest.mark.parametrize("folder", ["crds", "cluster", "namespaced"])
def test_plain_manifests_are_valid_for_the_api_server(binaries: Binaries, schemas: str, folder: str) -> None:
    assert conforms(binaries, schemas, manifests_of(folder)) == ""


@pytest.mark.parametrize("field", ["replica", "template.spec.hostPID2", "template.spec.containers.0.imagee"])
def test_unknown_field_is_found(binaries: Binaries, schemas: str, field: str) -> None:
    documents = render(binaries.find("helm"), "netbird-system")
    node: Any = of_kind(documents, "Deployment")[0]["spec"]
    *parents, last = field.split(".")
    for part in parents:
        node = node[int(part) if part.isdigit() else part]
    node[last] = "x"
    assert last in conforms(binaries, schemas, documents)


@pytest.mark.parametrize("values", SETS, ids=lambda path: path.stem)
def test_kube_score_finds_only_explained_exceptions(binaries: Binaries, values: Path) -> None:
    given = values_of(values)
    documents = render(binaries.find("helm"), "netbird-system", given)
    ignored = {
        UNLESS_ASKED_FOR: not given.get("networkPolicy", {}).get("enabled", False),
        UNLESS_USER_IS_SET: given.get("podSecurityContext") == OPENSHIFT["podSecurityContext"],
    }
    assert scores(binaries, documents, *(check for check, applies in ignored.items() if applies)) == []


@pytest.mark.parametrize(
    ("ignored", "values"),
    [*((each, {}) for each in sorted({*IGNORED, UNLESS_ASKED_FOR})), (UNLESS_USER_IS_SET, OPENSHIFT)],
)
def test_every_exception_is_needed(binaries: Binaries, ignored: str, values: dict[str, Any]) -> None:
    documents = render(binaries.find("helm"), "netbird-system", values)
    arguments = ["score", "-", "--output-format=json", "--kubernetes-version=v1.33"]
    _, said = run(binaries.find("kube-score"), *arguments, documents=documents)
    checks = [check for each in json.loads(said) for check in each["checks"]]
    assert any(each["check"]["id"] == ignored and each["grade"] < 10 and not each["skipped"] for each in checks)


def test_less_secure_pod_is_found(binaries: Binaries) -> None:
    documents = render(binaries.find("helm"), "netbird-system")
    pod = of_kind(documents, "Deployment")[0]["spec"]["template"]["spec"]
    pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] = False
    assert "writable root filesystem" in "\n".join(scores(binaries, documents, UNLESS_ASKED_FOR))


def test_packaged_chart_has_the_files_and_renders_the_objects_of_the_folder(binaries: Binaries, tmp_path: Path) -> None:
    helm = binaries.find("helm")
    subprocess.run([helm, "package", CHART, f"--destination={tmp_path}"], check=True, capture_output=True)
    (package,) = tmp_path.glob("*.tgz")
    assert package.name == f"{CHART.name}-{yaml.safe_load((CHART / 'Chart.yaml').read_text())['version']}.tgz"
    with tarfile.open(package) as packed:
        inside = set(packed.getnames())
    tracked = {str(path.relative_to(CHART.parent)) for path in CHART.rglob("*") if path.is_file()}
    # The sets of values are for the linters alone.
    assert {name for name in tracked - inside if not name.startswith(f"{CHART.name}/ci/")} == set()
    assert not any(name.startswith(f"{CHART.name}/ci/") for name in inside)
    rendered = [
        subprocess.run([helm, "template", "release", chart], check=True, capture_output=True, text=True).stdout
        for chart in (CHART, package)
    ]
    assert rendered[0] == rendered[1]
