"""A real Prometheus scrapes the operator in a scenario, and evaluates all queries of dashboard and alerts."""

import math
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.doubles.netbird.faults import error_reply
from tests.doubles.netbird.wire import Operation
from tests.harness.controlplane import Binaries, ControlPlane
from tests.harness.controlplane.commands import LOOPBACK, free_port
from tests.harness.end_to_end import QUICK_LEASE, Scene, eventually, raised
from tests.harness.kubectl_team import Team, new_team
from tests.harness.manifests import reference
from tests.harness.monitoring import Query, alerts, queries
from tests.harness.operator import Operator
from tests.harness.prometheus import Prometheus, Sample
from tools.chart import Manifest

METRIC: Final = re.compile(r"\bnetbird_streaming_\w+")
OWN_NAMESPACE: Final = "netbird-system"
WINDOW: Final = "5m"
"""Longer than the scenario, so that its beginning is still visible at its end."""
SMALL_BUDGET: Final = {"requestsPerMinute": 600, "burst": 3}
FAILING: Final = "netbird_streaming_watch_failing"
"""Metrics without a series while every list and watch works, as here."""
NEVER: Final = frozenset({FAILING, "netbird_streaming_reconcile_duration_seconds_count"})
"""Metrics for failing watches and unexpected errors, of which there are none here."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The running processes at the end of the scenario."""

    scene: Scene
    follower: Operator
    prometheus: Prometheus
    ports: tuple[int, int]
    """The targets: the leader and the follower."""


