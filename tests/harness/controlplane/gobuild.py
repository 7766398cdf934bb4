"""Builds of programs from the Go modules that are pinned by hash beside this file."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.harness.controlplane import cache, versions
from tests.harness.controlplane.progress import progress

VERSION_FLAG: Final = "-X k8s.io/component-base/version.gitVersion"
CONTAINERD: Final = ("containerd", "containerd-shim-runc-v2", "ctr")
PROMETHEUS: Final = ("prometheus", "promtool")
HINTS: Final = {
    **dict.fromkeys(("etcd", *CONTAINERD), "about half a minute"),
    **dict.fromkeys(("source-controller", *versions.HELMS), "about 2 minutes"),
    "kube-apiserver": "about 4 minutes",
    "argocd": "about 5 minutes",
}
# No node here keeps images on btrfs, whose headers would be needed. Without service discovery of clouds, Prometheus
# builds in one minute and not in five. Its web pages would need another tag.
TAGS: Final = {"containerd": "no_btrfs", **dict.fromkeys(PROMETHEUS, "remove_all_sd")}


class BuildError(Exception):
    """A program could not be built. The message has the end of Go's output, or the missing requirement."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The build of one program."""

    tool: str
    module: versions.Module
    package: str
    hint: str
    """The duration on two cores with empty caches, for the progress message."""

    @property
    def cached_as(self) -> str:
        """The name of its folder in the cache."""
        return f"{self.module.folder.name.partition('-')[0]}-{self.module.version}"


def recipe(tool: str, minor: str) -> Recipe:
    """Return the build of a tool; one of Kubernetes is of that minor."""
    module, package = _source(tool, minor)
    return Recipe(tool, module, package, HINTS.get(tool, "about a minute"))


def _source(tool: str, minor: str) -> tuple[versions.Module, str]:
    """Return the module that pins a tool, and the package that it is built from."""
    if tool in versions.COMMANDS:
        return versions.command(tool), f"{versions.COMMANDS[tool]}/cmd/{tool}"
    if tool in versions.FLUX:
        return versions.flux(tool), versions.FLUX[tool]
    if tool in versions.HELMS:
        return versions.helm(tool), f"{versions.HELMS[tool]}/cmd/helm"
    others = {
        **dict.fromkeys(CONTAINERD, (versions.containerd, f"github.com/containerd/containerd/v2/cmd/{tool}")),
        **dict.fromkeys(PROMETHEUS, (versions.prometheus, f"github.com/prometheus/prometheus/cmd/{tool}")),
        "argocd": (versions.argocd, f"{versions.ARGOCD}/cmd"),
        "redis": (versions.argocd, "./redis"),
        "etcd": (versions.etcd, "go.etcd.io/etcd/server/v3"),
        "kustomize": (versions.kustomize, versions.KUSTOMIZE),
    }
    module, package = others.get(tool, (lambda: versions.kubernetes(minor), f"k8s.io/kubernetes/cmd/{tool}"))
    return module(), package


def build(wanted: Recipe) -> Path:
    """Build a program into the locked cache, and return its path.

    Go checks each module against go.sum, which is in git, and refuses a module that is missing there. So no server
    decides what is built.

    Raises:
        BuildError: Go is missing, or the build failed.
    """
    if shutil.which("go") is None:
        message = (
            f"{wanted.tool} is not there and can't be built: install Go 1.26 or newer, or let KUBEBUILDER_ASSETS name "
            "a folder that holds etcd, kube-apiserver, kube-controller-manager and kubectl"
        )
        raise BuildError(message)
    with (
        progress(f"building {wanted.tool} {wanted.module.version} from source ({wanted.hint} the first time)"),
        cache.workspace() as workspace,
    ):
        made = workspace / wanted.tool
        _compile(wanted, made)
        return cache.publish(made, wanted.cached_as, wanted.tool)


def sources(module: versions.Module, path: str) -> Path:
    """Download a module and return the folder of its sources. Go checks them against go.sum.

    Raises:
        BuildError: Go is missing, or the module is not available.
    """
    try:
        done = subprocess.run(
            ["go", "mod", "download", "-json", path],
            cwd=module.folder,
            env={**os.environ, "GOWORK": "off"},
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        message = f"{path} {module.version} can't be downloaded: {getattr(error, 'stderr', None) or error}"
        raise BuildError(message) from error
    return Path(json.loads(done.stdout)["Dir"])


def _compile(wanted: Recipe, made: Path) -> None:
    # Without the version the server reports v0.0.0-master and clients misjudge its features. The other two have no such
    # variable, which the linker ignores.
    linker = f"-s -w {VERSION_FLAG}={wanted.module.version}"
    tags = f"-tags={TAGS.get(wanted.tool, '')}"
    command = ["go", "build", "-mod=readonly", "-trimpath", tags, f"-ldflags={linker}", "-o", str(made), wanted.package]
    # A go.work file above the checkout would replace the pinned module.
    environment = {**os.environ, "GOWORK": "off"}
    done = subprocess.run(
        command, cwd=wanted.module.folder, env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        said = "\n".join(done.stderr.splitlines()[-20:])
        message = f"building {wanted.tool} {wanted.module.version} failed:\n{said}"
        raise BuildError(message)
