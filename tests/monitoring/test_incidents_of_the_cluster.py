"""Incidents in Kubernetes: rights that are lost, and definitions older than the operator. The rules take a twentieth.

The operator watches two namespaces by name, as the chart's `scope.namespaces` has it. Each change of rights is followed
by a change of leader, because a watch that is open continues without them.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from netbird_streaming.api.types import GROUP
from tests.harness.controlplane import Binaries, ControlPlane
from tests.harness.controlplane.commands import LOOPBACK, free_port
from tests.harness.end_to_end import QUICK_LEASE, Scene, eventually, raised
from tests.harness.kubectl_team import Team
from tests.harness.monitoring import compressed, runbooks
from tests.harness.operator import NAMESPACE, apply, install
from tests.harness.prometheus import Prometheus
from tests.harness.runbooks import Runbook
from tests.harness.schema_errors import install_crds
from tests.monitoring.incident import check_log, incident
from tools.chart import Manifest

pytestmark = pytest.mark.timeout(300)

FACTOR: Final = 20.0
TEAMS: Final = ("team-a", "team-b")
OUTSIDE: Final = "team-c"
VALUES: Final[dict[str, Any]] = {"scope": {"namespaces": list(TEAMS), "clusterConnections": False}}
DEFINITION: Final = "eventstreamingintegrations.integrations.netbird.io"
LACKING: Final = ("status", "properties", "internal", "properties", "creation", "properties", "proof")
WEBHOOK: Final[Manifest] = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "policies"},
    "webhooks": [
        {
            "name": "policies.example.com",
            "clientConfig": {"url": f"https://{LOOPBACK}:9/nothing-listens-here"},
            "rules": [
                {
                    "apiGroups": [GROUP],
                    "apiVersions": ["*"],
                    "resources": ["eventstreamingintegrations/status"],
                    "operations": ["UPDATE"],
                }
            ],
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
    ],
}


@dataclass(frozen=True, slots=True)
class Stage:
    """The running processes, with two watched namespaces and another one."""

    scene: Scene
    prometheus: Prometheus
    served: Team
    troubled: Team
    outside: Team

    def change_rules(self, namespace: str, change: Callable[[list[Manifest]], list[Manifest]]) -> None:
        """Change the rules of the operator's Roles in a namespace, and let another process lead."""
        roles = json.loads(self.scene.kubectl("get", "role", f"--namespace={namespace}", "--output=json"))["items"]
        for role in roles:
            rules = json.dumps([{"op": "replace", "path": "/rules", "value": change(role["rules"])}])
            name = role["metadata"]["name"]
            self.scene.kubectl("patch", "role", name, f"--namespace={namespace}", "--type=json", f"--patch={rules}")

    def change_leader(self) -> None:
        """Let another process lead."""
        self.scene.stop()
        self.scene.start()

    def restore_rights(self) -> None:
        """Run `helm upgrade` of the release with all its values."""
        install(self.scene.plane, VALUES)


