"""Faults of NetBird: a reason with a remedy, no duplicate, nothing lost, and recovery when the fault is over."""

import random
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from netbird_streaming.reasons import Reason
from tests.doubles.netbird.faults import (
    Failure,
    Hang,
    Moment,
    Oversize,
    Redirect,
    Reply,
    Reset,
    Slow,
    Truncate,
    error_reply,
    html_reply,
)
from tests.doubles.netbird.records import Draft
from tests.doubles.netbird.wire import HTML_TYPE, PLAIN_TYPE, Operation
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, Scene, eventually, raised
from tests.harness.kubectl_team import Team, new_team, secret

LATE_SECONDS: Final = 3.0
SERVERS_TEXT: Final = "text-of-the-server-itself"
UNKNOWN: Final = Reason.CREATE_OUTCOME_UNKNOWN
AFTER: Final[Mapping[str, Any]] = {"moment": Moment.AFTER, "times": 1}
HEALING_SECONDS: Final = 100.0
"""Seconds: errors that a user should fix are retried after half a minute at the latest."""


@dataclass(frozen=True, slots=True)
class Case:
    """A fault of the create, or of all requests of the account; the reported reason; and the outcome of the POSTs."""

    name: str
    failure: Failure
    reason: Reason
    words: tuple[str, ...] = ()
    operation: Operation | None = Operation.CREATE
    how: Mapping[str, Any] = field(default_factory=lambda: {"times": None})
    origin: str = "Created"

    def __str__(self) -> str:
        """The id in pytest."""
        return self.name


CASES: Final = (
    # These wait longest, so they begin first.
    Case("400", error_reply(400, SERVERS_TEXT), Reason.CONFIGURATION_REJECTED, ("400",)),
    Case("422", error_reply(422, SERVERS_TEXT), Reason.CONFIGURATION_REJECTED, ("422", "Correct")),
    Case("401", error_reply(401, SERVERS_TEXT), Reason.TOKEN_REJECTED, ("401",), None),
    Case("403", error_reply(403, SERVERS_TEXT), Reason.PERMISSION_DENIED, ("403",)),
    Case("unlicensed", Reply(404, SERVERS_TEXT, PLAIN_TYPE), Reason.NOT_LICENSED, ("404", "spec.url"), None),
    Case("unlicensed-html", Reply(404, f"<p>{SERVERS_TEXT}", HTML_TYPE), Reason.NOT_LICENSED, ("404",), None),
    Case("409", error_reply(409, SERVERS_TEXT), Reason.ALREADY_EXISTS, ("409", "adopt")),
    Case("412", error_reply(412, SERVERS_TEXT), Reason.DESTINATION_REJECTED, ("412", "test event")),
    Case("429", error_reply(429, SERVERS_TEXT), Reason.RATE_LIMITED, ("429", "spec.rateLimit")),
    Case(
        "429-retry-after",
        Reply(429, SERVERS_TEXT, PLAIN_TYPE, (("Retry-After", "2"),)),
        Reason.RATE_LIMITED,
        ("429",),
    ),
    Case(
        "500-list", error_reply(500, SERVERS_TEXT), Reason.UNAVAILABLE, ("500", "The operator retries"), Operation.LIST
    ),
    Case("503-all", error_reply(503, SERVERS_TEXT), Reason.UNAVAILABLE, ("503",), None),
    Case("html-list", html_reply(), Reason.UNEXPECTED_ANSWER, ("spec.url",), Operation.LIST),
    Case("typed-list", Reply(200, '{"id": 1}'), Reason.UNEXPECTED_ANSWER, ("spec.url",), Operation.LIST),
    Case(
        "truncated-list",
        Truncate(5),
        Reason.UNEXPECTED_ANSWER,
        ("cut off",),
        Operation.LIST,
        {"moment": Moment.AFTER, "times": None},
    ),
    Case("hang-list", Hang(), Reason.UNAVAILABLE, ("timeout",), Operation.LIST),
    Case("redirect", Redirect("https://elsewhere.example.com/"), Reason.UNEXPECTED_ANSWER, ("307",), Operation.LIST),
    Case("500-create-before", error_reply(500, SERVERS_TEXT), UNKNOWN, how={"times": 1}),
    Case("500-create-after", error_reply(500, SERVERS_TEXT), UNKNOWN, how=AFTER, origin="Inferred"),
    Case("timeout-before", Hang(), UNKNOWN, how={"times": 1}),
    Case("timeout-after", Hang(), UNKNOWN, how=AFTER, origin="Inferred"),
    Case("reset-before", Reset(), UNKNOWN, how={"times": 1}),
    Case("reset-after", Reset(), UNKNOWN, how=AFTER, origin="Inferred"),
    Case("late-commit", Reset(), UNKNOWN, how={"moment": Moment.LATE, "times": 1, "late": 1.5}, origin="Inferred"),
    Case("html-create", html_reply(), UNKNOWN, how=AFTER, origin="Inferred"),
    Case("truncated-create", Truncate(), UNKNOWN, how=AFTER, origin="Inferred"),
    Case("empty-create", Reply(200), UNKNOWN, how=AFTER, origin="Inferred"),
    Case("typed-create", Reply(200, '{"id": "seven"}'), UNKNOWN, how=AFTER, origin="Inferred"),
    Case("oversized-create", Oversize(2 * 2**20), UNKNOWN, how=AFTER, origin="Inferred"),
)
SECRETS: Final[Mapping[str, tuple[dict[str, str] | None, Reason, str]]] = {
    "missing": (None, Reason.SECRET_NOT_FOUND, "create it"),
    "wrong-key": ({"other": "value"}, Reason.SECRET_KEY_NOT_FOUND, "has no key api-key"),
    "empty": ({"api_key": ""}, Reason.SECRET_VALUE_INVALID, "empty"),
    "newline": ({"api_key": "canary-value\n"}, Reason.SECRET_VALUE_INVALID, "newline"),
    "non-ascii": ({"api_key": "canary-välue"}, Reason.SECRET_VALUE_INVALID, "ASCII"),
    "control": ({"api_key": "canary\tvalue"}, Reason.SECRET_VALUE_INVALID, "control character"),
}


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane) -> Iterator[Scene]:
    flags = (f"--late-commit-window={LATE_SECONDS:g}s", "--absence-window=1s", "--request-timeout=4s")
    with raised(control_plane, *QUICK_LEASE, *flags) as scene:
        yield scene


