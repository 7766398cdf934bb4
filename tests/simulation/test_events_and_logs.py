"""What people are told while a story goes on: Events and log lines, each once, and none while nothing changes."""

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
from tests.simulation.broken_controllers import Around, with_cluster
from tests.simulation.network import Mishap
from tests.simulation.random_faults import Fate, Weather
from tests.simulation.scene import HONEST, Scene
from tests.simulation.world import TEAM
from tools.reason_docs import SIGNALS, rows_of

CONNECTION: Final = ObjectKey(NetBirdConnection.__name__, TEAM, "main")
HOUR: Final = 3_600.0
LEVELS: Final = ("debug", "info", "warning", "error")

Line = dict[str, Any]


@dataclass(frozen=True)
class Heard:
    """What was told of a scene, each answer since the last time that it was asked for."""

    scene: Scene
    stream: io.StringIO

    def events(self, identity: ObjectKey | None = None) -> list[str]:
        """The reasons of the Events about the resource, or about another object."""
        wanted, known = identity or Scene.identity(), self.scene.world.events
        said = [note.reason.value for key, note in known if key == wanted]
        known[:] = [each for each in known if each[0] != wanted]
        return said

    def lines(self, level: str = "info") -> list[Line]:
        """The log lines of this level and above."""
        lines = [json.loads(each) for each in self.stream.getvalue().splitlines()]
        self.stream.seek(0)
        self.stream.truncate()
        return [each for each in lines if LEVELS.index(each["level"]) >= LEVELS.index(level)]

    def settled(self) -> None:
        """There is one resource, and it is in order; what was told of that is past."""
        self.scene.lead()
        self.scene.wait(5)
        self.scene.create()
        self.scene.wait(5)
        assert self.scene.ready().reason == Reason.SYNCED
        self.scene.world.events.clear()
        self.lines()


@pytest.fixture
def heard(scene: Scene) -> Iterator[Heard]:
    """Everything that is logged, as the shipped formatter writes it."""
    logger, stream = logging.getLogger("netbird_streaming"), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield Heard(scene, stream)
    logger.removeHandler(handler)
    logger.level, logger.propagate = before


def reject(scene: Scene, *values: str) -> None:
    """The destination refuses these values from now on."""
    scene.world.netbird.behaviour = replace(HONEST, rejected_secrets=frozenset(values))


def test_a_create_is_one_event_and_two_lines_that_say_whose_they_are(heard: Heard) -> None:
    heard.scene.lead()
    heard.scene.wait(5)
    heard.lines()
    heard.scene.create()
    heard.scene.wait(60)
    assert heard.events() == ["Created"]
    lines = heard.lines("debug")
    created, ready = [each for each in lines if each["level"] != "debug"]
    (integration,) = heard.scene.remote()
    common = {"level": "info", "kind": "EventStreamingIntegration", "resource": "team/r0", "connection": "team/main"}
    assert {**created, **common, "message": "created", "action": "Create", "integration": integration} == created
    assert {**ready, **common, "message": "ready", "action": "Report", "integration": integration} == ready
    assert (created["reason"], ready["reason"]) == ("Progressing", "Synced")
    assert created["reconcile"] == ready["reconcile"]
    assert len(created["reconcile"]) == 8
    decided = [each for each in lines if each["message"] == "decided"]
    assert {"AddFinalizer", "Create", "RecordId", "Report"} <= {each["action"] for each in decided}
    assert all(each["reconcile"] for each in decided)


def test_every_field_of_a_line_is_documented(heard: Heard) -> None:
    scene = heard.scene
    reject(scene, "CANARY-r0-v1")
    scene.lead()
    scene.create()
    scene.wait(60)
    scene.rotate("r0")
    scene.mishap("CREATE", Fate.UNANSWERED)
    scene.wait(HOUR)
    scene.delete()
    scene.wait(60)
    documented = {name for fields, _ in rows_of(SIGNALS, "field") for name in re.findall(r"`(\w+)`", fields)}
    written = {name for line in heard.lines("debug") for name in line}
    assert {"kind", "resource", "connection", "reconcile", "action", "reason", "integration"} <= written
    assert written - documented == set()


