"""/metrics of real processes, compared with the requests that both servers received."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.ports import Outcome
from netbird_streaming.telemetry.metrics.definitions import ALL, PREFIX
from tests.doubles.netbird.faults import Reply, Reset
from tests.doubles.netbird.wire import Operation
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, Scene, eventually, raised
from tests.harness.kubectl_team import Team, new_team, secret
from tests.harness.manifests import reference
from tests.harness.operator import Operator

ESI: Final = "EventStreamingIntegration"
OURS: Final = {ESI, "NetBirdConnection", "ClusterNetBirdConnection"}
OPERATIONS: Final = {Operation.ACCOUNTS: "account"}
"""The label of an operation, if it differs from the simulated server's name."""
LABELS: Final[Mapping[str, str]] = {
    "kind": "|".join([*OURS, "UnownedIntegration"]),
    "result": "|".join(Outcome),
    "reason": "|".join(Reason),
    "operation": "list|get|create|update|delete|account|user|tokens|tenants",
    "code": r"[1-5]\d\d|dns|other|proxy|refused|reset|timeout|tls",
    "ready": "true|false",
    "watch": "resources|secrets",
    "connection": "",
    "version": r"[\w.+-]+",
    "python": r"3\.\d+\.\w+",
    "le": r"[\d.]+|\+Inf",
}
"""The allowed values of labels, as patterns: nothing that a user, a server or NetBird chose."""

Series = tuple[str, frozenset[tuple[str, str]]]


