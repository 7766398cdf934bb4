"""Events and log lines of a scenario: each once, and none while nothing changes."""

import io
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from netbird_streaming.api.types import DeletionPolicy, DriftPolicy, NetBirdConnection, ObjectKey
from netbird_streaming.errors import ObjectGoneError
from netbird_streaming.reasons import Reason
from netbird_streaming.telemetry.logs import JsonFormatter
from tests.simulation.broken_controllers import PortWrapper, with_cluster
from tests.simulation.network import InjectedFault
from tests.simulation.random_faults import NetworkFaults, RequestFault
from tests.simulation.scene import HONEST, Scene
from tests.simulation.world import TEAM
from tools.reason_docs import SIGNALS, rows_of

CONNECTION: Final = ObjectKey(NetBirdConnection.__name__, TEAM, "main")
HOUR: Final = 3_600.0
LEVELS: Final = ("debug", "info", "warning", "error")

Network = dict[str, Any]


@dataclass(frozen=True)
class Observed:
    """The Events and log lines of a scene since the last call."""

    scene: Scene
    stream: io.StringIO

    def events(self, identity: ObjectKey | None = None) -> list[str]:
        """Return the reasons of the Events about the resource, or about another object."""
        wanted, known = identity or Scene.identity(), self.scene.world.events
        said = [note.reason.value for key, note in known if key == wanted]
        known[:] = [each for each in known if each[0] != wanted]
        return said

    def lines(self, level: str = "info") -> list[Network]:
        """Return the log lines of this level and above."""
        lines = [json.loads(each) for each in self.stream.getvalue().splitlines()]
        self.stream.seek(0)
        self.stream.truncate()
        return [each for each in lines if LEVELS.index(each["level"]) >= LEVELS.index(level)]

    def settled(self) -> None:
        """Create one resource, wait until it is Ready, and discard the output so far."""
        self.scene.lead()
        self.scene.wait(5)
        self.scene.create()
        self.scene.wait(5)
        assert self.scene.ready().reason == Reason.SYNCED
        self.scene.world.events.clear()
        self.lines()


@pytest.fixture
def observed(scene: Scene) -> Iterator[Observed]:
    """Collect all log output of the shipped formatter."""
    logger, stream = logging.getLogger("netbird_streaming"), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield Observed(scene, stream)
    logger.removeHandler(handler)
    logger.level, logger.propagate = before


def reject(scene: Scene, *values: str) -> None:
    """Let the destination reject these values from now on."""
    scene.world.netbird.behaviour = replace(HONEST, rejected_secrets=frozenset(values))


def test_create_gives_one_event_and_two_log_lines_with_the_resource(observed: Observed) -> None:
    observed.scene.lead()
    observed.scene.wait(5)
    observed.lines()
    observed.scene.create()
    observed.scene.wait(60)
    assert observed.events() == ["Created"]
    lines = observed.lines("debug")
    created, ready = [each for each in lines if each["level"] != "debug"]
    (integration,) = observed.scene.remote()
    common = {"level": "info", "kind": "EventStreamingIntegration", "resource": "team/r0", "connection": "team/main"}
    assert {**created, **common, "message": "created", "action": "Create", "integration": integration} == created
    assert {**ready, **common, "message": "ready", "action": "Report", "integration": integration} == ready
    assert (created["reason"], ready["reason"]) == ("Progressing", "Synced")
    assert created["reconcile"] == ready["reconcile"]
    assert len(created["reconcile"]) == 8
    decided = [each for each in lines if each["message"] == "decided"]
    assert {"AddFinalizer", "Create", "RecordId", "Report"} <= {each["action"] for each in decided}
    assert all(each["reconcile"] for each in decided)


def test_every_log_field_is_documented(observed: Observed) -> None:
    scene = observed.scene
    reject(scene, "CANARY-r0-v1")
    scene.lead()
    scene.create()
    scene.wait(60)
    scene.rotate("r0")
    scene.inject_fault("CREATE", RequestFault.UNANSWERED)
    scene.wait(HOUR)
    scene.delete()
    scene.wait(60)
    documented = {name for fields, _ in rows_of(SIGNALS, "field") for name in re.findall(r"`(\w+)`", fields)}
    written = {name for line in observed.lines("debug") for name in line}
    assert {"kind", "resource", "connection", "reconcile", "action", "reason", "integration"} <= written
    assert written - documented == set()


