"""Write `deploy/manifests/`, the chart rendered for `kubectl apply -k`: `make manifests`.

Three kustomizations: the definitions alone, the operator for the whole cluster, the operator for its own namespace.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.harness.controlplane import Binaries
from tools.chart import DEFINITIONS, ROOT, Manifest, render

FOLDER: Final = ROOT / "deploy" / "manifests"
_NOTE: Final = "# Rendered from the chart by `make manifests`; changes here are lost.\n"
_RESTRICTED: Final = {"pod-security.kubernetes.io/enforce": "restricted"}
_KEEP: Final = {
    "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    "kustomize.toolkit.fluxcd.io/prune": "disabled",
}
"""Annotations for Argo CD and Flux. The namespace holds objects of others: the token's Secret, and the Lease."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of the installation."""

    folder: str
    namespace: str
    values: Mapping[str, Any]
    resources: tuple[str, ...]


VARIANTS: Final = (
    Variant("cluster", "netbird-system", {}, ("../crds", "operator.yaml")),
    Variant(
        "namespaced",
        "netbird-streaming",
        {"scope": {"namespaces": ["netbird-streaming"], "clusterConnections": False}},
        ("operator.yaml",),
    ),
)


def files(helm: Path) -> dict[str, str]:
    """Return the content of `deploy/manifests/`: texts by their path below it."""
    definitions = sorted(path.name for path in DEFINITIONS.glob("*.yaml"))
    found = {f"crds/{name}": (DEFINITIONS / name).read_text() for name in definitions}
    found["crds/kustomization.yaml"] = _kustomization(definitions)
    for variant in VARIANTS:
        found[f"{variant.folder}/operator.yaml"] = _NOTE + _dump(*_operator(helm, variant))
        image = {"name": "netbird-streaming-operator", "newName": "netbird-streaming-operator"}
        found[f"{variant.folder}/kustomization.yaml"] = _kustomization(variant.resources, images=[image])
    return found


def write(helm: Path) -> None:
    """Write the files, and remove outdated ones."""
    wanted = {FOLDER / path: text for path, text in files(helm).items()}
    for old in FOLDER.rglob("*.yaml"):
        if old not in wanted:
            old.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _operator(helm: Path, variant: Variant) -> list[Manifest]:
    rendered = render(helm, variant.namespace, {**variant.values, "crds": {"enabled": False}})
    namespace = {"name": variant.namespace, "labels": dict(_RESTRICTED), "annotations": dict(_KEEP)}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": namespace},
        *(_without_helm(each) for each in rendered),
    ]


def _without_helm(node: Any) -> Any:
    """Labels that only Helm reads, in a release of its own."""
    if isinstance(node, list):
        return [_without_helm(each) for each in node]
    if not isinstance(node, dict):
        return node
    helms = ("helm.sh/chart", "helm.sh/resource-policy", "app.kubernetes.io/managed-by")
    return {key: _without_helm(value) for key, value in node.items() if key not in helms}


def _kustomization(resources: list[str] | tuple[str, ...], **more: Any) -> str:
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return _NOTE + _dump({**head, "resources": list(resources), **more})


def _dump(*documents: Manifest) -> str:
    text: str = yaml.safe_dump_all(documents, sort_keys=False, width=120, allow_unicode=True)
    return text


if __name__ == "__main__":
    write(Binaries().find("helm"))
