"""The control plane's programs: found, downloaded or built.

In this order: the folder that KUBEBUILDER_ASSETS names, the cache, the official envtest archive, a build from the
pinned Go modules. The archive has no Helm and no kube-controller-manager, without which no namespace is ever deleted.
These two are taken from PATH, or built.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.harness.controlplane import cache, envtest, gobuild, versions
from tests.harness.controlplane.progress import say

ASSETS_VARIABLE: Final = "KUBEBUILDER_ASSETS"
CONTROL_PLANE: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
HELM: Final = "helm"
GITOPS: Final = (*versions.FLUX, *versions.ARGOCD_PROGRAMS, "kustomize")
# Helm works with any cluster version, and any kube-controller-manager of the same minor will do. Another etcd, API
# server or kubectl would change what the tests measure.
TAKEN_FROM_PATH: Final = ("kube-controller-manager", HELM)


class Binaries:
    """The programs of one Kubernetes minor."""

    def __init__(self, minor: str | None = None) -> None:
        """Select that minor, else the one of K8S_VERSION or KUBEBUILDER_ASSETS, else the default.

        Raises:
            UnknownVersionError: the minor is not pinned here.
        """
        asked = minor or versions.asked_minor()
        self._assets = _assets(asked)
        self.minor = asked or _known(_minor_of(self._assets.get("kube-apiserver"))) or versions.DEFAULT_MINOR
        self._archives = envtest.Archives()

    def find(self, tool: str) -> Path:
        """Return the path of a tool. Download or build it if it is missing.

        Raises:
            BuildError: it is missing and can't be built.
        """
        found = self.at_hand(tool)
        if found:
            return found
        with cache.locked():
            # Another process may have built it while this one waited for the lock.
            found = self.at_hand(tool)
            if found:
                return found
            if tool in envtest.TOOLS:
                try:
                    return self._archives.download(self.minor)[tool]
                except envtest.UnavailableError:
                    pass  # already logged; the build is the next attempt
            return gobuild.build(gobuild.recipe(tool, self.minor))

    def at_hand(self, tool: str) -> Path | None:
        """Return the path of an existing tool, or None."""
        if tool in self._assets:
            return self._assets[tool]
        recipe = gobuild.recipe(tool, self.minor)
        built = cache.folder(recipe.cached_as) / tool
        if built.exists():
            return built
        return envtest.cached(self.minor).get(tool) or self._on_path(tool)

    def _on_path(self, tool: str) -> Path | None:
        found = shutil.which(tool) if tool in TAKEN_FROM_PATH else None
        if found is None or (tool != HELM and _minor_of(Path(found)) != self.minor):
            return None
        return Path(found)


def _assets(asked: str | None) -> dict[str, Path]:
    """Return the content of KUBEBUILDER_ASSETS, or nothing if it has another minor."""
    named = os.environ.get(ASSETS_VARIABLE, "").strip()
    if not named:
        return {}
    tools = {tool: Path(named) / tool for tool in (*CONTROL_PLANE, HELM) if (Path(named) / tool).is_file()}
    has = _minor_of(tools.get("kube-apiserver"))
    if asked and has != asked:
        say(f"{ASSETS_VARIABLE} holds {has or 'no kube-apiserver'} and {asked} is asked for: it is not used")
        return {}
    return tools


def _minor_of(program: Path | None) -> str | None:
    """Return the minor that a Kubernetes program reports."""
    if program is None:
        return None
    said = subprocess.run([str(program), "--version"], check=False, capture_output=True, text=True).stdout
    found = re.search(r"Kubernetes v(\d+\.\d+)", said)
    return found[1] if found else None


def _known(minor: str | None) -> str | None:
    """Ignore a minor that is not pinned. Programs that its folder lacks are then those of the default."""
    return minor if minor in versions.pinned_minors() else None