def test_no_event_or_log_line_without_a_change_or_after_a_restart(observed: Observed) -> None:
    observed.settled()
    observed.scene.wait(HOUR)
    observed.scene.restart()
    observed.scene.wait(HOUR)
    assert observed.lines() == []
    assert observed.scene.world.events == []


def test_rejected_create_is_reported_once_across_retries(observed: Observed) -> None:
    scene = observed.scene
    reject(scene, "CANARY-r0-v1")
    scene.lead()
    scene.wait(5)
    observed.lines()
    scene.create()
    scene.wait(2 * HOUR)
    assert scene.ready().reason == Reason.DESTINATION_REJECTED
    assert scene.posts() > 3
    assert observed.events() == ["DestinationRejected"]
    (line,) = [each for each in observed.lines() if each["resource"] == "team/r0"]
    assert (line["level"], line["reason"], line["action"]) == ("warning", "DestinationRejected", "Create")
    scene.restart()
    scene.wait(HOUR)
    assert scene.posts() > 5
    assert (observed.events(), observed.lines()) == ([], [])
    scene.rotate("r0")
    scene.wait(60)
    assert observed.events() == ["Created", "Recovered"]
    assert [each["message"] for each in observed.lines()] == ["created", "ready"]


def test_rejected_update_and_its_recovery_are_reported(observed: Observed) -> None:
    scene = observed.scene
    observed.settled()
    reject(scene, "CANARY-r0-v2")
    scene.rotate("r0")
    scene.wait(HOUR)
    assert observed.events() == ["DestinationRejected"]
    assert [each["level"] for each in observed.lines()] == ["warning"]
    scene.rotate("r0")
    scene.wait(60)
    assert observed.events() == ["Updated", "Recovered"]
    assert [each["message"] for each in observed.lines()] == ["updated", "ready"]


def test_transient_failure_gives_no_event_and_one_warning(observed: Observed) -> None:
    observed.settled()
    observed.scene.inject_fault("UPDATE", RequestFault.LIMITED)
    observed.scene.edit(enabled=False)
    observed.scene.wait(60)
    assert observed.events() == ["Updated"]
    lines = observed.lines()
    assert [(each["level"], each["reason"]) for each in lines] == [
        ("warning", "RateLimited"),
        ("info", "Progressing"),
        ("info", "Synced"),
    ]


def test_rejected_and_accepted_token_of_a_connection_is_reported(observed: Observed) -> None:
    scene = observed.scene
    observed.settled()
    scene.world.netbird.directory.revoke_token("tok")
    scene.wait(HOUR)
    assert observed.events(CONNECTION) == ["TokenRejected"]
    (line,) = observed.lines()
    assert (line["level"], line["kind"], line["resource"]) == ("warning", "NetBirdConnection", "team/main")
    assert line["connection"] == "team/main"
    assert observed.events() == []
    scene.restart()
    scene.wait(HOUR)
    assert observed.events(CONNECTION) == []
    # After a restart the first comparison is attempted once and fails.
    assert observed.events() == ["TokenRejected"]
    assert [each["resource"] for each in observed.lines()] == ["team/r0"]
    scene.world.token("tok", "acc-a", "CANARY-main-v9")
    scene.world.put_secret("token-main", "CANARY-main-v9")
    scene.wait(60)
    assert observed.events(CONNECTION) == ["Recovered"]
    assert observed.events() == ["Recovered"]
    said = {(each["message"], each["resource"]) for each in observed.lines()}
    assert said == {("ready", "team/main"), ("ready", "team/r0")}


def test_corrected_drift_and_re_created_integration_are_reported(observed: Observed) -> None:
    scene = observed.scene
    observed.settled()
    (integration,) = scene.remote()
    scene.world.dashboard_edits(integration, enabled=False)
    scene.wait(HOUR)
    assert observed.events() == ["Corrected"]
    assert [(each["message"], each["reason"]) for each in observed.lines()] == [("corrected", "Drifted")]
    scene.world.dashboard_deletes(integration)
    scene.wait(HOUR)
    assert observed.events() == ["RemoteDeleted", "Corrected", "Created", "Recovered"]
    lines = observed.lines()
    assert [each["reason"] for each in lines[:2]] == ["RemoteDeleted", "Progressing"]
    assert [each["message"] for each in lines[1:]] == ["created", "ready"]


