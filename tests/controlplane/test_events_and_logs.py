"""`kubectl describe`, `kubectl get events` and the operator's log in a scenario."""

import re
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, Scene, eventually, raised
from tests.harness.kubectl_team import Team, cluster_connection, new_team, secret
from tests.harness.operator import Operator

DOCS_URL: Final = "https://docs.example.com/{page}/"
QUIET_SECONDS: Final = 5.0
REFUSED: Final = "refused-api-key"
STARTING: Final = re.compile(r"starting|\w+ endpoint|Lease \S+ leading as .*")

Line = dict[str, Any]


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """A separate control plane, because the test reads everything in a cluster."""
    with ControlPlane.start() as plane:
        yield plane


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane) -> Iterator[Scene]:
    with raised(control_plane, *QUICK_LEASE, "--log-level=debug", f"--docs-url={DOCS_URL}") as scene:
        yield scene


@pytest.fixture
def team(scene: Scene) -> Iterator[Team]:
    with new_team(scene) as team:
        yield team


def lines(team: Team, resource: str = "events") -> list[Line]:
    """Return the log lines about one of the team's resources."""
    wanted = f"{team.namespace}/{resource}"
    return [each for each in team.scene.operator.log_lines() if each.get("resource") == wanted]


def said(team: Team, *reasons: str, name: str = "events") -> list[Line]:
    """Wait for exactly these Events about an object, in order."""
    eventually(lambda: len(team.events(name)) >= len(reasons), f"the Events {reasons}")
    found = team.events(name)
    assert [each["reason"] for each in found] == list(reasons)
    return found


def described(team: Team, kind: str = "esi", name: str = "events") -> list[list[str]]:
    """Return the table of Events of `kubectl describe`: type, reason and message of each."""
    rows = team.kubectl("describe", kind, name).partition("\nEvents:\n")[2].splitlines()
    assert rows[0].split() == ["Type", "Reason", "Age", "From", "Message"]
    assert not [row for row in rows if "<unknown>" in row]
    cells = [row.split(maxsplit=2) for row in rows[2:]]
    return [[kind, reason, rest.partition("netbird-streaming-operator")[2].strip()] for kind, reason, rest in cells]


def loud(operator: Operator) -> list[Line]:
    """Return the log lines besides those of start, leadership and serving."""
    lines = [each for each in operator.log_lines() if each["level"] != "debug"]
    return [each for each in lines if not STARTING.fullmatch(each["message"])]


def test_restart_without_a_change_logs_only_its_start(team: Team) -> None:
    team.connect(team.integration(), team.webhook("hook"))
    team.ready("events", "hook")
    said(team, "Created", name="hook")
    before = team.kubectl("get", "events", "--all-namespaces", "--output=name")
    assert team.scene.stop() == 0
    mark = team.mark()
    team.scene.start()
    eventually(lambda: team.requests(mark), "a LIST")
    team.ask("netbird", "now", kind="netbirdconnection")
    with Operator(team.scene.installation, *QUICK_LEASE).ready() as follower:
        time.sleep(QUIET_SECONDS)
        assert loud(follower) == []
        assert "leading as" not in follower.text()
    assert loud(team.scene.operator) == []
    assert team.kubectl("get", "events", "--all-namespaces", "--output=name") == before


def test_two_enabled_integrations_of_an_account_are_reported_once(team: Team) -> None:
    team.connect(team.integration(), team.webhook("hook", enabled=False))
    team.ready("events", "hook")
    _resync(team, "first")
    team.patch("hook", enabled=True)
    team.ready("hook")
    _resync(team, "second")
    _resync(team, "third")
    said(team, "SeveralEnabled", name="netbird")


def _resync(team: Team, asked: str) -> None:
    team.ask("netbird", asked, kind="netbirdconnection")
    handled = f"--for=jsonpath={{.status.lastHandledReconcileAt}}={asked}"
    team.kubectl("wait", handled, "--timeout=20s", "netbirdconnection/netbird")


