"""Schema errors of `kubectl apply` for many manifests, from one call."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.harness.controlplane import ControlPlane, KubectlError
from tests.harness.manifests import Manifest, to_yaml
from tools.crds import __main__

PASTED: Final = "hunter2"
"""A credential that was pasted into the wrong field. No message may repeat it."""

_REFUSAL: Final = re.compile(r'"([a-z0-9.-]+)" is invalid: (.*)')


def install_crds(plane: ControlPlane) -> None:
    """Apply `crds/` and wait until the API server serves them. Repeating it is no change."""
    plane.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={__main__.FOLDER}")
    plane.wait_until_established(f"--filename={__main__.FOLDER}")


def refusals(plane: ControlPlane, namespace: str, cases: Mapping[str, Manifest]) -> dict[str, str]:
    """Return the error of each refused manifest, by key. Accepted ones are left out, and nothing is stored."""
    named = {f"case-{index}": key for index, key in enumerate(cases)}
    documents = [_named(cases[key], name) for name, key in named.items()]
    said = said_by(lambda: apply(plane, namespace, *documents))
    return {named[name]: sentence for name, sentence in _REFUSAL.findall(said)}


def apply(plane: ControlPlane, namespace: str, *documents: Manifest) -> str:
    """Return the manifests with the API server's defaults, by a dry run. Raises KubectlError if one is refused."""
    options = (f"--namespace={namespace}", "--dry-run=server", "--output=yaml", "--filename=-")
    return plane.kubectl("apply", *options, input=to_yaml(*documents))


def said_by(call: Callable[[], Any]) -> str:
    """Return kubectl's error, or nothing if it succeeds."""
    try:
        call()
    except KubectlError as error:
        # Before 1.35 the API server puts the type of the parent there, and before 1.34 it quotes null.
        said = str(error).replace('Invalid value: "object": ', "Invalid value: ")
        return said.replace('Invalid value: "null": ', "Invalid value: null: ")
    return ""


def _named(manifest: Manifest, name: str) -> Manifest:
    return manifest | {"metadata": {"name": name}}