def test_reported_drift_gives_one_event(observed: Observed) -> None:
    scene = observed.scene
    observed.settled()
    scene.edit(drift_policy=DriftPolicy.REPORT)
    scene.wait(HOUR)
    observed.lines()
    (integration,) = scene.remote()
    scene.world.dashboard_edits(integration, enabled=False)
    scene.wait(2 * HOUR)
    assert observed.events() == ["Drifted"]
    assert [(each["level"], each["reason"]) for each in observed.lines()] == [("warning", "Drifted")]


@pytest.mark.parametrize(
    ("policy", "event", "done"),
    [
        (DeletionPolicy.DELETE, "Deleted", ["deleted", "released"]),
        (DeletionPolicy.ORPHAN, "Orphaned", ["orphaned"]),
    ],
)
def test_outcome_for_the_integration_of_a_deleted_resource_is_reported(
    observed: Observed, policy: DeletionPolicy, event: str, done: list[str]
) -> None:
    observed.settled()
    observed.scene.edit(deletion_policy=policy)
    observed.scene.wait(5)
    observed.lines()
    observed.scene.delete()
    observed.scene.wait(60)
    assert observed.events() == [event]
    assert [each["message"] for each in observed.lines()] == done


@pytest.mark.parametrize(
    "fault", [RequestFault.UNANSWERED, RequestFault.BROKEN_APPLIED, RequestFault.BROKEN, RequestFault.DROPPED]
)
def test_unanswered_status_write_is_reported_once(observed: Observed, fault: RequestFault) -> None:
    observed.settled()
    observed.scene.world.to_cluster.injected_faults.append(InjectedFault("WRITE STATUS team/r0", fault))
    observed.scene.edit(enabled=False)
    observed.scene.wait(HOUR)
    assert observed.scene.ready().reason == Reason.SYNCED
    assert observed.events() == ["Updated"]


def test_failing_api_server_gives_one_warning_for_each_resource(observed: Observed) -> None:
    scene = observed.scene
    observed.settled()
    scene.world.to_cluster.network_faults = NetworkFaults(1.0, 1000 + scene.now + 300, (RequestFault.BROKEN,))
    scene.edit(enabled=False)
    scene.wait(HOUR)
    failures = [each for each in observed.lines("debug") if each["message"].startswith("not reconciled")]
    assert [each["level"] for each in failures if each["resource"] == "team/r0"][:3] == ["warning", "debug", "debug"]
    assert len([each for each in failures if each["level"] == "warning"]) <= 2
    assert scene.ready().reason == Reason.SYNCED


class Defective(PortWrapper):
    """Every read of a Secret raises an unexpected exception."""

    async def secret(self, *_: str) -> None:
        raise ZeroDivisionError


def test_repeated_internal_error_is_logged_once(observed: Observed) -> None:
    scene = observed.scene
    observed.settled()
    scene.world.make = with_cluster(Defective)
    scene.restart()
    scene.edit(enabled=False)
    scene.wait(HOUR)
    defects = [each for each in observed.lines("debug") if each["message"] == "defect"]
    assert len([each for each in defects if each["resource"] == "team/r0"]) > 10
    assert [each["resource"] for each in defects if each["level"] == "error"].count("team/r0") == 1


class Unwritable(PortWrapper):
    """The resource's namespace is gone, and the resource can still be read."""

    async def write_status(self, *_: object) -> None:
        raise ObjectGoneError(Reason.KUBERNETES_REFUSED, "gone")


def test_readable_but_unwritable_resource_is_reported_once_and_retried_with_backoff(observed: Observed) -> None:
    scene = observed.scene
    observed.settled()
    scene.world.make = with_cluster(Unwritable)
    scene.restart()
    scene.wait(30)
    before = sum(each.calls for each in scene.world.processes)
    scene.edit(enabled=False)
    scene.wait(HOUR)
    said = [each for each in observed.lines("debug") if "answers writes to it with 404" in each["message"]]
    assert len(said) > 10
    assert [each["level"] for each in said].count("warning") == 1
    assert sum(each.calls for each in scene.world.processes) - before < 10 * len(said)
