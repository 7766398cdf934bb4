"""Resource definitions of Argo CD, Flux and External Secrets, from their pinned Go modules.

They are fetched into Go's module cache. Go checks each module against go.sum, which is in git.
"""

from pathlib import Path
from typing import Final

from tests.harness.controlplane import versions
from tests.harness.controlplane.gobuild import sources

_FLUX: Final = "config/crd/bases/*.yaml"


def flux() -> list[Path]:
    """Return the files that define Kustomization and the sources. Raises BuildError."""
    folders = [sources(versions.flux(tool), module) for tool, module in versions.FLUX.items()]
    return [path for folder in folders for path in sorted(folder.glob(_FLUX))]


def argocd() -> list[Path]:
    """Return the files that define Application, ApplicationSet and AppProject. Raises BuildError."""
    return sorted(sources(versions.argocd(), versions.ARGOCD).glob("manifests/crds/*-crd.yaml"))


def external_secrets() -> Path:
    """Return the file that defines ExternalSecret. Raises BuildError."""
    folder = sources(versions.external_secrets(), versions.EXTERNAL_SECRETS)
    return folder / "config/crds/bases/external-secrets.io_externalsecrets.yaml"


def find() -> list[Path]:
    """Return these files and those of Argo CD. Missing ones are fetched: 80 MB the first time. Raises BuildError."""
    return [*argocd(), *flux(), external_secrets()]