@pytest.fixture(scope="module")
def stage(binaries: Binaries, groups: list[Manifest], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    port, folder = free_port(), tmp_path_factory.mktemp("prometheus")
    with ControlPlane.start() as plane:
        for name in TEAMS:
            apply(plane, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        rules = compressed(groups, FACTOR)
        with (
            raised(plane, f"--metrics-port={port}", *QUICK_LEASE, values=VALUES) as scene,
            Prometheus(binaries.find("prometheus"), folder, {"operator-a": port}, rules) as prometheus,
        ):
            apply(plane, *runbooks(binaries.find("helm")))
            served, troubled, outside = (Team(scene, name) for name in (*TEAMS, OUTSIDE))
            for team in (served, troubled, outside):
                team.connect(team.webhook("hook"))
            served.ready("hook")
            troubled.ready("hook")
            yield Stage(scene, prometheus, served, troubled, outside)
            check_log(scene.log())


def follow(stage: Stage, alert: str, row: str, *seen: str) -> str:
    """Run the commands of a runbook, see what they must show, and return the remedy of a row."""
    runbook = Runbook(f"NetBirdStreaming{alert}")
    shown = runbook.look(stage.scene.plane, stage.scene.operator.log)
    missing = [each for each in seen if each not in shown]
    assert not missing, f"{missing} are not in: {shown}"
    return runbook.remedy(row)


def works(team: Team, url: str) -> None:
    """See that an edit reaches NetBird."""
    team.patch("hook", genericHTTP={"url": url})
    eventually(lambda: [each for each in team.held() if each.config["url"] == url], f"{url} is in NetBird")


def without_secrets(rules: list[Manifest]) -> list[Manifest]:
    return [rule for rule in rules if "secrets" not in rule["resources"]]


def without_watching_secrets(rules: list[Manifest]) -> list[Manifest]:
    return [
        {**rule, "verbs": [verb for verb in rule["verbs"] if verb not in {"list", "watch"}]}
        if "secrets" in rule["resources"]
        else rule
        for rule in rules
    ]


def test_7c_a_namespace_that_cannot_be_read_is_named_and_the_others_are_served(stage: Stage) -> None:
    with incident(stage.prometheus, FACTOR) as lasting:
        stage.scene.kubectl("delete", "rolebinding", "--all", f"--namespace={stage.troubled.namespace}")
        stage.change_leader()
        named = f"EventStreamingIntegration in namespace {stage.troubled.namespace}"
        fired = lasting.fires("Unreadable", named, within=6)
        assert f"namespace {stage.served.namespace}" not in fired.text
        works(stage.served, "https://siem.example.com/during")
        assert 'watch_restarts_total{watch="resources"} 0.0' not in stage.scene.operator.metrics()
        assert Runbook("NetBirdStreamingUnreadable").is_printed_by(fired.annotations["runbook"], stage.scene.plane)
        remedy = follow(stage, "Unreadable", "no RoleBinding", stage.served.namespace)
        assert "helm upgrade" in remedy
        stage.restore_rights()
    works(stage.troubled, "https://siem.example.com/after")


def test_7_and_7b_lost_rights_on_secrets_raise_one_alert(stage: Stage) -> None:
    with incident(stage.prometheus, FACTOR) as lasting:
        stage.change_rules(stage.served.namespace, without_watching_secrets)
        stage.change_rules(stage.troubled.namespace, without_secrets)
        stage.change_leader()
        stage.troubled.patch("hook", enabled=False)
        texts = [f"Secret in namespace {each.namespace}" for each in (stage.served, stage.troubled)]
        lasting.fires("Unreadable", *texts, within=6)
        assert "Secret" in stage.troubled.because("KubernetesRefused", "hook")
        assert 'watch_restarts_total{watch="secrets"} 0.0' not in stage.scene.operator.metrics()
        assert "helm upgrade" in follow(stage, "Unreadable", "no RoleBinding", "no")
        stage.restore_rights()
        stage.troubled.ready("hook", seconds=90)


def test_7e_no_namespace_that_can_be_read_is_critical(stage: Stage) -> None:
    with incident(stage.prometheus, FACTOR) as lasting:
        for team in (stage.served, stage.troubled):
            stage.scene.kubectl("delete", "rolebinding", "--all", f"--namespace={team.namespace}")
        stage.change_leader()
        fired = lasting.fires("NotSynced", "/readyz", within=4)
        assert fired.labels["severity"] == "critical"
        status, text = stage.scene.operator.probe("/readyz")
        assert status == 503
        assert "Kubernetes refuses every list of" in text
        remedy = follow(stage, "NotSynced", "`a right is missing`", "a right is missing", "no")
        assert "helm upgrade" in remedy
        stage.restore_rights()
        # The watches are retried one after the other, each after a backoff of seconds.
        lasting.may_fire("Unreadable")
    works(stage.served, "https://siem.example.com/again")


def test_14_definitions_older_than_the_operator_raise_one_alert(stage: Stage) -> None:
    with incident(stage.prometheus, FACTOR) as lasting:
        found = json.loads(stage.scene.kubectl("get", "crd", DEFINITION, "--output=json"))
        path = ("", "spec", "versions", "0", "schema", "openAPIV3Schema", "properties", *LACKING)
        remove = json.dumps([{"op": "remove", "path": "/".join(path)}])
        assert found["spec"]["versions"][0]["storage"]
        stage.scene.kubectl("patch", "crd", DEFINITION, "--type=json", f"--patch={remove}")
        stage.served.apply(stage.served.webhook("new"))
        lasting.fires("KubernetesRefused", "Ready=True may be wrong", within=12)
        remedy = follow(stage, "KubernetesRefused", "apply the CRDs of this version", "KubernetesRefused", "new")
        assert "apply those of its version" in remedy
        install_crds(stage.scene.plane)
        stage.served.ready("new", seconds=90)
    assert stage.served.condition("new")["reason"] == "Synced"


def without_leases(rules: list[Manifest]) -> list[Manifest]:
    return [rule for rule in rules if "leases" not in rule["resources"]]


def test_20_a_lost_right_on_the_lease_is_critical(stage: Stage) -> None:
    with incident(stage.prometheus, FACTOR) as lasting:
        stage.change_rules(NAMESPACE, without_leases)
        fired = lasting.fires("NoLeader", "No replica", within=7)
        assert fired.labels["severity"] == "critical"
        assert stage.scene.operator.probe("/readyz")[0] == 503
        remedy = follow(stage, "NoLeader", "is not ready", "holderIdentity")
        assert "helm upgrade" in remedy
        stage.restore_rights()
    works(stage.served, "https://siem.example.com/led")


def test_21_an_admission_webhook_that_is_down_raises_one_alert(stage: Stage) -> None:
    """The status of an edited resource can't be written, and shows Ready=True of the generation before."""
    with incident(stage.prometheus, FACTOR) as lasting:
        apply(stage.scene.plane, WEBHOOK)
        stage.served.patch("hook", enabled=False)
        lasting.fires("KubernetesRefused", "resources: 1", "Ready=True may be wrong", within=12)
        edited = stage.served.read("hook")
        (ready,) = (each for each in edited["status"]["conditions"] if each["type"] == "Ready")
        assert (ready["status"], ready["observedGeneration"] < edited["metadata"]["generation"]) == ("True", True)
        remedy = follow(stage, "KubernetesRefused", "answered 500", "not reconciled", "answered 500", "policies")
        assert "webhook" in remedy
        stage.scene.kubectl("delete", "validatingwebhookconfiguration", "policies")
        stage.served.ready("hook", seconds=90)


def test_15_a_namespace_outside_the_scope_raises_nothing_and_its_resource_says_why(stage: Stage) -> None:
    """Return the user's view of it, because the operator can't see it."""
    (condition,) = stage.outside.read("hook")["status"]["conditions"][:1]
    assert (condition["status"], condition["reason"]) == ("Unknown", "Pending")
    assert "watches the namespace" in condition["message"]
    assert not stage.prometheus.active()
