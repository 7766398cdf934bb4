"""The plain manifests are the rendered chart. tests/controlplane/test_chart_manifests.py applies them."""

from pathlib import Path

import pytest
import yaml

from tests.harness.controlplane import Binaries
from tools.plain_manifests import FOLDER, VARIANTS, files

OURS = "integrations.netbird.io"


@pytest.fixture(scope="module")
def wanted() -> dict[str, str]:
    return files(Binaries().find("helm"))


def test_plain_manifests_equal_the_rendered_chart(wanted: dict[str, str]) -> None:
    found = {str(path.relative_to(FOLDER)): path.read_text() for path in FOLDER.rglob("*") if path.is_file()}
    assert found == wanted, "run `make manifests`"


def test_plain_operator_has_no_labels_of_helm(wanted: dict[str, str]) -> None:
    for variant in VARIANTS:
        text = wanted[f"{variant.folder}/operator.yaml"]
        assert "helm" not in text.lower()


def test_namespaced_variant_grants_nothing_outside_of_its_namespace(wanted: dict[str, str]) -> None:
    documents = list(yaml.safe_load_all(wanted["namespaced/operator.yaml"]))
    assert {each["kind"] for each in documents} == {
        "Namespace",
        "PodDisruptionBudget",
        "ServiceAccount",
        "Secret",
        "Role",
        "RoleBinding",
        "Deployment",
    }
    assert {each["metadata"].get("namespace") for each in documents} == {None, "netbird-streaming"}


def test_each_kustomization_names_all_files_in_its_folder(wanted: dict[str, str]) -> None:
    for path in (Path(name) for name in wanted if name.endswith("kustomization.yaml")):
        resources = yaml.safe_load(wanted[str(path)])["resources"]
        beside = {name.partition("/")[2] for name in wanted if Path(name).parent == path.parent}
        assert {each for each in resources if not each.startswith("../")} == beside - {"kustomization.yaml"}
