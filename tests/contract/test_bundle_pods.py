"""`bundle` with the operator's pods: their logs and metrics, through the API server."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from netbird_streaming.cli.bundle_contents import LOG_LINES
from netbird_streaming.version import PROGRAM
from tests.harness.api_server_with_pods import ApiServer, Pod, api_server_with_pods
from tests.harness.command_line import called
from tests.harness.pages import ROOT

NAMESPACE: Final = "netbird-system"
LABELS: Final = {"app.kubernetes.io/name": PROGRAM}
SECRET: Final = "made-up-key-of-a-destination"
METRICS: Final = "netbird_streaming_leader 1.0\n"
KINDS: Final = "/apis/integrations.netbird.io/v1alpha1"
INTEGRATION: Final = {
    "apiVersion": "integrations.netbird.io/v1alpha1",
    "kind": "EventStreamingIntegration",
    "metadata": {
        "name": "datadog",
        "namespace": "team-a",
        "uid": "1",
        "resourceVersion": "1",
        "creationTimestamp": "2026-05-01T12:00:00Z",
    },
    "spec": {
        "platform": "datadog",
        "datadog": {"site": "datadoghq.eu", "apiKeySecretRef": {"name": "datadog", "key": "api-key"}},
    },
}
LOG: Final = "".join(f"line {number}\n" for number in range(LOG_LINES + 10)) + f"the key is {SECRET}\n"


def deployment(*arguments: str) -> dict[str, Any]:
    """Return the Deployment of the plain manifests, with further arguments of the operator."""
    found = (each for file in (ROOT / "deploy/manifests/cluster").glob("*.yaml") for each in documents(file))
    made = next(each for each in found if each["kind"] == "Deployment")
    made["spec"]["template"]["spec"]["containers"][0]["args"] += arguments
    return made


def documents(file: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(file.read_text()) if each]


CONTAINER: Final = deployment()["spec"]["template"]["spec"]["containers"][0]
PORT: Final = next(each["containerPort"] for each in CONTAINER["ports"] if each["name"] == "metrics")
LEADER: Final = Pod(
    "leader",
    LABELS,
    ("istio-proxy", CONTAINER["name"]),
    {"istio-proxy": "a log of the mesh\n", CONTAINER["name"]: LOG},
    {f"{PORT}/metrics": METRICS, "15090/metrics": "istio_requests_total 1\n"},
)
STARTING: Final = Pod("starting", LABELS, (CONTAINER["name"],))
CRASHED: Final = Pod("crashed", LABELS, (CONTAINER["name"],), {CONTAINER["name"]: "an error\n"}, is_running=False)
OTHER: Final = Pod("other", {"app.kubernetes.io/name": "other"}, ("main",), {"main": "a log of others\n"})


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[ApiServer]:
    """Serve the pods and the Deployment. The parameter is further arguments of the operator."""
    objects = {
        "/version": {"gitVersion": "v1.37.2", "platform": "linux/amd64"},
        f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments": {"items": [deployment(*getattr(request, "param", ()))]},
        f"{KINDS}/eventstreamingintegrations": {"metadata": {"resourceVersion": "1"}, "items": [INTEGRATION]},
        "/api/v1/namespaces/team-a/secrets/datadog": {"data": {"api-key": "bWFkZS11cC1rZXktb2YtYS1kZXN0aW5hdGlvbg=="}},
        **{
            f"{KINDS}/{plural}": {"metadata": {"resourceVersion": "1"}, "items": []}
            for plural in ("netbirdconnections", "clusternetbirdconnections")
        },
    }
    with api_server_with_pods(NAMESPACE, (LEADER, STARTING, CRASHED, OTHER), objects) as running:
        yield running


def bundled(server: ApiServer, folder: Path) -> dict[str, str]:
    """Run the command, which reads only, and return the files of the bundle."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "users": [{"name": "u", "user": {"token": "made-up-token-of-a-user"}}],
    }
    kubeconfig, file = folder / "kubeconfig", folder / "bundle.tar.gz"
    kubeconfig.write_text(json.dumps(config))
    code, out, err = called(
        "bundle", f"--kubeconfig={kubeconfig}", f"--operator-namespace={NAMESPACE}", f"--file={file}"
    )
    assert code == 0
    with tarfile.open(file) as archive:
        members = {each.name.partition("/")[2]: archive.extractfile(each) for each in archive.getmembers()}
        files = {name: member.read().decode() for name, member in members.items() if member is not None}
    assert SECRET not in "".join((out, err, *files.values()))
    assert {path for method, path in server.requests if method != "GET"} <= {
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
    }
    return files


def test_log_and_metrics_of_each_pod_are_in_the_bundle(server: ApiServer, tmp_path: Path) -> None:
    files = bundled(server, tmp_path)
    lines = files["pods/leader.log"].splitlines()
    assert len(lines) == LOG_LINES
    assert lines[-2:] == [f"line {LOG_LINES + 9}", "the key is <redacted>"]
    assert files["pods/leader.metrics"] == METRICS
    assert {name for name in files if name.startswith("pods/")} == {
        "pods/leader.json",
        "pods/leader.log",
        "pods/leader.metrics",
        "pods/starting.json",
        "pods/crashed.json",
        "pods/crashed.log",
    }
    assert files["pods/crashed.log"] == "an error\n"
    status = json.loads(files["pods/leader.json"])
    assert status["phase"] == "Running"
    assert {each["name"] for each in status["containerStatuses"]} == set(LEADER.containers)


def test_log_and_metrics_that_a_pod_does_not_have_are_named(server: ApiServer, tmp_path: Path) -> None:
    missing = bundled(server, tmp_path)["missing.txt"]
    assert [each for each in missing.splitlines() if "pod" in each] == [
        "the log of pod starting: the container has not started",
        "the metrics of pod starting: the container is not running",
        "the metrics of pod crashed: the container is not running",
    ]


@pytest.mark.parametrize("server", [("--metrics=false",)], indirect=True)
def test_metrics_that_are_turned_off_are_not_read(server: ApiServer, tmp_path: Path) -> None:
    missing = bundled(server, tmp_path)["missing.txt"]
    assert "the metrics of pod leader: they are turned off (--metrics)" in missing
    assert not any("/proxy/" in path for _, path in server.requests)