def test_nothing_is_told_while_nothing_changes_nor_after_a_restart(heard: Heard) -> None:
    heard.settled()
    heard.scene.wait(HOUR)
    heard.scene.restart()
    heard.scene.wait(HOUR)
    assert heard.lines() == []
    assert heard.scene.world.events == []


def test_a_rejected_create_is_told_once_however_often_it_is_tried(heard: Heard) -> None:
    scene = heard.scene
    reject(scene, "CANARY-r0-v1")
    scene.lead()
    scene.wait(5)
    heard.lines()
    scene.create()
    scene.wait(2 * HOUR)
    assert scene.ready().reason == Reason.DESTINATION_REJECTED
    assert scene.posts() > 3
    assert heard.events() == ["DestinationRejected"]
    (line,) = [each for each in heard.lines() if each["resource"] == "team/r0"]
    assert (line["level"], line["reason"], line["action"]) == ("warning", "DestinationRejected", "Create")
    scene.restart()
    scene.wait(HOUR)
    assert scene.posts() > 5
    assert (heard.events(), heard.lines()) == ([], [])
    scene.rotate("r0")
    scene.wait(60)
    assert heard.events() == ["Created", "Recovered"]
    assert [each["message"] for each in heard.lines()] == ["created", "ready"]


def test_a_rejected_update_is_told_and_so_is_its_end(heard: Heard) -> None:
    scene = heard.scene
    heard.settled()
    reject(scene, "CANARY-r0-v2")
    scene.rotate("r0")
    scene.wait(HOUR)
    assert heard.events() == ["DestinationRejected"]
    assert [each["level"] for each in heard.lines()] == ["warning"]
    scene.rotate("r0")
    scene.wait(60)
    assert heard.events() == ["Updated", "Recovered"]
    assert [each["message"] for each in heard.lines()] == ["updated", "ready"]


def test_a_failure_that_heals_by_itself_is_no_event_and_one_warning(heard: Heard) -> None:
    heard.settled()
    heard.scene.mishap("UPDATE", Fate.LIMITED)
    heard.scene.edit(enabled=False)
    heard.scene.wait(60)
    assert heard.events() == ["Updated"]
    lines = heard.lines()
    assert [(each["level"], each["reason"]) for each in lines] == [
        ("warning", "RateLimited"),
        ("info", "Progressing"),
        ("info", "Synced"),
    ]


def test_a_connection_whose_token_is_rejected_and_accepted_again_says_so(heard: Heard) -> None:
    scene = heard.scene
    heard.settled()
    scene.world.netbird.directory.revoke_token("tok")
    scene.wait(HOUR)
    assert heard.events(CONNECTION) == ["TokenRejected"]
    (line,) = heard.lines()
    assert (line["level"], line["kind"], line["resource"]) == ("warning", "NetBirdConnection", "team/main")
    assert line["connection"] == "team/main"
    assert heard.events() == []
    scene.restart()
    scene.wait(HOUR)
    assert heard.events(CONNECTION) == []
    # What has begun anew compares once, and can't.
    assert heard.events() == ["TokenRejected"]
    assert [each["resource"] for each in heard.lines()] == ["team/r0"]
    scene.world.token("tok", "acc-a", "CANARY-main-v9")
    scene.world.put_secret("token-main", "CANARY-main-v9")
    scene.wait(60)
    assert heard.events(CONNECTION) == ["Recovered"]
    assert heard.events() == ["Recovered"]
    said = {(each["message"], each["resource"]) for each in heard.lines()}
    assert said == {("ready", "team/main"), ("ready", "team/r0")}


def test_a_drift_that_is_set_back_and_an_integration_that_is_made_anew_are_told(heard: Heard) -> None:
    scene = heard.scene
    heard.settled()
    (integration,) = scene.remote()
    scene.world.stranger_edits(integration, enabled=False)
    scene.wait(HOUR)
    assert heard.events() == ["Corrected"]
    assert [(each["message"], each["reason"]) for each in heard.lines()] == [("corrected", "Drifted")]
    scene.world.stranger_deletes(integration)
    scene.wait(HOUR)
    assert heard.events() == ["RemoteDeleted", "Corrected", "Created", "Recovered"]
    lines = heard.lines()
    assert [each["reason"] for each in lines[:2]] == ["RemoteDeleted", "Progressing"]
    assert [each["message"] for each in lines[1:]] == ["created", "ready"]


