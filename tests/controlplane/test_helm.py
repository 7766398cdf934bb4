"""The chart with real Helm on a real API server: installed, changed, upgraded, rolled back, removed."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
import yaml

from netbird_streaming.api.types import GROUP, RECONCILE_ANNOTATION
from tests.doubles.netbird.process import RunningNetBird, running_netbird
from tests.doubles.netbird.records import Integration
from tests.doubles.netbird.tenancy import Account, Token
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import eventually
from tests.harness.fake_rollout import rolling_out
from tests.harness.manifests import integration
from tests.harness.operator import apply
from tests.harness.release import SOURCE, Release, former_version
from tests.harness.schema_errors import install_crds
from tools import chart_docs
from tools.chart import CHART, COPIES, DEFINITIONS, ChartError

TOKEN: Final = "nbp_" + "t" * 36
FINALIZER: Final = "integrations.netbird.io/event-streaming"
DEFINITION: Final = "eventstreamingintegrations.integrations.netbird.io"
_READY: Final = '{.status.conditions[?(@.type=="Ready")]'


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """A separate control plane, because kubectl owns the definitions on that of the other tests."""
    with ControlPlane.start() as plane:
        yield plane


@pytest.fixture(scope="module")
def netbird() -> Iterator[RunningNetBird]:
    with running_netbird() as running:
        yield running


class Stage:
    """A release that is not installed yet, and a team with a NetBird account.

    Its namespace is always the same, because kept definitions belong to the release of that name there.
    """

    def __init__(self, plane: ControlPlane, netbird: RunningNetBird) -> None:
        name = uuid4().hex[:8]
        self.plane: Final = plane
        self.netbird: Final = netbird.control
        self.url: Final = netbird.url
        self.team: Final = f"team-{name}"
        self.release: Final = Release(plane, "helm-test")
        self.netbird.add_account(Account(self.team))
        self.netbird.add_token(Token(name, TOKEN + name, self.team))
        for namespace in (self.release.namespace, self.team):
            apply(plane, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        self.put_token(TOKEN + name)
        self._secret(self.team, "datadog", **{"api-key": "key"})

    def values(self, **connection: Any) -> dict[str, Any]:
        """Return the two values of a user, and the URL of the simulated NetBird."""
        given = {"tokenSecret": {"name": "netbird"}, "access": {"namespaces": [self.team]}, "url": self.url}
        return {"connection": {**given, **connection}}

    def put_token(self, token: str) -> None:
        self._secret(self.release.namespace, "netbird", token=token)

    def declare(self) -> None:
        manifest = integration()
        manifest["metadata"]["namespace"] = self.team
        apply(self.plane, manifest)

    def ready(self) -> None:
        self.kubectl("wait", "--for=condition=Ready", "esi/events", "--timeout=30s")

    def kubectl(self, *arguments: str) -> str:
        return self.plane.kubectl(f"--namespace={self.team}", *arguments)

    def read(self, *target: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", *target, "--output=json"))
        return found

    def writes(self) -> list[str]:
        """Return the write requests to NetBird in the team's account."""
        asked = [each for each in self.netbird.journal() if each.account_id == self.team]
        return [each.method for each in asked if each.method != "GET"]

    def held(self) -> list[Integration]:
        """Return NetBird's integrations in the team's account."""
        return self.netbird.integrations(self.team)

    def remove_too_early(self, **values: Any) -> None:
        """Remove a working release while an integration exists."""
        self.release.install(**values or self.values())
        self.declare()
        with self.release.pod():
            self.ready()
        self.release.uninstall()

    def look_again(self, asked: str, source: Path = SOURCE) -> None:
        """Run the release's pod until it has reconciled the integration."""
        with self.release.pod(source):
            self.kubectl("annotate", "--overwrite", "esi/events", f"{RECONCILE_ANNOTATION}={asked}")
            done = f"--for=jsonpath={{.status.lastHandledReconcileAt}}={asked}"
            self.kubectl("wait", done, "esi/events", "--timeout=30s")
            self.ready()

    def waits(self) -> bool:
        """Return whether only objects with a finalizer are left in the team's namespace."""
        conditions = self.read("namespace", self.team)["status"].get("conditions", [])
        return any(each["type"] == "NamespaceFinalizersRemaining" and each["status"] == "True" for each in conditions)

    def clear(self) -> None:
        """Remove everything that the next test would see. The team's namespace is deleted in the background."""
        with suppress(ChartError):  # most tests have removed it
            self.release.uninstall()
        if self.kubectl("get", "crd", DEFINITION, "--ignore-not-found"):
            self.kubectl("delete", "esi,cnbc", "--all", "--wait=false")
            for name in self.kubectl("get", "esi,cnbc", "--output=name").split():
                self.kubectl("patch", name, "--type=merge", '--patch={"metadata":{"finalizers":[]}}')
        self.kubectl("delete", "namespace", self.team, "--wait=false", "--ignore-not-found")

    def _secret(self, namespace: str, name: str, **data: str) -> None:
        metadata = {"name": name, "namespace": namespace}
        apply(self.plane, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})


