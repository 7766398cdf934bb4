"""Where the control plane's programs are, or how they come to be there.

In this order: the folder that KUBEBUILDER_ASSETS names; our cache; the official envtest archive; a build from the
pinned Go modules. The archive has neither kube-controller-manager, without which no namespace is ever deleted, nor
Helm: these are taken from PATH, or built.
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
# A cluster's version matters little to Helm, and a controller-manager of the same minor is as good as ours; a foreign
# etcd, API server or kubectl would change what the tests measure.
TAKEN_FROM_PATH: Final = ("kube-controller-manager", HELM)


class Binaries:
    """The programs of one Kubernetes minor."""

    def __init__(self, minor: str | None = None) -> None:
        """Look for that minor; without one, for what K8S_VERSION or KUBEBUILDER_ASSETS say, else for the default.

        Raises:
            UnknownVersionError: the minor is not pinned here.
        """
        asked = minor or versions.asked_minor()
        self._assets = _assets(asked)
        self.minor = asked or _known(_minor_of(self._assets.get("kube-apiserver"))) or versions.DEFAULT_MINOR
        self._archives = envtest.Archives()

    def find(self, tool: str) -> Path:
        """Answer where a tool is, after downloading or building it where it is nowhere yet.

        Raises:
            BuildError: it is nowhere, and can't be built.
        """
        found = self.at_hand(tool)
        if found:
            return found
        with cache.locked():
            # Somebody else may have made it while this process waited for the lock.
            found = self.at_hand(tool)
            if found:
                return found
            if tool in envtest.TOOLS:
                try:
                    return self._archives.download(self.minor)[tool]
                except envtest.UnavailableError:
                    pass  # said already; the build is what comes next
            return gobuild.build(gobuild.recipe(tool, self.minor))

    def at_hand(self, tool: str) -> Path | None:
        """Answer where a tool is already, or None."""
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
    """Answer what KUBEBUILDER_ASSETS holds; nothing where another minor is asked for than it holds."""
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
    """Answer which minor a Kubernetes program says it is."""
    if program is None:
        return None
    said = subprocess.run([str(program), "--version"], check=False, capture_output=True, text=True).stdout
    found = re.search(r"Kubernetes v(\d+\.\d+)", said)
    return found[1] if found else None


def _known(minor: str | None) -> str | None:
    """Leave out a minor that is not pinned: what its folder lacks is then taken from the default."""
    return minor if minor in versions.pinned_minors() else None
