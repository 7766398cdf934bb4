"""`helm install` as the README says it, on a real API server: the first time, again, and what removal leaves."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.chart import CHART
from tests.support.controlplane import ControlPlane

NAMESPACE = "helm-test"
VALUES = (
    "--set=connection.create=true,connection.name=helm-test,connection.tokenSecret.name=netbird",
    "--set=connection.access.namespaces={team-a}",
)
Helm = Callable[..., str]


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """One of its own: on that of the other tests, kubectl owns the definitions."""
    with ControlPlane.start() as plane:
        yield plane


@pytest.fixture
def helm(control_plane: ControlPlane, tmp_path: Path) -> Helm:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(control_plane.kubeconfig)}
    program = control_plane.binaries.find("helm")

    def run(*arguments: str) -> str:
        command = [str(program), *arguments, f"--namespace={NAMESPACE}"]
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def connection(plane: ControlPlane, path: str) -> str:
    return plane.kubectl("get", "clusternetbirdconnection", "helm-test", f"--output=jsonpath={path}")


def test_a_release_comes_changes_goes_and_comes_back(control_plane: ControlPlane, helm: Helm) -> None:
    notes = helm("install", "op", str(CHART), "--create-namespace", *VALUES)
    assert "kubectl wait --for=condition=Ready" in notes
    assert connection(control_plane, "{.spec.tokenSecretRef}") == '{"key":"token","name":"netbird"}'
    uid = connection(control_plane, "{.metadata.uid}")

    helm("upgrade", "op", str(CHART), *VALUES, "--set=connection.access.namespaces={team-b}")
    assert json.loads(connection(control_plane, "{.spec.access[0].namespaces}")) == ["team-b"]

    removed = helm("uninstall", "op")
    assert "[ClusterNetBirdConnection] helm-test" in removed
    assert removed.count("[CustomResourceDefinition]") == 3
    assert connection(control_plane, "{.metadata.uid}") == uid
    assert (
        control_plane.kubectl("get", "deployments,roles,serviceaccounts", "-l=app.kubernetes.io/instance=op", "-A")
        == ""
    )

    helm("install", "op", str(CHART), *VALUES)
    helm("upgrade", "op", str(CHART), *VALUES, "--set=connection.url=https://netbird.example.com")
    assert connection(control_plane, "{.spec.url}") == "https://netbird.example.com"
    assert connection(control_plane, "{.metadata.uid}") == uid
    helm("uninstall", "op")
    control_plane.kubectl("delete", "clusternetbirdconnection", "helm-test", "--wait=false")
    control_plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
