"""The GitOps example against the code. tests/controlplane/test_gitops_examples.py applies its files."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from netbird_streaming.api.types import Platform
from tests.harness.controlplane import versions
from tests.harness.gitops import flux
from tools.chart import ROOT

EXAMPLES: Final = ROOT / "examples"
FILES: Final = sorted(EXAMPLES.rglob("*.yaml"))
DOCUMENTS: Final = [(path, each) for path in FILES for each in yaml.safe_load_all(path.read_text())]
OPERATORS_NAMESPACE: Final = "netbird-system"


def references(node: Any) -> Iterator[tuple[str, str]]:
    """Yield the Secret and key of every reference below a node."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name.endswith("ecretRef") or name == "secretKeyRef":
                yield value["name"], value["key"]
            else:
                yield from references(value)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def test_no_secret_is_in_git() -> None:
    assert [str(path) for path, each in DOCUMENTS if each["kind"] == "Secret"] == []


def test_external_secrets_writes_exactly_the_referenced_secrets() -> None:
    written = {
        (each["metadata"]["namespace"], each["metadata"]["name"], entry["secretKey"])
        for _, each in DOCUMENTS
        if each["kind"] == "ExternalSecret"
        for entry in each["spec"]["data"]
    }
    needed = {
        (each["metadata"].get("namespace", OPERATORS_NAMESPACE), *reference)
        for _, each in DOCUMENTS
        if each["apiVersion"].startswith("integrations.netbird.io/")
        for reference in references(each["spec"])
    }
    assert written == needed


def test_each_platform_has_one_integration() -> None:
    specs = [each["spec"] for _, each in DOCUMENTS if each["kind"] == "EventStreamingIntegration"]
    assert sorted(spec["platform"] for spec in specs) == sorted(Platform)


def test_kustomization_names_every_file_in_its_folder() -> None:
    for path, each in DOCUMENTS:
        if path.name == "kustomization.yaml":
            beside = {other.name for other in path.parent.iterdir() if other != path}
            assert set(each["resources"]) == beside


def test_flux_uses_the_expressions_of_deploy() -> None:
    assert flux.expressions(EXAMPLES / "gitops" / "flux" / "netbird.yaml") == flux.expressions()


MODULES: Final = {
    versions.ARGOCD: versions.argocd(),
    versions.EXTERNAL_SECRETS: versions.external_secrets(),
    **{module: versions.flux(tool) for tool, module in versions.FLUX.items()},
}


@pytest.mark.parametrize("name", MODULES)
def test_every_module_that_is_fetched_is_pinned_by_hash(name: str) -> None:
    module = MODULES[name]
    sums = {tuple(line.split()[:2]) for line in (module.folder / "go.sum").read_text().splitlines()}
    assert {(name, module.version), (name, f"{module.version}/go.mod")} <= sums
