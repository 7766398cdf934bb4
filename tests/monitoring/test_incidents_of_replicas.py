"""Incidents of processes and of the API server, with two replicas. The rules take a thirtieth of their time.

A leader that is gone is replaced after 2 s here, and after 15 s with the chart's values. Measured by the rules, it
takes four times as long here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.harness.controlplane import Binaries, ControlPlane
from tests.harness.controlplane.commands import free_port
from tests.harness.end_to_end import PATIENCE, Scene, eventually, raised
from tests.harness.kubectl_team import new_team, secret
from tests.harness.manifests import reference
from tests.harness.monitoring import compressed
from tests.harness.operator import LEASE as NAME
from tests.harness.operator import NAMESPACE, Operator
from tests.harness.prometheus import Prometheus
from tests.harness.runbooks import Runbook
from tests.monitoring.incident import check_log, incident
from tools.chart import Manifest

pytestmark = pytest.mark.timeout(300)

FACTOR: Final = 30.0
LEASE: Final = ("--lease-duration=2", "--lease-renew-deadline=1.5", "--lease-retry-period=0.3")
RENEWALS: Final = 20
AHEAD: Final = "tests.harness.ahead"
DEFECTIVE: Final = "tests.harness.defective"


@dataclass(slots=True)
class Replica:
    """A pod whose container is restarted in place: its address stays."""

    scene: Scene
    module: str = "netbird_streaming"
    port: int = field(default_factory=free_port)
    operator: Operator | None = None
    logs: list[Path] = field(default_factory=list)

    def start(self) -> Operator:
        """Start it, and wait until it leads or follows."""
        self.operator = Operator(self.scene.installation, f"--metrics-port={self.port}", *LEASE, module=self.module)
        self.logs.append(self.operator.log)
        return self.operator.ready()

    def kill(self) -> None:
        """Kill it as a crash does."""
        if self.operator is not None:
            self.operator.kill()

    def check_logs(self) -> None:
        """Check the logs of all its processes."""
        for each in self.logs:
            check_log(each.read_text())

    @property
    def leads(self) -> bool:
        """Return whether it reports that it leads."""
        return self.operator is not None and "netbird_streaming_leader 1.0" in self.operator.metrics()


@dataclass(frozen=True, slots=True)
class Stage:
    """Two replicas; the clock of the second is an hour ahead."""

    scene: Scene
    prometheus: Prometheus
    replicas: tuple[Replica, Replica]

    def leader(self) -> Replica:
        """Wait until one leads, and return it."""
        return eventually(lambda: next((each for each in self.replicas if each.leads), None), "a replica leads")

    def wait_until_restarts_are_past(self) -> None:
        """Wait until the half hour in which the rule of Restarts counts, accelerated, holds none of other tests."""
        counted = f"changes(process_start_time_seconds[{30 * 60 / FACTOR:.0f}s]) > 0"
        eventually(lambda: not self.prometheus.query(counted), "no restart is counted", PATIENCE * 2)

    def lease(self) -> dict[str, Any]:
        """Read the Lease's spec."""
        text = self.scene.kubectl("get", "lease", NAME, f"--namespace={NAMESPACE}", "--output=json")
        spec: dict[str, Any] = json.loads(text)["spec"]
        return spec

    def crash(self) -> None:
        """Kill the leader, wait for the other to lead, and start the first again."""
        gone = self.leader()
        gone.kill()
        self.leader()
        gone.start()


