"""Documented commands that change a user's object: run against that object, created in each usual way."""

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml

from netbird_streaming.api.types import GROUP
from tests.harness import pages
from tests.harness.controlplane import ControlPlane
from tests.harness.foreign_objects import WAYS
from tests.harness.gitops import argocd
from tests.harness.manifests import Manifest

_OWN_KINDS: Final = re.compile(
    r"kubectl (patch|annotate) (esi|eventstreamingintegrations|netbirdconnection|clusternetbirdconnection) "
    # A loop over the three kinds.
    r'|kubectl patch "\$kind" '
)
_OWN_MANIFEST: Final = re.compile(
    rf"kubectl apply -f - <<'(\w+)'\napiVersion: {re.escape(GROUP)}/(?:(?!\n---).)*?\n\1\n", re.DOTALL
)
"""A single document of the operator's kinds, given on standard input."""
_CHANGES: Final = re.compile(r"kubectl (apply|patch|replace|edit|annotate|label|set|scale) [^|\n]*")
_OWN_FILES: Final = frozenset(
    {
        # The first apply of the reader's own files.
        "kubectl apply -k .",
        "kubectl apply -k integrations",
        "kubectl apply -f restored.yaml",
        "kubectl apply -f examples/gitops/argocd/",
        "kubectl apply -k examples/gitops/flux/",
        # Installed by the chart.
        "kubectl scale deployment netbird-streaming-operator -n netbird-system --replicas=0",
        "kubectl scale deployment netbird-streaming-operator -n netbird-system --replicas=2",
    }
)
"""Commands that change no object of other tools or teams."""


class Case(NamedTuple):
    """A documented command that changes a user's object: its place, and the object before."""

    page: str
    command: str
    kind: str
    name: str
    namespace: str
    data: dict[str, str]
    changes: dict[str, str]
    environment: dict[str, str]


_VALUES: Final = {"DATADOG": "new-datadog-key", "TOKEN": "nbp_new"}
CASES: Final = (
    Case(
        "docs/gitops.md",
        "kubectl patch configmap argocd-cm",
        "ConfigMap",
        "argocd-cm",
        "argocd",
        {"url": "https://argocd.example.com", "dex.config": "connectors: []", "repositories": "- url: git"},
        argocd.scripts(),
        {},
    ),
    Case(
        "docs/rotation.md",
        "kubectl patch secret datadog",
        "Secret",
        "datadog",
        "team-a",
        {"api-key": "old", "app-key": "of-another-tool"},
        {"api-key": _VALUES["DATADOG"]},
        {"NEW_DATADOG_API_KEY": _VALUES["DATADOG"]},
    ),
    Case(
        "docs/rotation.md",
        "kubectl patch secret netbird",
        "Secret",
        "netbird",
        "netbird-system",
        {"token": "nbp_old", "setup-key": "of-another-tool"},
        {"token": _VALUES["TOKEN"]},
        {"NETBIRD_TOKEN": _VALUES["TOKEN"]},
    ),
)
LABELS: Final = {"app.kubernetes.io/part-of": "argocd", "team": "a"}


def _documented(page: str) -> list[str]:
    """Return the commands of a page that change objects, one line each."""
    scripts = (
        _OWN_MANIFEST.sub("", each.script.replace("\\\n", " "))
        for each in pages.blocks(page)
        if each.language in pages.COMMANDS
    )
    return [" ".join(found[0].split()) for script in scripts for found in _CHANGES.finditer(script)]


def test_every_documented_change_of_a_foreign_object_has_a_case() -> None:
    unknown = [
        f"{page}: {command}"
        for page in pages.pages()
        for command in _documented(page)
        if command not in _OWN_FILES
        and not _OWN_KINDS.match(command)
        and not any(page == case.page and command.startswith(case.command) for case in CASES)
    ]
    assert unknown == []


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest, control_plane: ControlPlane) -> Iterator[Case]:
    found: Case = request.param
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": found.namespace}}
    control_plane.kubectl("apply", "--filename=-", input=yaml.safe_dump(namespace))
    yield found
    where = f"--namespace={found.namespace}"
    control_plane.kubectl("delete", "--ignore-not-found", where, found.kind, found.name)
    control_plane.kubectl("delete", "--ignore-not-found", where, "secret", "--selector=owner=helm")


@pytest.mark.parametrize("way", WAYS)
def test_documented_command_keeps_fields_of_others(
    control_plane: ControlPlane, tmp_path: Path, case: Case, way: str
) -> None:
    manifest = _manifest(case)
    WAYS[way](control_plane, [manifest], tmp_path)
    _run(control_plane, tmp_path, case)
    assert _found(control_plane, case) == {**case.data, **case.changes}
    if way != "create" and not case.data.keys() & case.changes.keys():
        # The tool that created the object applies its manifest again: the command's additions stay.
        WAYS[way](control_plane, [manifest], tmp_path)
        assert _found(control_plane, case) == {**case.data, **case.changes}


def _manifest(case: Case) -> Manifest:
    values = case.data
    if case.kind == "Secret":
        values = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    metadata = {"name": case.name, "namespace": case.namespace, "labels": LABELS}
    return {"apiVersion": "v1", "kind": case.kind, "metadata": metadata, "data": values}


def _found(plane: ControlPlane, case: Case) -> dict[str, str]:
    found: dict[str, Any] = json.loads(
        plane.kubectl("get", case.kind, case.name, f"--namespace={case.namespace}", "--output=json")
    )
    assert found["metadata"]["labels"].items() >= LABELS.items()
    data: dict[str, str] = found["data"]
    return data if case.kind != "Secret" else {key: base64.b64decode(text).decode() for key, text in data.items()}


def _run(plane: ControlPlane, folder: Path, case: Case) -> None:
    """Run the block of the page with the command, up to its wait for an operator."""
    (block,) = (
        each for each in pages.blocks(case.page) if each.language in pages.COMMANDS and case.command in each.script
    )
    script = block.script.partition("kubectl wait")[0]
    environment = {**_environment(plane, folder), **case.environment}
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=pages.ROOT, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _environment(plane: ControlPlane, folder: Path) -> dict[str, str]:
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    if not (programs / "kubectl").exists():
        (programs / "kubectl").symlink_to(plane.binaries.find("kubectl"))
    return {"HOME": str(folder), "KUBECONFIG": str(plane.kubeconfig), "PATH": f"{programs}:{os.defpath}"}
