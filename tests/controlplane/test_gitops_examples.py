"""The files of examples/gitops on a real API server with the kinds of Argo CD, Flux and External Secrets."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.harness.controlplane import ControlPlane
from tests.harness.gitops import argocd, definitions
from tests.harness.manifests import Manifest
from tests.harness.schema_errors import install_crds
from tools.chart import ROOT, of_kind, render

EXAMPLES: Final = ROOT / "examples" / "gitops"
NAMESPACES: Final = ("argocd", "flux-system", "netbird-system")


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A separate cluster, because the examples name cluster-scoped objects that other tests create too."""
    files = [f"--filename={path}" for path in definitions.find()]
    with ControlPlane.start() as plane:
        install_crds(plane)
        # Argo CD's is too long for the annotation of a client-side apply.
        plane.kubectl("apply", "--server-side", *files)
        plane.wait_until_established(*files)
        plane.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(map(_namespace, NAMESPACES)))
        yield plane


@pytest.mark.parametrize("folder", ["argocd", "flux", "netbird"])
def test_every_file_is_accepted_and_a_second_apply_changes_nothing(plane: ControlPlane, folder: str) -> None:
    where = EXAMPLES / folder
    source = f"--kustomize={where}" if (where / "kustomization.yaml").exists() else f"--filename={where}"
    apply = ("apply", "--server-side", "--validate=strict", "--field-manager=example", source)
    plane.kubectl(*apply)
    first, again = (yaml.safe_load(plane.kubectl(*apply, "--output=yaml"))["items"] for _ in range(2))
    assert _versions(again) == _versions(first)
    assert {(each["kind"], each["metadata"]["name"]) for each in first} == {
        (each["kind"], each["metadata"]["name"]) for each in _documents(where) if "metadata" in each
    }


def test_argo_cd_renders_the_chart_with_the_values_of_its_application(plane: ControlPlane) -> None:
    (application,) = _documents(EXAMPLES / "argocd" / "operator.yaml")
    source = application["spec"]["source"]
    assert (ROOT / source["path"] / "Chart.yaml").exists()
    namespace = application["spec"]["destination"]["namespace"]
    rendered = render(plane.binaries.find("helm"), namespace, source["helm"]["valuesObject"])
    (deployment,) = of_kind(rendered, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/netbird-streaming-operator:0.1.0"
    # Stated in the example's own file.
    assert of_kind(rendered, "ClusterNetBirdConnection") == []


def test_flux_builds_the_operator_and_keeps_the_definitions_on_removal(plane: ControlPlane, tmp_path: Path) -> None:
    (wanted,) = _documents(EXAMPLES / "flux" / "operator.yaml")
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    (tmp_path / "built").mkdir()
    built = {"resources": [f"../{wanted['spec']['path']}"]}
    built |= {"images": wanted["spec"]["images"]}
    (tmp_path / "built" / "kustomization.yaml").write_text(yaml.safe_dump(built))
    documents = list(yaml.safe_load_all(plane.kubectl("kustomize", str(tmp_path / "built"))))
    kept = [each for each in documents if _annotations(each).get("kustomize.toolkit.fluxcd.io/prune") == "disabled"]
    # The fingerprint key is kept too. Without it, each integration would be sent again. The namespace holds the token.
    assert kept == of_kind(documents, "CustomResourceDefinition", "Namespace", "Secret")
    (deployment,) = of_kind(documents, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/netbird-streaming-operator:0.1.0"
    plane.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", input=yaml.safe_dump_all(documents))


def test_kustomization_that_installs_argo_cd_accepts_the_component(plane: ControlPlane, tmp_path: Path) -> None:
    shutil.copytree(argocd.FOLDER, tmp_path / "component")
    (tmp_path / "argocd").mkdir()
    base = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}, "data": {"url": "theirs"}}
    (tmp_path / "argocd" / "argocd-cm.yaml").write_text(yaml.safe_dump(base))
    kustomization = {"namespace": "argocd", "resources": ["argocd-cm.yaml"], "components": ["../component"]}
    (tmp_path / "argocd" / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    (found,) = yaml.safe_load_all(plane.kubectl("kustomize", str(tmp_path / "argocd")))
    assert found["data"] == {"url": "theirs", **argocd.scripts()}


def _namespace(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _documents(place: Path) -> list[Any]:
    files = sorted(place.glob("*.yaml")) if place.is_dir() else [place]
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


def _annotations(document: Manifest) -> dict[str, str]:
    found: dict[str, str] = document["metadata"].get("annotations") or {}
    return found


def _versions(documents: list[Manifest]) -> list[str]:
    return [each["metadata"]["resourceVersion"] for each in documents]