@pytest.fixture(scope="module")
def stage(binaries: Binaries, groups: list[Manifest], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("prometheus")
    with ControlPlane.start() as plane, raised(plane, *LEASE) as scene:
        scene.stop()
        replicas = Replica(scene), Replica(scene, AHEAD)
        targets = {f"operator-{number}": each.port for number, each in enumerate(replicas)}
        try:
            for each in replicas:
                each.start()
            with Prometheus(binaries.find("prometheus"), folder, targets, compressed(groups, FACTOR)) as prometheus:
                yield Stage(scene, prometheus, replicas)
            for each in replicas:
                each.check_logs()
        finally:
            for each in replicas:
                each.kill()


def test_10_and_16_a_killed_leader_and_a_clock_that_is_wrong_raise_nothing(stage: Stage) -> None:
    first, ahead = stage.replicas
    with incident(stage.prometheus, FACTOR):
        # By the clock of the follower the Lease has always expired, and it looks as often as the leader renews.
        renewed: set[str] = set()
        while len(renewed) < RENEWALS:
            renewed.add(stage.lease()["renewTime"])
            assert first.leads
            assert not ahead.leads
        first.kill()
        assert stage.leader() is ahead
        first.start()
        assert stage.leader() is ahead
        ahead.kill()
        assert stage.leader() is first
        ahead.start()


def test_6_an_api_server_that_hangs_raises_nothing(stage: Stage) -> None:
    with incident(stage.prometheus, FACTOR):
        stage.scene.plane.pause()
        eventually(lambda: not any(each.leads for each in stage.replicas), "no replica leads")
        stage.scene.plane.resume()
        stage.leader()


def test_10b_a_crash_loop_is_an_alert_and_delays_no_other(stage: Stage) -> None:
    with new_team(stage.scene) as team:
        lacking = {"site": "datadoghq.eu", "apiKeySecretRef": reference("nowhere", "key")}
        with incident(stage.prometheus, FACTOR) as lasting:
            team.connect(team.integration(name="lacking", datadog=lacking))
            team.because("SecretNotFound", "lacking")

            def both_fire() -> bool:
                stage.crash()
                return {"Restarts", "NotReady"} <= lasting.firing()

            eventually(both_fire, "both fire while the leader crashes", 150)
            restarts = lasting.fires("Restarts", "kubectl get pods", within=0)
            # While no leader can be scraped the description has no counts; the summary still names the cause.
            lasting.fires("NotReady", "not Ready: SecretNotFound.", within=0, cause="SecretNotFound")
            assert restarts.labels["severity"] == "warning"
            runbook = Runbook("NetBirdStreamingRestarts")
            runbook.look(stage.scene.plane, stage.scene.operator.log)
            assert "resources.limits.memory" in runbook.remedy("OOMKilled")
            # The remedy: from here on nothing kills them.
            team.apply(secret("nowhere", key="first-key"))
            team.ready("lacking")


def test_22_a_leader_that_changes_again_and_again_is_an_alert(stage: Stage) -> None:
    """Pause the API server again and again for longer than a leader may act without renewing its Lease."""

    def seen(leaders: int) -> None:
        query = f"sum(netbird_streaming_leader) == {leaders}"
        eventually(lambda: stage.prometheus.query(query), f"Prometheus sees {leaders} leaders")

    with incident(stage.prometheus, FACTOR) as lasting:

        def fires() -> bool:
            seen(1)
            stage.scene.plane.pause()
            seen(0)
            stage.scene.plane.resume()
            return "LeaderChanges" in lasting.firing()

        eventually(fires, "it fires while the API server hangs now and then", 150)
        fired = lasting.fires("LeaderChanges", "without restarts", within=0)
        assert fired.labels["severity"] == "warning"
        # The remedy: from here on the API server answers.
        seen(1)
        runbook = Runbook("NetBirdStreamingLeaderChanges")
        shown = runbook.look(stage.scene.plane, stage.scene.operator.log)
        assert "leaseTransitions" in shown
        assert "readyz check passed" in shown
        assert "API server" in runbook.remedy("requests of `kubectl` take seconds")


def test_23_no_replica_at_all_is_critical(stage: Stage) -> None:
    with incident(stage.prometheus, FACTOR) as lasting:
        for each in stage.replicas:
            each.kill()
        fired = lasting.fires("NoLeader", "No replica", within=11)
        assert (fired.labels["severity"], fired.labels["namespace"]) == ("critical", NAMESPACE)
        runbook = Runbook("NetBirdStreamingNoLeader")
        assert "No resources found" in runbook.look(stage.scene.plane, stage.scene.operator.log)
        assert "kubectl describe deployment" in runbook.remedy("no pod, or fewer")
        for each in stage.replicas:
            each.start()


def test_24_a_defect_of_the_operator_raises_one_alert(stage: Stage) -> None:
    first, second = stage.replicas
    stage.wait_until_restarts_are_past()
    with new_team(stage.scene) as team, incident(stage.prometheus, FACTOR) as lasting:
        defective = Replica(stage.scene, DEFECTIVE, first.port)
        first.kill()
        defective.start()
        second.kill()
        try:
            team.connect(team.integration())
            lasting.fires("InternalError", "EventStreamingIntegration", within=1)
            runbook = Runbook("NetBirdStreamingInternalError")
            assert defective.operator is not None
            assert team.namespace in runbook.look(stage.scene.plane, defective.operator.log)
            assert "helm rollback" in runbook.remedy("an update of the operator")
            second.start()
        finally:
            defective.kill()
        first.start()
        team.ready()
