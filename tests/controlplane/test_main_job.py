"""The main task for a user: create, update and delete a resource, and NetBird follows."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest

from netbird_streaming.reasons import Reason
from tests.doubles.netbird.faults import Moment, Slow
from tests.doubles.netbird.records import Draft
from tests.doubles.netbird.wire import Operation
from tests.harness import manifests
from tests.harness.controlplane import ControlPlane, KubectlError
from tests.harness.end_to_end import QUICK_LEASE, Scene, eventually, raised
from tests.harness.kubectl_team import INTEGRATIONS, SECRETS, STATUS, Mark, Team, new_team, secret

ROTATION_SECONDS: Final = 5.0
LIST_LAG: Final = 3.0
CREATION: Final = [INTEGRATIONS, STATUS, STATUS]
"""The finalizer, the intent, the result."""
DELETION: Final = [STATUS, INTEGRATIONS]
"""Ready becomes False before the DELETE, then the finalizer is removed."""


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane) -> Iterator[Scene]:
    with raised(control_plane, *QUICK_LEASE, "--absence-window=1s") as scene:
        yield scene


@pytest.fixture
def team(scene: Scene) -> Iterator[Team]:
    with new_team(scene) as team:
        yield team


@pytest.fixture(scope="module")
def swept(scene: Scene) -> Iterator[Team]:
    """A team whose integration was disabled long before the last test reads it: only the clock detects that."""
    with new_team(scene) as team:
        team.connect(team.integration(), resyncInterval="1m")
        team.ready()
        scene.netbird.edit(team.only().id, enabled=False)
        yield team


def test_each_platform_becomes_ready_and_is_in_netbird_as_declared(team: Team, swept: Team) -> None:
    mark = team.mark()
    team.connect(*(team.integration(platform, platform.replace("_", "-")) for platform in manifests.BLOCKS))
    team.ready(*(platform.replace("_", "-") for platform in manifests.BLOCKS))
    held = {each.platform: each for each in team.held()}
    assert held["datadog"].config == {
        "api_url": "https://http-intake.logs.datadoghq.eu/api/v2/logs",
        "api_key": "first-api-key",
    }
    keys = {"access_key": "first-access-key", "secret_key": "first-secret-key"}
    assert held["s3"].config == {"bucket_name": "company-netbird-events", "region": "eu-central-1", **keys}
    assert held["firehose"].config == {"stream_name": "netbird-events", "region": "us-gov-west-1", **keys}
    http = dict(held["generic_http"].config)
    assert json.loads(http.pop("headers")) == {
        "X-Tenant": "blue",
        "X-Extra": "first-extra",
        "Authorization": "Bearer first-token",
    }
    assert http == {
        "url": "https://siem.example.com/ingest",
        "body_template": '{"time": "{{ .Timestamp }}", "event": "{{ .Message }}"}',
    }
    assert len(held) == len(team.held()) == 4
    assert team.changes(mark) == ["POST"] * 4


def test_status_shows_netbirds_state_and_no_secret(team: Team) -> None:
    team.connect(team.integration("generic_http"))
    team.ready()
    status, held = team.read()["status"], team.only()
    assert status["id"] == held.id
    assert (status["accountID"], status["platform"]) == (team.account, "generic_http")
    assert (status["enabled"], status["observedGeneration"], status["origin"]) == (True, 1, "Created")
    assert status["config"] == {
        "url": "https://siem.example.com/ingest",
        "headers": "Authorization, X-Extra, X-Tenant",
    }
    assert status["createdAt"].startswith(held.created_at.strftime("%Y-%m-%dT%H:"))
    assert "creation" not in status["internal"]
    assert [(each["type"], each["status"], each["reason"]) for each in status["conditions"]] == [
        ("Ready", "True", "Synced")
    ]
    (line,) = team.kubectl("get", "esi", "events", "--no-headers").splitlines()
    assert line.split()[:6] == ["events", "generic_http", "true", str(held.id), "True", "Synced"]


def test_all_five_operations_are_used_and_each_write_once(team: Team) -> None:
    mark = team.mark()
    team.connect(team.integration())
    team.ready()
    found = team.only().id
    team.patch("events", datadog={"site": "datadoghq.com"})
    team.ready()
    assert team.only().config["api_url"] == "https://http-intake.logs.datadoghq.com/api/v2/logs"
    team.scene.netbird.delete(found)
    team.ask("events", "1")
    again = eventually(lambda: [each.id for each in team.held() if each.id != found], "it is created again")
    eventually(lambda: team.read()["status"].get("id") == again[0], "the new id is known")
    team.kubectl("delete", "esi", "events")
    assert team.held() == []
    assert team.changes(mark) == ["POST", f"PUT {found}", "POST", f"DELETE {again[0]}"]
    asked = Counter(each.operation for each in team.requests(mark))
    assert asked[Operation.GET] == 2  # absence is observed twice, each time by id and by LIST
    assert asked[Operation.LIST] >= 1


def test_create_update_and_deletion_cost_three_one_and_two_writes(team: Team) -> None:
    team.connect()
    eventually(lambda: team.condition("netbird", plural="netbirdconnections").get("status") == "True", "connected")
    mark = team.mark()
    team.apply(team.integration())
    team.ready()
    assert _rested(team, mark) == CREATION
    mark = team.mark()
    team.patch("events", datadog={"site": "datadoghq.com"})
    team.ready()
    assert _rested(team, mark) == [STATUS]
    assert [each.method for each in team.requests(mark)] == ["PUT"]
    mark = team.mark()
    team.kubectl("delete", "esi", "events")
    assert _rested(team, mark) == DELETION
    assert [each.method for each in team.requests(mark)] == ["DELETE"]


def test_restart_writes_nothing_and_lists_once(team: Team) -> None:
    team.connect(*(team.webhook(f"hook-{number}") for number in range(5)))
    team.ready(*(f"hook-{number}" for number in range(5)))
    _rested(team, team.mark())
    assert team.scene.stop() == 0
    mark = team.mark()
    team.scene.start()
    eventually(lambda: team.requests(mark), "a LIST")
    assert _rested(team, mark) == []
    assert team.writes(mark, "netbirdconnections") == []
    assert [each.operation for each in team.requests(mark)] == [Operation.LIST]


def test_waiting_resources_share_a_list(team: Team) -> None:
    names = [f"hook-{number}" for number in range(20)]
    team.scene.stop()
    team.connect(*(team.webhook(name) for name in names))
    # The connection's own LIST takes so long that all of them have their finalizer when it ends.
    team.fault(Slow(header=4.0), Operation.LIST, moment=Moment.AFTER)
    mark = team.mark()
    team.scene.start()
    team.ready(*names)
    assert team.changes(mark) == ["POST"] * 20
    assert sorted(_rested(team, mark)) == sorted(CREATION * 20)
    assert len(team.requests(mark, Operation.LIST)) == 2


def test_rotated_secret_acts_within_seconds(team: Team) -> None:
    team.connect(team.integration())
    team.ready()
    found, mark, begun = team.only().id, team.mark(), time.monotonic()
    team.apply(secret("datadog", api_key="second-api-key"))
    eventually(lambda: team.only().config["api_key"] == "second-api-key", "the new key is in NetBird", ROTATION_SECONDS)
    assert time.monotonic() - begun < ROTATION_SECONDS
    assert _rested(team, mark) == [STATUS]
    assert team.changes(mark) == [f"PUT {found}"]
    team.ready()


def test_edit_of_a_secret_without_a_changed_value_sends_nothing(team: Team) -> None:
    team.connect(team.integration())
    team.ready()
    mark = team.mark()
    team.kubectl("label", "secret", "datadog", "rotation=none")
    team.apply(secret("datadog", **SECRETS["datadog"], another="value"))
    eventually(lambda: _reads(team, mark, "datadog") >= 1, "the operator has read the Secret")
    assert _rested(team, mark) == []
    assert team.requests(mark) == []


def test_disabled_is_applied_although_post_ignores_it(team: Team) -> None:
    mark = team.mark()
    team.connect(team.integration(enabled=False))
    team.ready()
    held = team.only()
    assert not held.enabled
    assert team.changes(mark) == ["POST", f"PUT {held.id}"]
    assert team.read()["status"]["enabled"] is False
    team.patch("events", enabled=True)
    team.ready()
    assert team.only().enabled


def test_drift_is_corrected_once_on_request(team: Team) -> None:
    team.connect(team.integration())
    team.ready()
    found, mark = team.only().id, team.mark()
    team.scene.netbird.edit(found, {"api_url": "https://elsewhere.example.com"}, enabled=False)
    team.ask("netbird", "now", kind="netbirdconnection")
    eventually(lambda: team.only().enabled, "it streams again")
    assert team.only().config["api_url"] == "https://http-intake.logs.datadoghq.eu/api/v2/logs"
    team.ready()
    _rested(team, mark)
    assert team.changes(mark) == [f"PUT {found}"]
    eventually(lambda: len(team.events("events")) == 2, "both Events are there")
    assert [each["reason"] for each in team.events("events")] == ["Created", "Corrected"]


def test_correction_is_made_once_although_the_list_lags(team: Team) -> None:
    netbird = team.scene.netbird
    team.connect(team.integration())
    team.ready()
    found, mark = team.only().id, team.mark()
    netbird.edit(found, enabled=False)
    netbird.change_behaviour(list_lag=LIST_LAG)
    try:
        team.ask("events", "now")
        eventually(lambda: team.only().enabled, "it streams again")
        team.ask("events", "again")
        eventually(lambda: team.read()["status"]["lastHandledReconcileAt"] == "again", "it was looked at again")
        assert team.changes(mark) == [f"PUT {found}"]
        assert team.condition()["reason"] == Reason.SYNCED
    finally:
        netbird.change_behaviour(list_lag=0.0)


def test_drift_is_reported_and_kept_with_policy_report(team: Team) -> None:
    team.connect(team.integration(driftPolicy="Report"))
    team.ready()
    found, mark = team.only().id, team.mark()
    team.ask("netbird", "first", kind="netbirdconnection")
    eventually(lambda: team.requests(mark, Operation.LIST), "a LIST to compare later ones with")
    _rested(team, mark)
    team.scene.netbird.edit(found, {"api_url": "https://elsewhere.example.com"})
    team.ask("events", "now")
    drifted = eventually(lambda: team.condition(kind="Drifted"), "Drifted")
    assert str(found) in drifted["message"]
    assert "api_url" in drifted["message"]
    assert "driftPolicy" in drifted["message"]
    assert team.condition()["status"] == "True"
    assert team.changes(mark) == []
    team.patch("events", driftPolicy="Correct")
    eventually(lambda: "elsewhere" not in team.only().config["api_url"], "it is set back")
    eventually(lambda: not team.condition(kind="Drifted"), "Drifted is over")


def test_suspend_stops_writes_but_no_deletion(team: Team) -> None:
    team.connect(team.integration())
    team.ready()
    mark = team.mark()
    team.patch("events", suspend=True, datadog={"site": "datadoghq.com"})
    assert "spec.suspend" in team.because("Suspended")
    assert team.condition(kind="Suspended")["status"] == "True"
    team.apply(secret("datadog", api_key="second-api-key"))
    _rested(team, mark)
    assert team.changes(mark) == []
    team.patch("events", suspend=False)
    team.ready()
    assert team.only().config["api_key"] == "second-api-key"
    assert "datadoghq.com" in team.only().config["api_url"]
    assert not team.condition(kind="Suspended")
    team.patch("events", suspend=True)
    team.kubectl("delete", "esi", "events")
    assert team.held() == []


def test_suspended_resource_is_not_created(team: Team) -> None:
    mark = team.mark()
    team.connect(team.integration(suspend=True))
    team.because("Suspended")
    assert team.changes(mark) == []
    team.patch("events", suspend=False)
    team.ready()
    assert team.changes(mark) == ["POST"]


def test_annotation_requests_a_reconcile_and_is_acknowledged(team: Team) -> None:
    team.connect(team.integration())
    team.ready()
    mark = team.mark()
    team.ask("events", "2026-01-01T12:00:00Z")
    wait = "--for=jsonpath={.status.lastHandledReconcileAt}=2026-01-01T12:00:00Z"
    team.kubectl("wait", wait, "esi/events", "--timeout=30s")
    assert _rested(team, mark) == [STATUS]
    assert [each.operation for each in team.requests(mark)] == [Operation.LIST]


def test_orphaned_integration_stays_in_netbird_and_is_named(team: Team) -> None:
    team.connect(team.integration(deletionPolicy="Orphan"))
    team.ready()
    held = team.only()
    team.kubectl("delete", "esi", "events")
    assert team.held() == [held]
    eventually(lambda: len(team.events("events")) == 2, "both Events are there")
    created, orphaned = team.events("events")
    assert (created["reason"], orphaned["reason"]) == ("Created", "Orphaned")
    assert f"integration {held.id} of account {team.account}" in orphaned["message"]
    # It is not treated as owned later: the same spec conflicts with an unowned integration.
    mark = team.mark()
    team.apply(team.integration())
    assert str(held.id) in team.because("IdenticalExists")
    team.patch("events", adoption={"policy": "Match"})
    team.ready()
    assert team.read()["status"]["id"] == held.id
    assert team.read()["status"]["origin"] == "Adopted"
    assert "POST" not in team.changes(mark)


def test_unowned_integration_of_the_account_is_never_touched(team: Team) -> None:
    config = {"api_url": "https://http-intake.logs.datadoghq.com/api/v2/logs", "api_key": "theirs"}
    team.scene.netbird.create(team.account, [Draft("datadog", config)])
    stranger = team.only()
    team.connect(team.integration())
    team.ready()
    team.kubectl("delete", "esi", "events")
    assert team.held() == [stranger]


def test_younger_of_two_identical_resources_reports_the_conflict(team: Team) -> None:
    team.connect(team.integration())
    team.ready()
    mark = team.mark()
    team.apply(team.integration(name="identical"))
    assert f"{team.namespace}/events" in team.because("OwnershipConflict", "identical")
    assert team.changes(mark) == []
    team.kubectl("delete", "esi", "identical")
    assert team.only().id == team.read()["status"]["id"]


def test_platform_can_not_change(team: Team) -> None:
    team.connect(team.integration())
    with pytest.raises(KubectlError, match="platform"):
        team.apply(team.integration("s3"))


def test_drift_is_found_by_the_periodic_resync(swept: Team) -> None:
    eventually(lambda: swept.only().enabled, "the resync has set it back", seconds=100)
    swept.ready()


def _rested(team: Team, mark: Mark) -> list[str]:
    """Return the operator's writes, once none has come for a while."""
    seen: tuple[int, int] | None = None
    while True:
        now = (len(team.writes(mark)), len(team.requests(mark)))
        if now == seen:
            return team.writes(mark)
        seen = now
        time.sleep(0.7)


def _reads(team: Team, mark: Mark, name: str) -> int:
    found = [each for each in team.scene.plane.audit(mark.audit) if (each.verb, each.resource) == ("get", "secrets")]
    return sum((each.namespace, each.name) == (team.namespace, name) for each in found)
