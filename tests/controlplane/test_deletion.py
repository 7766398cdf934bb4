"""Deletion: of a resource, of its references, and of a whole namespace, with and without the operator's memory."""

import json
import time
from collections.abc import Iterator
from typing import Final

import pytest

from tests.doubles.netbird.faults import Hang, Moment, Slow, error_reply
from tests.doubles.netbird.records import Draft
from tests.doubles.netbird.wire import Operation
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, Scene, eventually, raised
from tests.harness.kubectl_team import Team, cluster_connection, new_team, secret

CONNECTIONS: Final = "netbirdconnections"
PLATFORMS: Final = ("datadog", "s3", "firehose", "generic_http")
NAMESPACE_SECONDS: Final = 30.0
"""Seconds from the API server's turn on: it deletes a namespace's content after about 5 s, later with many namespaces.
"""


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane) -> Iterator[Scene]:
    flags = ("--late-commit-window=2s", "--absence-window=1s", "--request-timeout=8s")
    with raised(control_plane, *QUICK_LEASE, *flags) as scene:
        yield scene


@pytest.fixture
def team(scene: Scene) -> Iterator[Team]:
    with new_team(scene) as team:
        yield team


def test_whole_namespace_is_deleted_with_its_integrations(team: Team) -> None:
    _connect_all(team)
    mark = team.mark()
    team.scene.kubectl("delete", "namespace", team.namespace, "--wait=false")
    eventually(lambda: all(_is_going(team, _name(each)) for each in PLATFORMS), "the API server deletes what is in it")
    begun = time.monotonic()
    eventually(lambda: not team.held(), "its integrations are gone", NAMESPACE_SECONDS)
    # The rest is the API server's part.
    team.scene.kubectl("wait", "--for=delete", f"namespace/{team.namespace}", "--timeout=60s")
    seconds = time.monotonic() - begun
    assert seconds < NAMESPACE_SECONDS, f"{seconds:.0f} s\n{team.scene.operator.log_tail(30)}"
    assert sorted(each.split()[0] for each in team.changes(mark)) == ["DELETE"] * 4


def test_namespace_that_is_deleted_together_with_its_access_entry_leaves_no_integration(team: Team) -> None:
    name = f"cluster-{team.namespace}"
    cluster_connection(team.scene, name, team.token, access=[{"namespaces": [team.namespace]}])
    team.connect(team.integration(connectionRef={"kind": "ClusterNetBirdConnection", "name": name}))
    team.ready()
    cluster_connection(team.scene, name, team.token)
    team.because("NamespaceNotAllowed")
    team.scene.kubectl("delete", "namespace", team.namespace, "--wait=false")
    team.scene.kubectl("wait", "--for=delete", f"namespace/{team.namespace}", "--timeout=60s")
    assert team.held() == []


def test_adoption_that_stays_declared_is_finished_once_its_integration_was_deleted(team: Team) -> None:
    config = {"api_url": "https://elsewhere.example.com", "api_key": "another-api-key"}
    (theirs,) = team.scene.netbird.create(team.account, [Draft("datadog", config)])
    team.connect(team.integration(adoption={"policy": "Override", "id": theirs}))
    team.ready()
    assert team.only().id == theirs
    team.scene.netbird.delete(theirs)
    team.ask("netbird", "now", "nbc")
    eventually(lambda: [each.id for each in team.held() if each.id != theirs], "it is created once more")
    team.ready()
    assert team.only().id == team.read()["status"]["id"] != theirs
    assert team.read()["spec"]["adoption"]["id"] == theirs


def test_remedies_after_a_crash_during_a_deletion_are_reported_and_work(team: Team) -> None:
    _connect_all(team)
    team.scene.operator.kill()
    team.scene.kubectl("delete", "namespace", team.namespace, "--wait=false")
    eventually(lambda: _secret_is_gone(team), "the token Secret is gone")
    mark = team.mark()
    team.scene.start()
    for name in PLATFORMS:
        message = team.because("SecretNotFound", _name(name))
        assert "deletionPolicy to Orphan" in message
        assert "cluster connection" in message
    assert team.changes(mark) == []
    assert len(team.held()) == 4
    # One remedy: orphan the integration.
    left = team.read("datadog")["status"]["id"]
    team.patch("datadog", deletionPolicy="Orphan")
    team.gone("datadog")
    assert [each.id for each in team.held() if each.platform == "datadog"] == [left]
    # The other: a connection that is not deleted with the namespace.
    name = f"cluster-{team.namespace}"
    cluster_connection(team.scene, name, team.token, access=[{"namespaces": [team.namespace]}])
    for platform in PLATFORMS[1:]:
        team.patch(_name(platform), connectionRef={"kind": "ClusterNetBirdConnection", "name": name})
    team.scene.kubectl("wait", "--for=delete", f"namespace/{team.namespace}", "--timeout=60s")
    assert [each.id for each in team.held()] == [left]


def test_deletion_does_not_need_a_token_secret_that_goes_first(team: Team) -> None:
    team.connect(team.integration())
    team.ready()
    team.kubectl("delete", "secret", "netbird", "datadog")
    team.kubectl("delete", "esi", "events", "--timeout=30s")
    assert team.held() == []


