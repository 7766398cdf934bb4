"""Write the go.mod and go.sum of a Kubernetes version: `python -m tests.harness.controlplane pin v1.38.0`."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

from tests.harness.controlplane.versions import MODULES, minor_of

TOOLS: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kubelet")


def pin(version: str) -> Path:
    """Write the module that builds this Kubernetes, and return its folder.

    Go asks its checksum database for each hash that it writes into go.sum here. From then on the files in git decide.

    Raises:
        subprocess.CalledProcessError: there is no such version, or the module proxy is unreachable.
    """
    folder = MODULES / f"kubernetes-{minor_of(version)}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.sum").unlink(missing_ok=True)
    (folder / "go.mod").write_text(_module(version))
    subprocess.run(["go", "mod", "tidy"], cwd=folder, check=True)
    return folder


def _module(version: str) -> str:
    """Return the go.mod of that version, before `go mod tidy` adds indirect requirements."""
    found = _go("mod", "download", "-json", f"k8s.io/kubernetes@{version}")
    theirs = _go("mod", "edit", "-json", str(found["GoMod"]))
    # v1.37.2 of Kubernetes is published as v0.37.2 of each of its libraries.
    library_version = version.replace("v1.", "v0.", 1)
    libraries = sorted(
        entry["Old"]["Path"] for entry in theirs["Replace"] if entry["New"]["Path"].startswith("./staging/")
    )
    lines = [
        f"module netbird-streaming-operator/controlplane/kubernetes-{minor_of(version)}\n",
        f"go {theirs['Go']}\n",
        f"require k8s.io/kubernetes {version}\n",
        "tool (",
        *(f"\tk8s.io/kubernetes/cmd/{tool}" for tool in TOOLS),
        ")\n",
        "// Kubernetes names its own libraries by folders of its repository; outside of it they are published modules.",
        "replace (",
        *(f"\t{library} => {library} {library_version}" for library in libraries),
        ")",
    ]
    return "\n".join(lines) + "\n"


def _go(*args: str) -> dict[str, Any]:
    """Return the JSON output of a go command."""
    printed = subprocess.run(["go", *args], check=True, capture_output=True, text=True).stdout
    answer: dict[str, Any] = json.loads(printed)
    return answer
