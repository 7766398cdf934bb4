"""Resource definitions of Argo CD, Flux and External Secrets, from their pinned Go modules.

They are fetched into Go's module cache. Go checks each module against go.sum, which is in git.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

from tests.harness.controlplane.versions import MODULES

PINNED: Final = MODULES / "gitops"
FILES: Final = {
    "github.com/argoproj/argo-cd/v3": ("manifests/crds/application-crd.yaml",),
    "github.com/external-secrets/external-secrets": ("config/crds/bases/external-secrets.io_externalsecrets.yaml",),
    "github.com/fluxcd/kustomize-controller": ("config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",),
    "github.com/fluxcd/source-controller": ("config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml",),
}
"""The files of each module that define a kind used by the examples."""


class FetchError(Exception):
    """A module could not be fetched. The message has the end of Go's output, or says that Go is missing."""


def find() -> list[Path]:
    """Return the files. Missing ones are fetched: 80 MB the first time.

    Raises:
        FetchError: Go is missing, or the download failed.
    """
    if shutil.which("go") is None:
        message = "install Go 1.26 or newer: the definitions of Argo CD, Flux and External Secrets come as Go modules"
        raise FetchError(message)
    # A go.work file above the checkout would replace the pinned module.
    done = subprocess.run(
        ["go", "mod", "download", "-json", *FILES],
        cwd=PINNED,
        env={**os.environ, "GOWORK": "off"},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        said = "\n".join((done.stderr or done.stdout).splitlines()[-20:])
        message = f"fetching the modules of {PINNED / 'go.mod'} failed:\n{said}"
        raise FetchError(message)
    folders = {each["Path"]: Path(each["Dir"]) for each in _documents(done.stdout)}
    return [folders[module] / name for module, names in FILES.items() for name in names]


def _documents(text: str) -> list[dict[str, Any]]:
    """Go prints one JSON object after the other."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(text.rstrip()):
        document, end = decoder.raw_decode(text, at)
        found.append(document)
        at = end + len(text[end:]) - len(text[end:].lstrip())
    return found