def test_deletion_without_secret_and_memory_waits_until_the_secret_is_back(team: Team) -> None:
    team.connect(team.integration())
    team.ready()
    team.scene.stop()
    team.kubectl("delete", "secret", "netbird")
    team.kubectl("delete", "esi", "events", "--wait=false")
    team.scene.start()
    message = team.because("SecretNotFound")
    assert "Secret netbird" in message
    assert "deletionPolicy to Orphan" in message
    assert len(team.held()) == 1
    team.apply(secret("netbird", token=team.token))
    team.gone()
    assert team.held() == []


def test_force_deleted_connection_can_be_created_again_or_abandoned(team: Team) -> None:
    team.connect(team.integration(), team.webhook("hook"))
    team.ready("events", "hook")
    team.kubectl("delete", "netbirdconnection", "netbird", "--wait=false")
    team.kubectl("patch", "netbirdconnection", "netbird", "--type=merge", '--patch={"metadata":{"finalizers":null}}')
    team.gone("netbird", CONNECTIONS)
    team.kubectl("delete", "esi", "--all", "--wait=false")
    for name in ("events", "hook"):
        assert "deletionPolicy to Orphan" in team.because("ConnectionNotFound", name)
    team.patch("hook", deletionPolicy="Orphan")
    team.gone("hook")
    team.apply(team.connection())
    team.gone()
    assert [each.platform for each in team.held()] == ["generic_http"]


def test_failing_netbird_keeps_the_resource_and_is_reported(team: Team) -> None:
    team.connect(team.integration())
    team.ready()
    fault = team.fault(error_reply(503), Operation.DELETE, times=None)
    mark = team.mark()
    team.kubectl("delete", "esi", "events", "--wait=false")
    assert "503" in team.because("Unavailable")
    assert len(team.held()) == 1
    team.scene.netbird.remove_fault(fault)
    team.gone()
    assert team.held() == []
    assert len(team.requests(mark, Operation.CREATE)) == 0


def test_lost_response_to_a_deletion_is_verified(team: Team) -> None:
    team.connect(team.integration())
    team.ready()
    team.fault(Hang(seconds=0.5), Operation.DELETE, moment=Moment.AFTER)
    mark = team.mark()
    team.kubectl("delete", "esi", "events", "--timeout=40s")
    assert team.held() == []
    assert len([each for each in team.requests(mark, Operation.DELETE) if each.applied]) == 1


def test_resource_without_remaining_integration_is_deleted(team: Team) -> None:
    team.connect(team.integration())
    team.ready()
    team.scene.netbird.delete(team.only().id)
    team.kubectl("delete", "esi", "events", "--timeout=30s")


def test_resource_deleted_during_its_create_leaves_nothing(team: Team) -> None:
    team.connect()
    team.fault(Slow(header=3.0), Operation.CREATE, moment=Moment.AFTER)
    mark = team.mark()
    team.apply(team.integration())
    eventually(lambda: team.requests(mark, Operation.CREATE), "the POST is under way")
    team.kubectl("delete", "esi", "events", "--timeout=40s")
    assert team.held() == []
    assert [each.split()[0] for each in team.changes(mark)] == ["POST", "DELETE"]


def test_integration_of_a_force_deleted_resource_is_deleted_and_its_successor_served(team: Team) -> None:
    team.connect()
    team.fault(Slow(header=4.0), Operation.CREATE, moment=Moment.AFTER)
    mark = team.mark()
    team.apply(team.integration())
    eventually(lambda: team.requests(mark, Operation.CREATE), "the POST is under way")
    unowned = team.only().id
    team.kubectl("delete", "esi", "events", "--wait=false")
    team.kubectl("patch", "esi", "events", "--type=merge", '--patch={"metadata":{"finalizers":null}}')
    team.gone()
    team.apply(team.integration())
    eventually(lambda: unowned not in [each.id for each in team.held()], "the unowned is deleted")
    team.ready()
    assert team.only().id == team.read()["status"]["id"] != unowned


def test_removed_finalizer_is_added_again(team: Team) -> None:
    team.connect(team.integration())
    team.ready()
    exported = json.loads(team.kubectl("get", "esi", "events", "--output=json"))
    del exported["metadata"]["finalizers"]
    team.kubectl("replace", "--filename=-", input=json.dumps(exported))
    eventually(lambda: team.read()["metadata"].get("finalizers"), "the finalizer is back")
    team.kubectl("delete", "esi", "events", "--timeout=30s")
    assert team.held() == []


def _connect_all(team: Team) -> None:
    team.connect(*(team.integration(platform, _name(platform)) for platform in PLATFORMS))
    team.ready(*(_name(platform) for platform in PLATFORMS))


def _name(platform: str) -> str:
    return platform.replace("_", "-")


def _is_going(team: Team, name: str) -> bool:
    found = team.find(name)
    return found is None or "deletionTimestamp" in found["metadata"]


def _secret_is_gone(team: Team) -> bool:
    return team.scene.objects.read(f"/api/v1/namespaces/{team.namespace}/secrets/netbird") is None