@pytest.fixture
def stage(control_plane: ControlPlane, netbird: RunningNetBird) -> Iterator[Stage]:
    made = Stage(control_plane, netbird)
    yield made
    made.clear()


def commands(heading: str) -> list[str]:
    """Return the shell blocks of a section of the chart's README."""
    section = chart_docs.README.read_text().partition(f"# {heading}\n")[2]
    return re.findall(r"```sh\n(.*?)```", re.split(r"^##+ ", section, maxsplit=1, flags=re.MULTILINE)[0], re.DOTALL)


def options(case: str) -> list[str]:
    """Return the options that the chart's README has for a case."""
    (line,) = re.findall(rf"^- {re.escape(case)}: `(.+?)`", chart_docs.README.read_text(), re.MULTILINE)
    return str(line).split()


def shell(plane: ControlPlane, script: str) -> str:
    """Run the commands of the README, as its reader."""
    folder = plane.folder / "bin"
    folder.mkdir(exist_ok=True)
    for tool in ("kubectl", "helm"):
        (folder / tool).unlink(missing_ok=True)
        (folder / tool).symlink_to(plane.binaries.find(tool))
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "HOME": str(plane.folder),
        "KUBECONFIG": str(plane.kubeconfig),
    }
    done = subprocess.run(["bash", "-c", script], env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_values_give_a_working_operator(stage: Stage) -> None:
    notes = stage.release.install(**stage.values())
    stage.declare()
    with stage.release.pod():
        (waiting,) = re.findall(r"kubectl wait .*clusternetbirdconnection.*", notes)
        assert "condition met" in shell(stage.plane, waiting)
        stage.ready()
        assert stage.writes() == ["POST"]
        (removing,) = commands("Remove")
        named = removing.replace("uninstall netbird-streaming-operator", f"uninstall {stage.release.name}")
        shell(stage.plane, named.replace("netbird-system", stage.release.namespace))
        assert stage.held() == []


def test_upgrade_that_waits_fails_while_the_token_is_rejected(stage: Stage) -> None:
    stage.release.install(**stage.values())
    with stage.release.pod(), rolling_out(stage.plane, stage.release.namespace):
        stage.kubectl("wait", "--for=condition=Ready", "cnbc/default", "--timeout=30s")
        stage.release.upgrade("--wait", "--timeout=30s")
        stage.put_token(TOKEN + "revoked")
        stage.kubectl("wait", f"--for=jsonpath={_READY}.reason}}=TokenRejected", "cnbc/default", "--timeout=30s")
        with pytest.raises(ChartError, match="ClusterNetBirdConnection"):
            stage.release.upgrade("--wait", "--timeout=5s")


def test_notes_without_a_connection_show_how_to_create_one(stage: Stage) -> None:
    notes = stage.release.install(connection={"url": stage.url})
    (upgrade,) = re.findall(r"helm upgrade(?:.*\\\n)*.*", notes)
    shell(stage.plane, upgrade.replace(" CHART ", f" {CHART} ").replace("team-a", stage.team))
    spec = stage.read("cnbc", "default")["spec"]
    assert (spec["url"], spec["access"][0]["namespaces"]) == (stage.url, [stage.team])
    stage.declare()
    with stage.release.pod():
        stage.ready()


def test_release_is_changed_removed_and_installed_again(stage: Stage) -> None:
    release = stage.release
    release.install(**stage.values())
    uid = stage.read("cnbc", "default")["metadata"]["uid"]
    release.upgrade(**stage.values(access={"namespaces": ["team-b"]}))
    assert stage.read("cnbc", "default")["spec"]["access"][0]["namespaces"] == ["team-b"]
    removed = release.uninstall()
    assert "[ClusterNetBirdConnection] default" in removed
    assert removed.count("[CustomResourceDefinition]") == 3
    assert stage.read("cnbc", "default")["metadata"]["uid"] == uid
    kinds = "deployments,roles,rolebindings,clusterroles,clusterrolebindings,serviceaccounts,poddisruptionbudgets"
    assert stage.kubectl("get", kinds, "--selector=app.kubernetes.io/instance=op", "--all-namespaces") == ""
    release.install(**stage.values())
    release.upgrade(**stage.values(url="https://netbird.example.com"))
    found = stage.read("cnbc", "default")
    assert (found["metadata"]["uid"], found["spec"]["url"]) == (uid, "https://netbird.example.com")


def test_upgrade_from_the_former_version_and_rollback_create_no_second_integration(
    stage: Stage, tmp_path: Path
) -> None:
    (chart, source), release = former_version(tmp_path), stage.release
    _without(chart, "additionalPrinterColumns", -1)
    values = stage.values()
    release.install(chart, **values)
    assert _columns(stage) != _columns_of_crds()
    stage.declare()
    with release.pod(source):
        stage.ready()
    before, connection = stage.read("esi", "events"), stage.read("cnbc", "default")
    release.upgrade()
    assert _columns(stage) == _columns_of_crds()
    stage.look_again("upgraded")
    release.rollback(1)
    assert _columns(stage) != _columns_of_crds()
    stage.look_again("rolled back", source)
    after, kept = stage.read("esi", "events"), stage.read("cnbc", "default")
    assert (after["metadata"]["uid"], after["status"]["id"]) == (before["metadata"]["uid"], before["status"]["id"])
    assert (kept["metadata"]["uid"], kept["spec"]) == (connection["metadata"]["uid"], connection["spec"])
    assert stage.writes() == ["POST"]


def test_rollback_to_the_first_revision_restores_a_connection_in_use(stage: Stage) -> None:
    """The first revision has the connection as a hook, which a rollback must neither leave out nor delete first."""
    release = stage.release
    _remove_definitions(stage)
    release.install(**stage.values())
    stage.declare()
    with release.pod():
        stage.ready()
    before = stage.read("cnbc", "default")
    assert "post-rollback" in before["metadata"]["annotations"]["helm.sh/hook"]
    assert before["metadata"]["finalizers"] == [FINALIZER]
    release.upgrade(**stage.values(access={"namespaces": [stage.team, "team-b"]}, name="default"))
    assert stage.read("cnbc", "default")["spec"] != before["spec"]
    release.rollback(1)
    after = stage.read("cnbc", "default")
    assert (after["metadata"]["uid"], after["spec"]) == (before["metadata"]["uid"], before["spec"])
    assert "deletionTimestamp" not in after["metadata"]


def test_helm_3_takes_two_steps_and_every_later_change_reaches_the_connection(stage: Stage) -> None:
    """Helm 3 takes the object of a hook into the release without comparing it."""
    release = Release(stage.plane, stage.release.namespace, helm="helm3")
    _remove_definitions(stage)
    with pytest.raises(ChartError, match=r"--set connection\.enabled=false first, then helm upgrade"):
        release.install(**stage.values())
    release.install(**stage.values(enabled=False))
    release.upgrade(**stage.values(enabled=True))
    assert "helm.sh/hook" not in stage.read("cnbc", "default")["metadata"]["annotations"]
    stage.declare()
    with release.pod():
        stage.ready()
        before = stage.read("cnbc", "default")["spec"]
        release.upgrade(**stage.values(access={"namespaces": [stage.team, "team-b"]}))
        assert stage.read("cnbc", "default")["spec"] != before
        release.rollback(2)
        assert stage.read("cnbc", "default")["spec"] == before
    assert stage.writes() == ["POST"]
    stage.kubectl("delete", "esi", "events", "--wait=false")
    with release.pod():
        stage.kubectl("wait", "--for=delete", "esi/events", "--timeout=60s")
    release.uninstall()


@pytest.mark.parametrize("path", sorted((CHART / "ci").glob("*.yaml")), ids=lambda path: path.stem)
def test_helm_3_renders_what_helm_4_renders(control_plane: ControlPlane, path: Path) -> None:
    # Without a cluster, Helm 3 assumes an older Kubernetes than the chart needs.
    cluster = ("--kube-version=1.33.0", f"--api-versions={GROUP}/v1alpha1")
    rendered = [
        subprocess.run(
            [str(control_plane.binaries.find(helm)), "template", "op", str(CHART), f"--values={path}", *cluster],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for helm in ("helm", "helm3")
    ]
    three, four = ([each for each in yaml.safe_load_all(text) if each] for text in rendered)
    assert three == four


def test_outdated_definitions_are_named_and_nothing_is_created_until_the_update(stage: Stage, tmp_path: Path) -> None:
    chart = Path(shutil.copytree(CHART, tmp_path / "chart"))
    path = "status", "properties", "internal", "properties", "creation", "properties", "proof"
    _without(chart, "schema", "openAPIV3Schema", "properties", *path)
    stage.release.install(chart, **stage.values())
    stage.declare()
    with stage.release.pod():
        stage.kubectl("wait", f"--for=jsonpath={_READY}.reason}}=KubernetesRefused", "esi/events", "--timeout=30s")
        said = stage.kubectl("get", "esi/events", f"--output=jsonpath={_READY}.message}}")
        assert "apply the CRDs of this version of the operator" in said
        assert stage.writes() == []
        stage.release.upgrade()
        stage.ready()
    assert stage.writes() == ["POST"]


def test_new_release_finishes_deletions_after_a_premature_removal(stage: Stage) -> None:
    stage.remove_too_early()
    stage.kubectl("delete", "namespace", stage.team, "--wait=false")
    eventually(stage.waits, "the namespace waits for the finalizer")
    stage.release.install(**stage.values())
    with stage.release.pod():
        stage.kubectl("wait", "--for=delete", f"namespace/{stage.team}", "--timeout=60s")
    assert stage.held() == []
    assert stage.writes() == ["POST", "DELETE"]


def test_readme_releases_only_deleted_resources_after_a_premature_removal(stage: Stage) -> None:
    show, let_go = commands("If the operator was removed first")
    stage.remove_too_early()
    shell(stage.plane, let_go)
    assert stage.read("esi", "events")["metadata"]["finalizers"] == [FINALIZER]
    assert stage.read("cnbc", "default")["metadata"]["finalizers"] == [FINALIZER]
    foreign = "example.com/another-program"
    stage.kubectl("patch", "esi", "events", "--type=json", f"--patch={_finalizer('add', 0, foreign)}")
    stage.kubectl("delete", "namespace", stage.team, "--wait=false")
    stage.kubectl("delete", "cnbc", "default", "--wait=false")
    eventually(stage.waits, "the namespace waits for the finalizer")
    (held,) = stage.held()
    assert str(held.id) in shell(stage.plane, show)
    shell(stage.plane, let_go)
    assert stage.read("esi", "events")["metadata"]["finalizers"] == [foreign]
    stage.kubectl("patch", "esi", "events", "--type=json", f"--patch={_finalizer('remove', 0)}")
    stage.kubectl("wait", "--for=delete", f"namespace/{stage.team}", "cnbc/default", "--timeout=60s")
    assert stage.held() == [held]


def test_definitions_that_are_removed_with_the_release_wait_for_the_same_remedy(stage: Stage) -> None:
    stage.remove_too_early(**stage.values(), crds={"keep": False})
    eventually(lambda: "deletionTimestamp" in stage.read("esi", "events")["metadata"], "it is being deleted")
    eventually(lambda: "deletionTimestamp" in stage.read("cnbc", "default")["metadata"], "so is the connection")
    shell(stage.plane, commands("If the operator was removed first")[1])
    stage.kubectl("wait", "--for=delete", f"crd/{DEFINITION}", "--timeout=60s")


def test_definitions_of_another_release_are_kept_or_taken_over_on_request(stage: Stage) -> None:
    stage.release.install()
    other = Release(stage.plane, f"helm-{stage.team}", "other")
    with pytest.raises(ChartError, match="invalid ownership metadata"):
        other.install()
    other.install(crds={"enabled": False})
    other.uninstall()
    assert stage.read("crd", DEFINITION)["metadata"]["annotations"]["meta.helm.sh/release-name"] == "op"
    other.install(CHART, *options("definitions of another Helm release"))
    assert stage.read("crd", DEFINITION)["metadata"]["annotations"]["meta.helm.sh/release-name"] == "other"
    other.uninstall()
    stage.plane.kubectl("delete", "namespace", other.namespace, "--wait=false")


def test_definitions_that_kubectl_created_are_taken_over_on_request(stage: Stage) -> None:
    _remove_definitions(stage)
    _create_other_definitions(stage)
    with pytest.raises(ChartError, match="invalid ownership metadata"):
        stage.release.install()
    with pytest.raises(ChartError, match="conflict"):
        stage.release.install(CHART, "--take-ownership")
    stage.release.uninstall()
    _create_other_definitions(stage)
    stage.release.install(CHART, *options("definitions that `kubectl apply` created"))
    assert stage.read("crd", DEFINITION)["metadata"]["annotations"]["meta.helm.sh/release-name"] == "op"


def _finalizer(operation: str, place: int, *value: str) -> str:
    steps = [{"op": operation, "path": f"/metadata/finalizers/{place}", **({"value": value[0]} if value else {})}]
    return json.dumps(steps)


def _remove_definitions(stage: Stage) -> None:
    """Make the cluster one that has never seen the chart, because former tests keep the definitions."""
    stage.kubectl("delete", "crd", "--all", "--timeout=30s")
    eventually(lambda: GROUP not in stage.kubectl("api-versions"), "their kinds are served no more")


def _create_other_definitions(stage: Stage) -> None:
    """Create definitions by kubectl. One has a value of another version, since equal ones conflict with nothing."""
    install_crds(stage.plane)
    change = {"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema/description", "value": "Another one."}
    stage.kubectl("patch", "crd", DEFINITION, "--type=json", f"--patch={json.dumps([change])}")


def _without(chart: Path, *place: str | int) -> None:
    """Make its definitions differ from ours in their version."""
    path = chart / COPIES.relative_to(CHART) / "eventstreamingintegrations.yaml"
    definition = yaml.safe_load(path.read_text())
    *ways, last = place
    part = definition["spec"]["versions"][0]
    for each in ways:
        part = part[each]
    del part[last]
    path.write_text(yaml.safe_dump(definition))


def _columns(stage: Stage) -> list[str]:
    return _names(stage.read("crd", DEFINITION))


def _columns_of_crds() -> list[str]:
    return _names(yaml.safe_load((DEFINITIONS / "eventstreamingintegrations.yaml").read_text()))


def _names(definition: dict[str, Any]) -> list[str]:
    return [each["name"] for each in definition["spec"]["versions"][0]["additionalPrinterColumns"]]