@pytest.fixture(scope="module")
def stage(binaries: Binaries, groups: list[Manifest], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    leader, follower = free_port(), free_port()
    with ControlPlane.start() as plane, raised(plane, f"--metrics-port={leader}", *QUICK_LEASE) as scene:
        folder = tmp_path_factory.mktemp("prometheus")
        targets = {"operator-a": leader, "operator-b": follower}
        with (
            Operator(scene.installation, f"--metrics-port={follower}", *QUICK_LEASE) as second,
            Prometheus(binaries.find("prometheus"), folder, targets, groups) as prometheus,
            new_team(scene) as team,
        ):
            second.ready()
            tell(team, prometheus)
            yield Stage(scene, second, prometheus, (leader, follower))


def tell(team: Team, prometheus: Prometheus) -> None:
    """Create on a small budget, fail in two ways, recover from one of them, drift, change and delete."""
    team.connect(rateLimit=SMALL_BUDGET)
    fault = team.fault(error_reply(503, "away"), Operation.LIST, times=None)
    names = [f"hook-{number}" for number in range(6)]
    team.apply(*(team.webhook(name) for name in names))
    eventually(lambda: prometheus.query('netbird_streaming_retries_total{reason="Unavailable"} > 0'), "a retry")
    team.scene.netbird.remove_fault(fault)
    team.ready(*names)
    lacking = {"site": "datadoghq.eu", "apiKeySecretRef": reference("nowhere", "key")}
    team.apply(team.integration(name="lacking", datadog=lacking))
    team.because("SecretNotFound", "lacking")
    drifted = team.read(names[0])["status"]["id"]
    team.scene.netbird.edit(drifted, enabled=False)
    team.ask(names[0], "look")
    eventually(lambda: prometheus.query("netbird_streaming_drifts_corrected_total > 0"), "a correction")
    team.patch(names[1], enabled=False)
    team.ready(names[1])
    team.kubectl("delete", "esi", names[2])


def values(samples: list[Sample]) -> list[float]:
    """Return whether a result can be drawn."""
    return [each.value for each in samples if not math.isnan(each.value)]


def expression_of(groups: list[Manifest], name: str) -> str:
    return next(each.expression for each in alerts(groups) if each.name == name)


def scrape(port: int) -> str:
    answer = httpx.get(f"http://{LOOPBACK}:{port}/metrics", trust_env=False)
    assert answer.status_code == httpx.codes.OK
    return answer.text


@pytest.mark.parametrize("query", queries(), ids=lambda query: f"{query.panel}: {query.expression[:60]}")
def test_each_panel_has_data(stage: Stage, query: Query) -> None:
    asked = query.asked(OWN_NAMESPACE, WINDOW)
    if FAILING in query.expression:
        assert stage.prometheus.query(asked) == []
    else:
        assert eventually(lambda: values(stage.prometheus.query(asked)), asked)


def test_dashboard_shows_failures_and_reasons(stage: Stage) -> None:
    def shown(panel: str) -> list[Sample]:
        found = [each for each in queries() if each.panel == panel]
        return [sample for each in found for sample in stage.prometheus.query(each.asked(".*", WINDOW))]

    assert values(shown("Not Ready")) == [1]
    assert values(shown("Leaders")) == [1]
    (row,) = shown("Not Ready, by kind and reason")
    assert (row.labels, row.value) == ({"kind": "EventStreamingIntegration", "reason": "SecretNotFound"}, 1)
    # Five webhooks and a connection, and one without its Secret. The deleted one existed a moment ago.
    eventually(lambda: values(shown("Ready")) == [pytest.approx(6 / 7)], "six of seven are Ready")
    assert values(shown("Declared")) == [7]
    assert values(shown("Lists complete")) == [1]


def test_each_alert_is_evaluated_with_existing_metrics(stage: Stage, groups: list[Manifest]) -> None:
    names = [each.name for each in alerts(groups)]
    rules = eventually(lambda: _evaluated(stage.prometheus, names), "each alert is evaluated")
    health = {name: (rule["health"], rule.get("lastError", "")) for name, rule in rules.items()}
    assert health == dict.fromkeys(names, ("ok", ""))
    for each in alerts(groups):
        for metric in set(METRIC.findall(each.expression)) - NEVER:
            assert stage.prometheus.query(metric), f"{each.name} asks for {metric}"


def test_only_the_failing_alert_is_pending(stage: Stage, groups: list[Manifest]) -> None:
    found = stage.prometheus.query(expression_of(groups, "NetBirdStreamingNotReady"))
    # The expression keeps for five minutes what `tell` brought about and ended.
    assert {each.labels["cause"] for each in found} - {"Unavailable"} == {"SecretNotFound"}
    rules = eventually(lambda: _evaluated(stage.prometheus, ["NetBirdStreamingNotReady"]), "it is evaluated")
    assert rules["NetBirdStreamingNotReady"]["state"] == "pending"
    quiet = (
        "NoLeader",
        "NotSynced",
        "ResyncStale",
        "QueueStuck",
        "InternalError",
        "Unreadable",
        "KubernetesRefused",
        "Restarts",
        "WatchRestarts",
    )
    assert {rules[f"NetBirdStreaming{name}"]["state"] for name in quiet} == {"inactive"}


def test_promtool_accepts_the_scraped_metrics(stage: Stage, promtool: Path) -> None:
    for port in stage.ports:
        done = subprocess.run(
            [str(promtool), "check", "metrics"], input=scrape(port), check=False, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_no_leader_alert_uses_a_query_that_works_without_replicas(stage: Stage, groups: list[Manifest]) -> None:
    """The last one, because it ends the processes that the others read."""
    expression = expression_of(groups, "NetBirdStreamingNoLeader")
    assert stage.prometheus.query(expression) == []
    stage.scene.stop()
    eventually(lambda: stage.prometheus.query('netbird_streaming_leader{pod="operator-b"} == 1'), "it leads")
    assert stage.prometheus.query(expression) == []
    stage.follower.stop()
    eventually(lambda: stage.prometheus.query(expression), "no replica leads")


def _evaluated(prometheus: Prometheus, names: list[str]) -> dict[str, Manifest]:
    rules = prometheus.rules()
    return rules if all(rules[name]["health"] != "unknown" for name in names) else {}