def test_describe_shows_the_history_of_a_resource(team: Team) -> None:
    team.connect(team.integration(deletionPolicy="Orphan"))
    team.ready()
    found = team.only().id
    team.scene.netbird.change_behaviour(rejected_secrets={REFUSED})
    team.apply(secret("datadog", api_key=REFUSED))
    message = team.because("DestinationRejected")
    assert message.endswith(" See https://docs.example.com/reference/reasons/#destinationrejected")
    team.apply(secret("datadog", api_key="second-api-key"))
    team.ready()
    said(team, "Created", "DestinationRejected", "Updated", "Recovered")
    team.scene.netbird.edit(found, enabled=False)
    team.ask("netbird", "now", kind="netbirdconnection")
    said(team, "Created", "DestinationRejected", "Updated", "Recovered", "Corrected")
    assert described(team) == [
        ["Normal", "Created", f"Integration {found} was created in NetBird."],
        ["Warning", "DestinationRejected", message],
        [
            "Normal",
            "Updated",
            f"NetBird accepted other settings of integration {found}: the resource or a Secret changed.",
        ],
        ["Normal", "Recovered", "Ready again: DestinationRejected is over."],
        ["Normal", "Corrected", f"Another client changed integration {found} in NetBird. The operator corrected it."],
    ]
    team.kubectl("delete", "esi", "events")
    orphaned = eventually(lambda: team.events()[5:], "Orphaned")
    assert (orphaned[0]["type"], orphaned[0]["reason"], orphaned[0]["action"]) == ("Normal", "Orphaned", "Orphan")
    assert f"integration {found} of account {team.account}" in orphaned[0]["message"]
    assert [each["message"] for each in lines(team) if each["level"] != "debug"] == [
        "created",
        "ready",
        message,
        "updated",
        "ready",
        "corrected",
        "orphaned",
    ]


def test_reconcile_id_selects_all_log_lines_of_a_reconcile(team: Team) -> None:
    team.connect(team.integration())
    team.ready()
    (created,) = [each for each in lines(team) if each["message"] == "created"]
    assert (created["kind"], created["connection"]) == ("EventStreamingIntegration", f"{team.namespace}/netbird")
    assert created["integration"] == team.only().id
    (sent,) = [each for each in lines(team) if (each["message"], each.get("operation")) == ("netbird", "create")]
    assert (sent["reconcile"], sent["action"], sent["status"]) == (created["reconcile"], "Create", 200)
    ids = {each["reconcile"] for each in lines(team)}
    assert len(ids) > 1
    assert all(len(each) == 8 for each in ids)


def test_get_events_is_readable_and_names_deleted_resources(team: Team) -> None:
    team.connect(team.integration())
    team.ready()
    found = team.only().id
    team.kubectl("delete", "esi", "events")
    said(team, "Created", "Deleted")
    shown = team.kubectl("get", "events", "--no-headers")
    assert "<unknown>" not in shown
    rows = [row.split(maxsplit=4)[1:] for row in shown.splitlines()]
    regarding = "eventstreamingintegration/events"
    assert sorted(rows) == [
        ["Normal", "Created", regarding, f"Integration {found} was created in NetBird."],
        ["Normal", "Deleted", regarding, f"Integration {found} was deleted in NetBird."],
    ]


def test_rejected_and_accepted_token_is_reported_for_both_kinds_of_connection(team: Team) -> None:
    name = f"{team.namespace}-shared"
    access = [{"namespaces": [team.namespace]}]
    team.scene.netbird.add_token(team.netbird_token(id=name, value=f"nbp_{name}"))
    cluster_connection(team.scene, name, f"nbp_{name}", access=access)
    team.connect()
    both = ("nbc/netbird", f"cnbc/{name}")
    team.kubectl("wait", "--for=condition=Ready", *both, "--timeout=30s")
    team.apply(secret("netbird", token="nbp_unknown"))
    cluster_connection(team.scene, name, "nbp_unknown", access=access)
    team.kubectl("wait", "--for=condition=Ready=False", *both, "--timeout=30s")
    team.apply(secret("netbird", token=team.token))
    cluster_connection(team.scene, name, f"nbp_{name}", access=access)
    team.kubectl("wait", "--for=condition=Ready", *both, "--timeout=30s")
    said(team, "TokenRejected", "Recovered", name="netbird")
    eventually(lambda: len(described(team, "cnbc", name)) == 2, "the Events of a kind without a namespace")
    rejected, recovered = described(team, "cnbc", name)
    assert rejected[:2] == ["Warning", "TokenRejected"]
    assert "Put a valid token into the connection's Secret" in rejected[2]
    assert recovered == ["Normal", "Recovered", "Ready again: TokenRejected is over."]


def test_deleted_namespace_causes_no_warning_about_events(team: Team) -> None:
    team.connect(team.integration(), team.webhook("hook"))
    team.ready("events", "hook")
    team.scene.kubectl("delete", "namespace", team.namespace, "--timeout=60s")
    assert team.held() == []
    assert "can't publish" not in team.scene.operator.text()
