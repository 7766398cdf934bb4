"""The installed operator: its place and its settings."""

import argparse
import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from netbird_streaming.cli.installation import UNKNOWN, Installation, find, of_this_pod, with_settings
from netbird_streaming.cluster.client import KubernetesClient, Request
from netbird_streaming.config.settings import read_settings
from netbird_streaming.errors import WaitError
from netbird_streaming.reasons import Reason


def deployment(namespace: str = "netbird-system") -> dict[str, Any]:
    container = {
        "args": ["run", "--operator-namespace=netbird-system", "--workers=3"],
        "env": [
            {"name": "NETBIRD_STREAMING_ALLOW_HTTP", "value": "true"},
            {"name": "HTTPS_PROXY", "value": "http://user:hunter2@proxy"},
            {"name": "NETBIRD_STREAMING_LOG_LEVEL", "valueFrom": {}},
        ],
    }
    pod = {"serviceAccountName": "operator", "containers": [container]}
    return {"metadata": {"namespace": namespace}, "spec": {"template": {"spec": pod}}}


def marked(mark: str) -> dict[str, Any]:
    return {"status": {"internal": {"installation": mark}}}


class Client:
    """An API server that lists these objects, by the last part of the path."""

    def __init__(self, **lists: list[dict[str, Any]]) -> None:
        self._lists = lists

    async def call(self, request: Request) -> dict[str, Any]:
        found = self._lists.get(request.path.rpartition("/")[2])
        if found is None:
            raise WaitError(Reason.KUBERNETES_REFUSED, "denied")
        return {"items": found}


def located(namespace: str | None = None, **lists: list[dict[str, Any]]) -> Installation:
    return asyncio.run(find(cast("KubernetesClient", Client(**lists)), namespace))


def test_deployment_has_all_settings() -> None:
    found = located(deployments=[deployment()])
    assert (found.namespace, found.service_account) == ("netbird-system", "operator")
    settings = read_settings(with_settings(argparse.Namespace(), found), found.variables or {})
    assert (settings.operator_namespace, settings.workers, settings.allow_http) == ("netbird-system", 3, True)
    assert "hunter2" not in repr(found)


def test_argument_of_the_command_has_precedence() -> None:
    given = argparse.Namespace(operator_namespace="mine", namespaces=["team-a"], output="json")
    merged = with_settings(given, located(deployments=[deployment()]))
    settings = read_settings(merged, {})
    assert (settings.operator_namespace, settings.namespaces, settings.workers) == ("mine", ("team-a",), 3)


def test_missing_argument_falls_back_to_the_operators() -> None:
    merged = with_settings(argparse.Namespace(operator_namespace=None), located(deployments=[deployment()]))
    assert read_settings(merged, {}).operator_namespace == "netbird-system"


@pytest.mark.parametrize("deployments", [None, []])
def test_without_a_deployment_the_connections_name_the_installation(deployments: list[dict[str, Any]] | None) -> None:
    lists: dict[str, Any] = {} if deployments is None else {"deployments": deployments}
    of_the_cluster = [marked("netbird/lease-1"), {"status": {}}]
    own = [marked("netbird/lease-1")]
    found = located(**lists, clusternetbirdconnections=of_the_cluster, netbirdconnections=own)
    assert found.namespace == "netbird"
    assert read_settings(with_settings(argparse.Namespace(), found), {}).lease_name == "lease-1"


def test_several_installations_leave_the_settings_unknown() -> None:
    assert located(deployments=[deployment("a"), deployment("b")]) == UNKNOWN
    assert located(clusternetbirdconnections=[marked("a/x"), marked("b/x")]) == UNKNOWN
    assert located() == UNKNOWN
    assert located("mine", deployments=[]) == Installation(namespace="mine")


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        (("python3", "-m", "netbird_streaming", "run", "--workers=3", ""), ("--workers=3",)),
        (("python3", "-m", "netbird_streaming", "check"), ()),
        (("/sbin/init", "run"), ()),
    ],
)
def test_in_the_pod_the_first_process_has_the_arguments(
    tmp_path: Path, words: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    path = tmp_path / "cmdline"
    path.write_bytes("\0".join(words).encode())
    assert of_this_pod(path).arguments == arguments
    assert of_this_pod(tmp_path / "none") == UNKNOWN


def test_unknown_arguments_of_a_newer_operator_are_accepted() -> None:
    newer = Installation(arguments=("--workers=3", "--not-known-yet=1"))
    assert read_settings(with_settings(argparse.Namespace(), newer), {}).workers == 3
