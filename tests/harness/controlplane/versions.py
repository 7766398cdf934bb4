"""The pinned versions. They are only in the go.mod files next to this one.

Each minor has its own module and go.sum, so every build is pinned by hash, also of older minors.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MODULES: Final = Path(__file__).parent / "modules"
DEFAULT_MINOR: Final = "1.37"
MINOR_VARIABLE: Final = "K8S_VERSION"
LINTERS: Final = {
    "actionlint": "github.com/rhysd/actionlint",
    "kubeconform": "github.com/yannh/kubeconform",
    "kube-score": "github.com/zegl/kube-score",
}
"""The linters of the chart and of CI's workflows, by tool: the module of the command."""
COMMANDS: Final = {**LINTERS, "crane": "github.com/google/go-containerregistry"}
"""The linters, and a registry in memory with its client."""
HELMS: Final = {"helm": "helm.sh/helm/v4", "helm3": "helm.sh/helm/v3"}
"""Helm 4, and the oldest Helm 3 that the chart is tested with, by tool: the module that holds its command."""
FLUX: Final = {
    "kustomize-controller": "github.com/fluxcd/kustomize-controller",
    "source-controller": "github.com/fluxcd/source-controller",
}
"""The controllers of Flux, by tool: the module that holds the command and the resource definitions."""
ARGOCD: Final = "github.com/argoproj/argo-cd/v3"
ARGOCD_PROGRAMS: Final = ("argocd", "redis")
"""Argo CD, and the Redis in memory that its own tests use."""
KUSTOMIZE: Final = "sigs.k8s.io/kustomize/kustomize/v5"
EXTERNAL_SECRETS: Final = "github.com/external-secrets/external-secrets"


class UnknownVersionError(Exception):
    """K8S_VERSION names a minor that is not pinned here."""


@dataclass(frozen=True, slots=True)
class Module:
    """A Go module that pins one program, or the programs of one Kubernetes version."""

    folder: Path
    version: str
    """The version as Go writes it, for example v1.37.2."""


def pinned_minors() -> list[str]:
    """Return the Kubernetes minors that can be built, oldest first."""
    minors = [folder.name.removeprefix("kubernetes-") for folder in MODULES.glob("kubernetes-*")]
    return sorted(minors, key=lambda minor: int(minor.partition(".")[2]))


def asked_minor() -> str | None:
    """Return the minor of K8S_VERSION, without its patch; None if it is empty or absent.

    Raises:
        UnknownVersionError: it is not one of the pinned minors.
    """
    asked = os.environ.get(MINOR_VARIABLE, "").strip()
    if not asked:
        return None
    minor = minor_of(asked)
    if minor not in pinned_minors():
        message = f"{MINOR_VARIABLE}={asked} is not pinned here; one of {', '.join(pinned_minors())} is needed"
        raise UnknownVersionError(message)
    return minor


def minor_of(version: str) -> str:
    """Return 1.37 for v1.37.2, 1.37.2 and 1.37, and any other version unchanged."""
    found = re.match(r"v?(\d+\.\d+)", version)
    return found[1] if found else version


def kubernetes(minor: str) -> Module:
    """Return the module of a pinned minor."""
    return _read(MODULES / f"kubernetes-{minor}", "k8s.io/kubernetes")


def etcd() -> Module:
    """Return etcd's module. One version serves every Kubernetes minor."""
    return _read(MODULES / "etcd", "go.etcd.io/etcd/server/v3")


def helm(tool: str) -> Module:
    """Return the module of a tool of `HELMS`."""
    return _read(MODULES / tool, HELMS[tool])


def containerd() -> Module:
    """Return the module of containerd, which runs the real node's pods."""
    return _read(MODULES / "containerd", "github.com/containerd/containerd/v2")


def prometheus() -> Module:
    """Return the module of Prometheus and promtool, which test the metrics, the alerts and the dashboard."""
    return _read(MODULES / "prometheus", "github.com/prometheus/prometheus")


def prometheus_operator() -> Module:
    """Return the module whose sources hold the definitions of PodMonitor and PrometheusRule."""
    return _read(MODULES / "prometheusoperator", "github.com/prometheus-operator/prometheus-operator")


def command(tool: str) -> Module:
    """Return the module of one of `COMMANDS`."""
    return _read(MODULES / tool.replace("-", ""), COMMANDS[tool])


def flux(tool: str) -> Module:
    """Return the module of one of `FLUX`."""
    return _read(MODULES / tool.replace("-", ""), FLUX[tool])


def argocd() -> Module:
    """Return the module of `ARGOCD_PROGRAMS`, whose sources hold the definitions of Argo CD."""
    return _read(MODULES / "argocd", ARGOCD)


def kustomize() -> Module:
    """Return the module of kustomize, which Argo CD calls."""
    return _read(MODULES / "kustomize", KUSTOMIZE)


def external_secrets() -> Module:
    """Return the module whose sources hold the definition of ExternalSecret."""
    return _read(MODULES / "externalsecrets", EXTERNAL_SECRETS)


def _read(folder: Path, required: str) -> Module:
    found = re.search(rf"^(?:require)?\s*{re.escape(required)} (v\S+)", (folder / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        message = f"{folder / 'go.mod'} does not require {required}"
        raise LookupError(message)
    return Module(folder, found[1])
