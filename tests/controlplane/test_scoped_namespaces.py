"""`scope.namespaces` with a namespace that is deleted or loses its Role: it is cleaned up and blocks no other."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import pytest

from tests.doubles.netbird.process import RunningNetBird, running_netbird
from tests.doubles.netbird.tenancy import Account, Token
from tests.harness import manifests
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, eventually
from tests.harness.kubectl_team import secret
from tests.harness.operator import Operator, apply
from tests.harness.release import Release

OWN: Final = {"kind": "NetBirdConnection", "name": "netbird"}
GONE_SECONDS: Final = 60


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """Start a control plane, because on that of the other tests their resources would be visible."""
    with ControlPlane.start() as started:
        yield started


@pytest.fixture(scope="module")
def netbird() -> Iterator[RunningNetBird]:
    with running_netbird() as running:
        yield running


@dataclass(frozen=True, slots=True)
class Team:
    """A namespace with its own connection and account."""

    plane: ControlPlane
    netbird: RunningNetBird
    namespace: str

    def webhook(self, name: str) -> None:
        block = {"url": f"https://siem.example.com/{self.namespace}/{name}"}
        self.apply(manifests.integration("generic_http", name, connectionRef=dict(OWN), genericHTTP=block))

    def served(self, name: str) -> None:
        """Create an integration, and wait until it is Ready."""
        self.webhook(name)
        self.kubectl("wait", "--for=condition=Ready", "--timeout=45s", f"esi/{name}")

    def connect(self) -> None:
        self.netbird.control.add_account(Account(self.namespace))
        self.netbird.control.add_token(Token(self.namespace, f"nbp_{self.namespace}", self.namespace))
        self.apply(secret("netbird", token=f"nbp_{self.namespace}"), manifests.connection(url=self.netbird.url))

    def apply(self, *documents: manifests.Manifest) -> None:
        for each in documents:
            each["metadata"]["namespace"] = self.namespace
        apply(self.plane, *documents)

    def kubectl(self, *arguments: str) -> str:
        return self.plane.kubectl(f"--namespace={self.namespace}", *arguments)

    def ready(self, name: str) -> dict[str, Any]:
        conditions = json.loads(self.kubectl("get", "esi", name, "--output=jsonpath={.status.conditions}"))
        return next(each for each in conditions if each["type"] == "Ready")

    def held(self) -> list[int]:
        return [each.id for each in self.netbird.control.integrations(self.namespace)]

    def deleted(self) -> None:
        self.plane.kubectl("wait", "--for=delete", f"namespace/{self.namespace}", f"--timeout={GONE_SECONDS}s")


@contextmanager
def installed(plane: ControlPlane, netbird: RunningNetBird, **scope: Any) -> Iterator[tuple[Release, Team, Team]]:
    """A release for two namespaces, each with a team."""
    teams = [Team(plane, netbird, f"team-{uuid4().hex[:8]}") for _ in range(2)]
    release = Release(plane, "scoped-test")
    for namespace in (release.namespace, *(each.namespace for each in teams)):
        apply(plane, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    release.install(scope={"namespaces": [each.namespace for each in teams], **scope})
    for team in teams:
        team.connect()
    yield release, teams[0], teams[1]
    release.uninstall()
    for team in teams:
        plane.kubectl("delete", "namespace", team.namespace, "--wait=false", "--ignore-not-found")
    plane.kubectl("delete", "lease,secret", "--all", f"--namespace={release.namespace}")


def failing(operator: Operator, kind: str, team: Team) -> bool:
    series = f'netbird_streaming_watch_failing{{kind="{kind}",watched_namespace="{team.namespace}"}} 1.0'
    return series in operator.metrics()


def test_deleted_namespace_is_cleaned_up_and_blocks_no_other(plane: ControlPlane, netbird: RunningNetBird) -> None:
    with installed(plane, netbird) as (release, stays, goes):
        with release.pod():
            stays.served("before")
            goes.served("before")
            plane.kubectl("delete", "namespace", goes.namespace, "--wait=false")
            eventually(lambda: goes.held() == [], "its integration is deleted")
            goes.deleted()
            stays.served("after")
        release.upgrade()
        with release.pod() as operator:
            stays.served("after-a-restart")
            eventually(lambda: failing(operator, "Secret", goes), "the alert's metric names the namespace")
            assert operator.probe("/readyz") == (200, "ok\n")
        plane.kubectl("create", "namespace", goes.namespace)
        release.upgrade()
        with release.pod():
            goes.connect()
            goes.served("again")


def test_remedy_of_a_terminating_namespace_works_without_its_role(plane: ControlPlane, netbird: RunningNetBird) -> None:
    with installed(plane, netbird) as (release, stays, goes):
        with Operator(release.installation(), *QUICK_LEASE) as operator:
            operator.leading()
            goes.served("kept")
            operator.kill()
        left = goes.held()
        plane.kubectl("delete", "namespace", goes.namespace, "--wait=false")
        eventually(lambda: "netbird" not in goes.kubectl("get", "secret,role", "--output=name"), "its Role is gone")
        with release.pod():
            stays.served("meanwhile")

            def names_the_way_out() -> bool:
                return "deletionPolicy to Orphan" in goes.ready("kept")["message"]

            eventually(names_the_way_out, "the condition names the way out")
            assert goes.ready("kept")["status"] == "False"
            goes.kubectl("patch", "esi", "kept", "--type=merge", '--patch={"spec":{"deletionPolicy":"Orphan"}}')
            goes.deleted()
        assert goes.held() == left


def test_namespace_without_its_role_blocks_no_other_and_is_served_when_it_is_back(
    plane: ControlPlane, netbird: RunningNetBird
) -> None:
    with installed(plane, netbird, clusterConnections=False) as (release, stays, lacks):
        lacks.webhook("before")
        role = json.loads(lacks.kubectl("get", "role", "--output=json"))["items"][0]
        lacks.kubectl("delete", "role", role["metadata"]["name"])
        with release.pod() as operator:
            stays.served("before")
            for kind in ("EventStreamingIntegration", "NetBirdConnection", "Secret"):
                eventually(lambda kind=kind: failing(operator, kind, lacks), f"the metric names {kind}")  # type: ignore[misc]
            assert "netbird_streaming_synced 1.0" in operator.metrics()
            assert operator.probe("/readyz") == (200, "ok\n")
            right = "a right is missing: list eventstreamingintegrations.integrations.netbird.io in namespace"
            assert f"{right} {lacks.namespace}" in operator.text()
            for name in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
                role["metadata"].pop(name, None)
            apply(plane, role)
            lacks.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "esi/before")
            eventually(
                lambda: not failing(operator, "EventStreamingIntegration", lacks),
                "the metric does not name it any more",
            )


def test_operator_without_a_readable_namespace_is_not_ready(plane: ControlPlane, netbird: RunningNetBird) -> None:
    with installed(plane, netbird, clusterConnections=False) as (release, one, other):
        for team in (one, other):
            team.kubectl("delete", "rolebinding", "--all")
        with release.pod() as operator:
            because = "Kubernetes refuses every list of NetBirdConnection"
            eventually(lambda: because in operator.probe("/readyz")[1], "it says why it is not ready")
            assert operator.probe("/readyz")[0] == 503
            assert "netbird_streaming_synced 0.0" in operator.metrics()