class Scraped(dict[Series, float]):
    """The result of one scrape, without the process' own metrics."""

    def __init__(self, text: str) -> None:
        super().__init__()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name.startswith(PREFIX):
                    short = sample.name.removeprefix(f"{PREFIX}_")
                    self[short, frozenset(sample.labels.items())] = sample.value

    def value(self, name: str, **labels: str) -> float | None:
        return self.get((name, frozenset(labels.items())))

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Return the values of a metric by some of its labels, summed over all others."""
        sums: defaultdict[tuple[str, ...], float] = defaultdict(float)
        for (other, pairs), value in self.items():
            if other == name:
                sums[tuple(dict(pairs)[each] for each in labels)] += value
        return dict(sums)


def scrape(operator: Operator) -> Scraped:
    return Scraped(operator.metrics())


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """A separate control plane, because the test reads everything in a cluster."""
    with ControlPlane.start() as plane:
        yield plane


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane) -> Iterator[Scene]:
    with raised(control_plane, *QUICK_LEASE) as scene:
        yield scene


@pytest.fixture(scope="module")
def team(scene: Scene) -> Iterator[Team]:
    """A team after each flow: two created, one refused for a while, one drifted, one with a bad token."""
    with new_team(scene) as team:
        team.connect(team.webhook("first"), team.webhook("second"))
        team.ready("first", "second")
        team.fault(Reply(429, '{"message": "too many", "code": 429}', headers=(("Retry-After", "1"),)), times=1)
        team.patch("first", enabled=False)
        team.ready("first")
        team.fault(Reset(), Operation.LIST, times=1)
        drifted = team.read("second")["status"]["id"]
        scene.netbird.edit(drifted, enabled=False)
        team.ask("netbird", "look", kind="netbirdconnection")
        eventually(lambda: next(each for each in team.held() if each.id == drifted).enabled, "the drift is corrected")
        bad = team.connection("bad", tokenSecretRef=reference("bad", "token"))
        orphan = team.webhook("orphan", connectionRef={"kind": "NetBirdConnection", "name": "bad"})
        team.apply(secret("bad", token="nbp_that_nobody_knows"), bad, orphan)
        team.because("TokenRejected", "orphan")
        team.because("TokenRejected", "bad", "netbirdconnections")
        team.because("Synced", "second")
        yield team


def test_request_counters_match_netbirds_log(scene: Scene, team: Team) -> None:
    def seen() -> Counter[tuple[str, str]]:
        return Counter(
            (OPERATIONS.get(each.operation, each.operation.value), str(each.status or "reset"))
            for each in scene.netbird.journal()
            if each.operation is not None
        )

    def exported() -> dict[tuple[str, ...], float]:
        return scrape(scene.operator).by("netbird_request_duration_seconds_count", "operation", "code")

    eventually(lambda: exported() == seen(), "the counts of the requests are those of the journal")
    counts = exported()
    assert counts["create", "200"] == 2
    assert counts["update", "429"] + counts.get(("list", "429"), 0) == 1
    assert counts["list", "reset"] == 1
    assert ("list", "401") in counts


def test_readiness_counts_match_the_conditions(scene: Scene, team: Team) -> None:
    expected = {
        (ESI, "true", "Synced"): 2,
        (ESI, "false", "TokenRejected"): 1,
        ("NetBirdConnection", "true", "Synced"): 1,
        ("NetBirdConnection", "false", "TokenRejected"): 1,
    }

    def exported() -> dict[tuple[str, ...], float]:
        counts = scrape(scene.operator).by("resources", "kind", "ready", "reason")
        return {each: count for each, count in counts.items() if each[0] != "ClusterNetBirdConnection"}

    eventually(lambda: exported() == expected, "the figures are those of the conditions")


def test_events_of_the_scenario_are_counted(scene: Scene, team: Team) -> None:
    now = scrape(scene.operator)
    assert (now.value("leader"), now.value("drifts_found_total"), now.value("drifts_corrected_total")) == (1, 1, 1)
    put_back = now.by("retries_total", "kind", "reason")
    assert put_back[ESI, "RateLimited"] == 1
    assert put_back[ESI, "TokenRejected"] >= 1
    assert put_back["NetBirdConnection", "TokenRejected"] >= 1
    outcomes = now.by("reconcile_duration_seconds_count", "kind", "result")
    assert outcomes[ESI, "success"] >= 3
    assert outcomes[ESI, "error"] == sum(count for (kind, _), count in put_back.items() if kind == ESI)
    assert (ESI, "internal_error") not in outcomes
    assert now.value("rate_limit_remaining_requests", connection="") is not None
    assert now.value("rate_limit_burst_requests", connection="") == 1200
    assert now.value("resync_interval_seconds", connection="") == 300
    assert now.value("watch_restarts_total", watch="resources") == 0
    assert now.value("watch_restarts_total", watch="secrets") == 0


def test_labels_have_only_allowed_values(scene: Scene, team: Team) -> None:
    found = scrape(scene.operator)
    odd = [(name, pair) for name, pairs in found for pair in pairs if not re.fullmatch(LABELS[pair[0]], pair[1])]
    assert odd == []
    exported = {name for name, _ in found}
    # All lists and watches work, so none is named.
    assert {each.short_name for each in ALL if each.type != "histogram"} - {"watch_failing"} <= exported
    assert {f"{each.short_name}_count" for each in ALL if each.type == "histogram"} <= exported


def test_follower_reports_that_it_does_not_lead_and_no_leader_metrics(scene: Scene, team: Team) -> None:
    with Operator(scene.installation, *QUICK_LEASE, "--metrics-per-connection") as follower:
        follower.ready()
        text = follower.metrics()
        assert {name for name, _ in Scraped(text)} == {"build_info", "leader"}
        assert Scraped(text).value("leader") == 0
        assert "process_cpu_seconds_total" in text


def test_gauges_are_complete_after_a_restart_and_counters_start_at_zero(scene: Scene, team: Team) -> None:
    before = scrape(scene.operator).by("resources", "kind", "ready", "reason")
    scene.stop()
    scene.start()
    eventually(lambda: scrape(scene.operator).by("resources", "kind", "ready", "reason") == before, "all of it stands")
    assert scrape(scene.operator).value("drifts_found_total") == 0


def test_connection_label_is_optional_and_metrics_can_be_disabled(scene: Scene, team: Team) -> None:
    scene.stop()
    with Operator(scene.installation, *QUICK_LEASE, "--metrics-per-connection") as named:
        named.leading()
        wanted = {(f"{team.namespace}/netbird",), (f"{team.namespace}/bad",)}
        name = "rate_limit_remaining_requests"
        eventually(lambda: wanted <= set(scrape(named).by(name, "connection")), "both are named")
        named.stop()
    with Operator(scene.installation, *QUICK_LEASE, "--metrics=false") as silent:
        silent.leading()
        assert "metrics endpoint" not in silent.text()
        assert silent.metrics() == ""
        silent.stop()
    scene.start()
