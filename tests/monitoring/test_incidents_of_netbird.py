"""Incidents at NetBird, in Secrets and in connections: each raises one alert, and ends by its runbook.

The chart's rules are accelerated 60 times here: a minute is a second. The operator is unchanged.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from tests.doubles.netbird.faults import Moment, Slow, error_reply, html_reply
from tests.doubles.netbird.process import running_netbird
from tests.doubles.netbird.tenancy import Account, Token
from tests.doubles.netbird.wire import Operation
from tests.harness.certificates import AUTHORITY, KEY, certificate
from tests.harness.controlplane import Binaries, ControlPlane
from tests.harness.controlplane.commands import LOOPBACK, free_port
from tests.harness.end_to_end import Scene, eventually, raised
from tests.harness.kubectl_team import INTEGRATIONS, Team, new_team, secret
from tests.harness.manifests import reference
from tests.harness.monitoring import compressed
from tests.harness.prometheus import Prometheus
from tests.harness.runbooks import Runbook
from tests.monitoring.incident import check_log, incident
from tools.chart import Manifest

pytestmark = pytest.mark.timeout(300)

FACTOR: Final = 60.0
NOT_READY: Final = 16.0
"""Minutes. The rule waits for 15."""
SLOW_SECONDS: Final = 25.0
"""Less than `--request-timeout`."""
VALIDITY: Final = timedelta(seconds=20)
CONNECTIONS: Final = "netbirdconnections"
Remedy = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Stage:
    """The running processes, and the resources that a case needs."""

    scene: Scene
    prometheus: Prometheus
    stack: ExitStack


@dataclass(frozen=True, slots=True)
class Case:
    """An incident that makes resources not Ready.

    `begin` causes it and returns the remedy of the runbook. `row` is in the row of the runbook, `message` in the
    condition of the resource or connection `where`.
    """

    name: str
    begin: Callable[[Team, Stage], Remedy]
    cause: str
    reason: str
    row: str
    message: tuple[str, ...]
    where: tuple[str, str] = ("esi", "events")


def netbird_is_down(team: Team, _: Stage) -> Remedy:
    fault = team.fault(error_reply(503, "away"), times=None)
    team.patch("events", enabled=False)
    team.ask("netbird", "now", "nbc")
    return lambda: team.scene.netbird.remove_fault(fault)


def netbird_throttles(team: Team, _: Stage) -> Remedy:
    fault = team.fault(error_reply(429, "slow down"), Operation.UPDATE, times=None)
    team.patch("events", enabled=False)
    return lambda: team.scene.netbird.remove_fault(fault)


def token_is_dead(team: Team, _: Stage) -> Remedy:
    team.apply(secret("netbird", token="nbp_revoked"))
    return lambda: team.apply(secret("netbird", token=team.token))


def token_of_another_account(team: Team, _: Stage) -> Remedy:
    other = f"other-{team.namespace}"
    team.scene.netbird.add_account(Account(other))
    team.scene.netbird.add_token(Token(other, f"nbp_{other}", other))
    team.apply(secret("netbird", token=f"nbp_{other}"))
    return lambda: team.apply(secret("netbird", token=team.token))


def destination_rejects(team: Team, _: Stage) -> Remedy:
    fault = team.fault(error_reply(412, "the test event was refused"), Operation.UPDATE, times=None)
    team.patch("events", enabled=False)
    return lambda: team.scene.netbird.remove_fault(fault)


def secret_is_deleted(team: Team, _: Stage) -> Remedy:
    team.kubectl("delete", "secret", "datadog")
    return lambda: team.apply(secret("datadog", **{"api-key": "second-api-key"}))


def token_secret_is_deleted(team: Team, _: Stage) -> Remedy:
    team.kubectl("delete", "secret", "netbird")
    return lambda: team.apply(secret("netbird", token=team.token))


def deletion_without_token(team: Team, _: Stage) -> Remedy:
    team.apply(secret("netbird", token="nbp_revoked"))
    team.kubectl("delete", "esi", "events", "--wait=false")

    def let_go() -> None:
        team.patch("events", deletionPolicy="Orphan")
        team.gone()
        team.apply(secret("netbird", token=team.token))

    return let_go


def list_is_html(team: Team, _: Stage) -> Remedy:
    fault = team.fault(html_reply(), Operation.LIST, times=None)
    team.ask("netbird", "now", "nbc")
    return lambda: team.scene.netbird.remove_fault(fault)


def certificate_expires(team: Team, stage: Stage) -> Remedy:
    """Let the certificate of a private server expire; return its renewal."""
    url = f"https://{LOOPBACK}:{(port := free_port())}"
    state = f"--state={stage.scene.plane.folder / team.namespace}"
    with running_netbird([state]) as prepared:
        prepared.control.add_account(Account(team.account))
        prepared.control.add_token(team.netbird_token())
    serving = stage.stack.enter_context(ExitStack())

    def serve(name: str) -> None:
        serving.close()
        files = (f"--certificate={certificate(name)}", f"--key={KEY}")
        serving.enter_context(running_netbird([state, f"--port={port}", *files]))

    serve("expired")
    team.kubectl("delete", "esi", "events")
    team.kubectl("create", "configmap", "company-ca", f"--from-file=ca.crt={AUTHORITY}")
    bundle = reference("company-ca", "ca.crt")
    team.apply(team.connection(url=url, caBundleConfigMapRef=bundle), team.integration())
    return lambda: serve("server")


CASES: Final = {
    each.name: each
    for each in (
        Case(
            "1 NetBird answers 503", netbird_is_down, "Unavailable", "Unavailable", "`CreateOutcomeUnknown`", ("503",)
        ),
        Case("2 token revoked", token_is_dead, "TokenRejected", "TokenRejected", "`TokenRejected`", ("token",)),
        Case(
            "3 token of another account",
            token_of_another_account,
            "AccountMismatch",
            "AccountMismatch",
            "`AccountMismatch`",
            ("token",),
        ),
        Case(
            "4 certificate expired",
            certificate_expires,
            "Unavailable",
            "Unavailable",
            '"certificate"',
            ("expired",),
        ),
        Case(
            "5 destination refuses the test event",
            destination_rejects,
            "DestinationRejected",
            "DestinationRejected",
            "`DestinationRejected`",
            ("destination",),
        ),
        Case(
            "8 Secret deleted", secret_is_deleted, "SecretNotFound", "SecretNotFound", "`SecretNotFound`", ("datadog",)
        ),
        Case(
            "9 token Secret deleted",
            token_secret_is_deleted,
            "SecretNotFound",
            "SecretNotFound",
            "`SecretNotFound`",
            ("netbird",),
        ),
        Case(
            "12 LIST is a page of HTML",
            list_is_html,
            "Unavailable",
            "UnexpectedAnswer",
            "`CreateOutcomeUnknown`",
            ("JSON",),
            ("nbc", "netbird"),
        ),
        Case(
            "13 deletion without a token",
            deletion_without_token,
            "TokenRejected",
            "TokenRejected",
            "`TokenRejected`",
            ("Orphan",),
        ),
        Case(
            "18 NetBird answers 429",
            netbird_throttles,
            "Unavailable",
            "RateLimited",
            "`CreateOutcomeUnknown`",
            ("429",),
        ),
    )
}
BATCHES: Final = (("1", "2", "3", "5", "8"), ("4", "9", "13"), ("12",), ("18",))
"""Cases of one batch last at the same time: each raises its own alert, and none raises two."""


@pytest.fixture(scope="module")
def stage(binaries: Binaries, groups: list[Manifest], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    port = free_port()
    folder = tmp_path_factory.mktemp("prometheus")
    with (
        ControlPlane.start() as plane,
        raised(plane, f"--metrics-port={port}") as scene,
        Prometheus(binaries.find("prometheus"), folder, {"operator-a": port}, compressed(groups, FACTOR)) as prometheus,
        ExitStack() as stack,
    ):
        yield Stage(scene, prometheus, stack)
        check_log(scene.log())


@pytest.fixture
def log(stage: Stage) -> Path:
    return stage.scene.operator.log


@pytest.mark.parametrize("numbers", BATCHES, ids=" ".join)
def test_each_raises_one_alert_and_ends_by_its_runbook(stage: Stage, log: Path, numbers: tuple[str, ...]) -> None:
    cases = [next(case for case in CASES.values() if case.name.split()[0] == number) for number in numbers]
    with ExitStack() as teams:
        acting = [(case, teams.enter_context(new_team(stage.scene))) for case in cases]
        for _, team in acting:
            team.connect(team.integration())
            team.ready()
        with incident(stage.prometheus, FACTOR) as lasting:
            remedies = [case.begin(team, stage) for case, team in acting]
            for case, _ in acting:
                kind = "EventStreamingIntegration" if case.where[0] == "esi" else "NetBirdConnection"
                lasting.fires("NotReady", f"{kind}: {case.reason}.", within=NOT_READY, cause=case.cause)
            runbook = Runbook("NetBirdStreamingNotReady")
            seen = runbook.look(stage.scene.plane, log)
            for case, team in acting:
                follow(runbook, seen, case, team)
            for remedy in remedies:
                remedy()
        for case, team in acting:
            if "deletion" in case.name:
                team.gone()
            else:
                team.ready()


def follow(runbook: Runbook, seen: str, case: Case, team: Team) -> None:
    """Check that the commands show the reason and its message, and that a row names who has to act."""
    assert team.namespace in seen
    kind, name = case.where
    plural = CONNECTIONS if kind == "nbc" else INTEGRATIONS
    message = team.because(case.reason, name, plural)
    for word in case.message:
        assert word in message, f"{case.name}: {message}"
    assert message.split(": ")[0][:60] in seen
    assert runbook.remedy(case.row)


def test_11_a_rate_limit_that_is_used_up_raises_one_alert_while_requests_wait(stage: Stage, log: Path) -> None:
    with new_team(stage.scene) as team:
        team.connect(rateLimit={"requestsPerMinute": 60, "burst": 12})
        names = [f"hook-{number}" for number in range(60)]
        with incident(stage.prometheus, FACTOR) as lasting:
            team.apply(*(team.webhook(name) for name in names))
            lasting.fires("RateLimitExhausted", "status", within=21)
            runbook = Runbook("NetBirdStreamingRateLimitExhausted")
            assert "hook-59" in runbook.look(stage.scene.plane, log)
            waiting = (team.condition(name, "Reconciling").get("message", "") for name in names)
            assert [message for message in waiting if "rate limit" in message], "a status says what it waits for"
            assert "rateLimit" in runbook.remedy("NetBird allows the token more")
            team.apply(team.connection(rateLimit={"requestsPerMinute": 6000, "burst": 1000}))
            team.ready(*names)


def test_17_a_token_that_expires_has_one_alert_at_any_time(stage: Stage, log: Path) -> None:
    with new_team(stage.scene) as team:
        expires = (datetime.now(UTC) + VALIDITY).replace(microsecond=0)
        stage.scene.netbird.add_token(team.netbird_token(expires_at=expires))
        with incident(stage.prometheus, FACTOR) as lasting:
            team.connect(team.integration())
            team.ready()
            lasting.fires("TokenExpires", "expires in", within=1)
            runbook = Runbook("NetBirdStreamingTokenExpires")
            assert f"{expires:%Y-%m-%dT%H:%M:%SZ}" in runbook.look(stage.scene.plane, log)
            assert "replace the old one" in runbook.remedy("still in use")
            eventually(lambda: datetime.now(UTC) > expires, "it has expired")
            team.ask("netbird", "now", "nbc")
            team.because("TokenRejected", "netbird", CONNECTIONS)
            assert lasting.firing() == {"TokenExpires"}
            lasting.fires("NotReady", "NetBirdConnection: TokenRejected.", within=NOT_READY, cause="TokenRejected")
            eventually(lambda: lasting.firing() == {"NotReady"}, "one of them is left")
            renewed = Token(f"renewed-{team.namespace}", f"nbp_renewed_{team.namespace}", team.account)
            stage.scene.netbird.add_token(renewed)
            team.apply(secret("netbird", token=renewed.value))
            team.ready()


def test_19_requests_that_take_long_raise_one_alert(stage: Stage, log: Path) -> None:
    with new_team(stage.scene) as team:
        team.connect(team.integration())
        team.ready()
        with incident(stage.prometheus, FACTOR) as lasting:
            fault = team.fault(Slow(SLOW_SECONDS, 0.0), Operation.UPDATE, moment=Moment.AFTER, times=None)
            team.patch("events", enabled=False)
            lasting.fires("QueueStuck", "has been due", within=11)
            runbook = Runbook("NetBirdStreamingQueueStuck")
            assert "Check the NetBird server" in runbook.remedy("requests to NetBird take")
            stage.scene.netbird.remove_fault(fault)
        team.ready()