def test_a_drift_that_is_only_reported_is_told_once(heard: Heard) -> None:
    scene = heard.scene
    heard.settled()
    scene.edit(drift_policy=DriftPolicy.REPORT)
    scene.wait(HOUR)
    heard.lines()
    (integration,) = scene.remote()
    scene.world.stranger_edits(integration, enabled=False)
    scene.wait(2 * HOUR)
    assert heard.events() == ["Drifted"]
    assert [(each["level"], each["reason"]) for each in heard.lines()] == [("warning", "Drifted")]


@pytest.mark.parametrize(
    ("policy", "event", "done"),
    [
        (DeletionPolicy.DELETE, "Deleted", ["deleted", "released"]),
        (DeletionPolicy.ORPHAN, "Orphaned", ["orphaned"]),
    ],
)
def test_what_became_of_a_deleted_resources_integration_is_told(
    heard: Heard, policy: DeletionPolicy, event: str, done: list[str]
) -> None:
    heard.settled()
    heard.scene.edit(deletion_policy=policy)
    heard.scene.wait(5)
    heard.lines()
    heard.scene.delete()
    heard.scene.wait(60)
    assert heard.events() == [event]
    assert [each["message"] for each in heard.lines()] == done


@pytest.mark.parametrize("fate", [Fate.UNANSWERED, Fate.BROKEN_APPLIED, Fate.BROKEN, Fate.DROPPED])
def test_a_status_whose_write_was_not_answered_is_told_once(heard: Heard, fate: Fate) -> None:
    heard.settled()
    heard.scene.world.to_cluster.mishaps.append(Mishap("WRITE STATUS team/r0", fate))
    heard.scene.edit(enabled=False)
    heard.scene.wait(HOUR)
    assert heard.scene.ready().reason == Reason.SYNCED
    assert heard.events() == ["Updated"]


def test_an_api_server_that_fails_for_minutes_is_one_warning_for_each_resource(heard: Heard) -> None:
    scene = heard.scene
    heard.settled()
    scene.world.to_cluster.weather = Weather(1.0, 1000 + scene.now + 300, (Fate.BROKEN,))
    scene.edit(enabled=False)
    scene.wait(HOUR)
    failures = [each for each in heard.lines("debug") if each["message"].startswith("not reconciled")]
    assert [each["level"] for each in failures if each["resource"] == "team/r0"][:3] == ["warning", "debug", "debug"]
    assert len([each for each in failures if each["level"] == "warning"]) <= 2
    assert scene.ready().reason == Reason.SYNCED


class Defective(Around):
    """Reading a Secret meets a defect, each time."""

    async def secret(self, *_: str) -> None:
        raise ZeroDivisionError


def test_the_same_defect_is_one_error(heard: Heard) -> None:
    scene = heard.scene
    heard.settled()
    scene.world.make = with_cluster(Defective)
    scene.restart()
    scene.edit(enabled=False)
    scene.wait(HOUR)
    defects = [each for each in heard.lines("debug") if each["message"] == "defect"]
    assert len([each for each in defects if each["resource"] == "team/r0"]) > 10
    assert [each["resource"] for each in defects if each["level"] == "error"].count("team/r0") == 1


class Unwritable(Around):
    """The resource's namespace is gone, and it is still there to be read."""

    async def write_status(self, *_: object) -> None:
        raise ObjectGoneError(Reason.KUBERNETES_REFUSED, "gone")


def test_a_resource_that_can_be_read_and_not_written_is_said_once_and_tried_ever_more_rarely(heard: Heard) -> None:
    scene = heard.scene
    heard.settled()
    scene.world.make = with_cluster(Unwritable)
    scene.restart()
    scene.wait(30)
    before = sum(each.calls for each in scene.world.processes)
    scene.edit(enabled=False)
    scene.wait(HOUR)
    said = [each for each in heard.lines("debug") if "answers its writes with 404" in each["message"]]
    assert len(said) > 10
    assert [each["level"] for each in said].count("warning") == 1
    assert sum(each.calls for each in scene.world.processes) - before < 10 * len(said)