@pytest.fixture
def team(scene: Scene) -> Iterator[Team]:
    with new_team(scene) as team:
        yield team


@pytest.fixture(scope="module", autouse=True)
def lives(scene: Scene, request: pytest.FixtureRequest) -> Iterator[Mapping[str, Future[None]]]:
    """The selected cases, started together before all others, because they mostly wait for windows and retries.

    They end before the tests that stop the operator.
    """
    wanted = {item.name for item in request.session.items}
    with ThreadPoolExecutor(8) as pool:
        yield {
            case.name: pool.submit(_live_through, scene, case)
            for case in CASES
            if any(name.endswith(f"[{case}]") for name in wanted)
        }


def test_each_fault_of_a_secret_is_reported_and_fixed_without_touching_the_resource(team: Team) -> None:
    team.connect()
    secrets = [secret(name, **held) for name, (held, _, _) in SECRETS.items() if held is not None]
    blocks = {name: {"site": "datadoghq.eu", "apiKeySecretRef": {"name": name, "key": "api-key"}} for name in SECRETS}
    # Of one platform with equal public settings they would be identical, so each has its own address.
    for name, block in blocks.items():
        block |= {"apiURL": f"https://{name}.example.com"}
        del block["site"]
    team.apply(*secrets, *(team.integration(name=name, datadog=block) for name, block in blocks.items()))
    for name, (_, reason, words) in SECRETS.items():
        message = team.because(reason, name)
        assert words in message
        assert f"Secret {name}" in message
        assert "canary" not in message
    assert team.held() == []
    before = {name: team.read(name)["metadata"]["generation"] for name in SECRETS}
    team.apply(*(secret(name, api_key=f"good-{name}") for name in SECRETS))
    team.ready(*SECRETS, seconds=15)
    assert {name: team.read(name)["metadata"]["generation"] for name in SECRETS} == before
    assert sorted(each.config["api_key"] for each in team.held()) == sorted(f"good-{name}" for name in SECRETS)


def test_failed_update_keeps_the_integration_and_is_repeated(team: Team) -> None:
    team.connect(team.integration())
    team.ready()
    found = team.only().id
    for failure, moment, reason in (
        (error_reply(412, SERVERS_TEXT), Moment.BEFORE, Reason.DESTINATION_REJECTED),
        (error_reply(500, SERVERS_TEXT), Moment.AFTER, Reason.UNAVAILABLE),
    ):
        fault = team.fault(failure, Operation.UPDATE, moment=moment, times=None)
        team.apply(secret("datadog", api_key=f"key-for-{reason.lower()}"))
        message = team.because(reason)
        assert SERVERS_TEXT not in message
        team.scene.netbird.remove_fault(fault)
        team.ready()
        assert team.only().config["api_key"] == f"key-for-{reason.lower()}"
        assert team.only().id == found


def test_two_indistinguishable_candidates_are_named_and_not_touched(team: Team) -> None:
    team.connect()
    team.fault(Reset(), Operation.CREATE, moment=Moment.AFTER)
    team.apply(team.integration())
    team.because(UNKNOWN)
    made = team.only()
    (stranger,) = team.scene.netbird.create(team.account, [Draft(made.platform, made.config, made.enabled)])
    message = team.because("CreateAmbiguous")
    assert str(made.id) in message
    assert str(stranger) in message
    assert "spec.adoption" in message
    assert len(team.held()) == 2
    team.patch("events", adoption={"policy": "Match", "id": made.id})
    team.ready()
    assert team.read()["status"]["id"] == made.id
    assert {each.id for each in team.held()} == {made.id, stranger}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_fault_has_a_reason_and_a_remedy_and_recovers(case: Case, lives: Mapping[str, Future[None]]) -> None:
    lives[case.name].result()


@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.AFTER])
def test_crash_during_a_create_makes_no_second_integration(team: Team, moment: Moment) -> None:
    team.connect()
    team.fault(Hang(), Operation.CREATE, moment=moment)
    mark = team.mark()
    team.apply(team.integration())
    eventually(lambda: team.requests(mark, Operation.CREATE), "the POST is under way")
    team.scene.operator.kill()
    assert "creation" in team.read()["status"]["internal"]
    team.scene.start()
    team.ready()
    assert team.only().id == team.read()["status"]["id"]
    assert team.read()["status"]["origin"] == ("Inferred" if moment is Moment.AFTER else "Created")


def test_crashes_at_any_moment_of_a_burst_lose_and_duplicate_nothing(team: Team) -> None:
    names = [f"hook-{number}" for number in range(15)]
    chance = random.Random(7)
    team.connect(*(team.webhook(name) for name in names))
    for _ in range(3):
        time.sleep(chance.uniform(0.05, 0.5))
        team.scene.operator.kill()
        team.scene.start()
    team.ready(*names, seconds=60)
    assert sorted(each.config["url"].rpartition("/")[2] for each in team.held()) == sorted(names)
    known = {team.read(name)["status"]["id"] for name in names}
    assert known == {each.id for each in team.held()}


@pytest.mark.timeout(200)
def test_api_server_outage_loses_no_id_and_blocks_nothing_permanently(team: Team) -> None:
    team.connect(team.integration())
    team.ready()
    team.fault(Slow(header=2.0), Operation.CREATE, moment=Moment.AFTER)
    mark = team.mark()
    team.apply(team.webhook("hook"))
    eventually(lambda: team.requests(mark, Operation.CREATE), "the POST is under way")
    # The response arrives when no process can write it.
    team.scene.plane.restart_apiserver(down_seconds=20)
    assert team.scene.operator.alive
    team.ready("events", "hook")
    assert len(team.held()) == 2
    assert len(team.requests(mark, Operation.CREATE)) == 1
    team.apply(secret("datadog", api_key="after-the-outage"))
    eventually(lambda: "after-the-outage" in str([each.config for each in team.held()]), "the watches work again")


def _live_through(scene: Scene, case: Case) -> None:
    with new_team(scene) as team:
        mark = team.mark()
        fault = team.fault(case.failure, case.operation, **case.how)
        team.connect(team.integration())
        message = team.because(case.reason, seconds=HEALING_SECONDS)
        for word in case.words:
            assert word in message
        assert case.reason.remedy in message or case.reason in {Reason.UNAVAILABLE, UNKNOWN}
        assert SERVERS_TEXT not in message
        scene.netbird.remove_fault(fault)
        team.ready(seconds=HEALING_SECONDS)
        status = team.read()["status"]
        assert (team.only().id, case.origin) == (status["id"], status["origin"])
        assert "creation" not in status["internal"]
        # A released id stays named. An inferred integration is written once more, because its response was lost.
        inferred = case.origin == "Inferred"
        given_up = case.reason is UNKNOWN and not inferred
        assert len(status["internal"].get("unresolvedCreations", ())) == given_up
        made = [each.operation for each in scene.netbird.history() if each.account_id == team.account]
        assert made == [Operation.CREATE, *([Operation.UPDATE] if inferred else [])]
        assert {each.split()[0] for each in team.changes(mark)} == {"POST", *(["PUT"] if inferred else [])}
