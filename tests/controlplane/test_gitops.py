"""Usual actions of Argo CD, Flux and operators of Secrets on our resources, without surprises or needless writes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from netbird_streaming.api.types import FINALIZER
from tests.doubles.netbird.faults import Moment, Slow
from tests.doubles.netbird.wire import Operation
from tests.harness import manifests
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, Json, Scene, eventually, raised
from tests.harness.gitops import argocd, flux, kstatus
from tests.harness.kubectl_team import SECRETS, Mark, Team, new_team, secret
from tests.harness.manifests import Manifest, reference, to_yaml
from tests.harness.operator import NAMESPACE
from tests.harness.release import Release

CONNECTIONS: Final = "netbirdconnections"
CLUSTER: Final = "clusternetbirdconnections"
OURS: Final = "netbird-streaming-operator"
RECOVERY_SECONDS: Final = 10.0
BY_ARGO_CD: Final = ("--server-side", "--field-manager=argocd-controller", "--force-conflicts")
BY_FLUX: Final = ("--server-side", "--field-manager=kustomize-controller", "--force-conflicts")
SCRIPT: Final = argocd.SCRIPT.read_text()
CHECKS: Final = flux.expressions()


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane) -> Iterator[Scene]:
    with raised(control_plane, *QUICK_LEASE) as scene:
        yield scene


@pytest.fixture
def team(scene: Scene) -> Iterator[Team]:
    with new_team(scene) as team:
        yield team


@pytest.fixture(scope="module", autouse=True)
def leaving(scene: Scene) -> Iterator[Team]:
    """A team whose application is deleted long before the last test reads it.

    Argo CD deletes in the foreground. Kubernetes' garbage collector may need half a minute for a new kind.
    """
    with new_team(scene) as team:
        team.connect(team.integration())
        team.ready()
        eventually(lambda: _is_settled(team.read("netbird", CONNECTIONS)), "the connection is kept")
        targets = ("secret/netbird", "secret/datadog", "nbc/netbird", "esi/events")
        team.kubectl("delete", "--cascade=foreground", "--wait=false", *targets)
        yield team


@dataclass(frozen=True, slots=True)
class Synced:
    """A team with resources of all three kinds, applied from git in one way, and Ready."""

    team: Team
    way: tuple[str, ...]
    documents: tuple[Manifest, ...]

    def apply(self, *way: str) -> str:
        return self.team.kubectl("apply", *way, "--filename=-", input=to_yaml(*self.documents))

    def diff(self) -> str:
        way = [each for each in self.way if each != "--force-conflicts"]
        return self.team.kubectl("diff", *way, "--filename=-", input=to_yaml(*self.documents))

    def objects(self) -> list[Json]:
        team = self.team
        found = (
            team.read(),
            team.read("netbird", CONNECTIONS),
            team.scene.objects.ours(CLUSTER, team.namespace),
            team.read("shared"),
        )
        return [each for each in found if each is not None]

    def versions(self) -> list[str]:
        return [each["metadata"]["resourceVersion"] for each in self.objects()]


@pytest.fixture(
    scope="module",
    params=[(), BY_ARGO_CD, BY_FLUX],
    ids=["kubectl apply", "argocd-controller", "kustomize-controller"],
)
def synced(scene: Scene, request: pytest.FixtureRequest) -> Iterator[Synced]:
    with new_team(scene) as team:
        name = team.namespace
        token = secret(f"token-{name}", token=team.token)
        token["metadata"]["namespace"] = NAMESPACE
        ours = {"kind": "ClusterNetBirdConnection", "name": name}
        cluster = manifests.cluster_connection(
            name,
            url=scene.netbird_url,
            tokenSecretRef=reference(f"token-{name}", "token"),
            access=[{"namespaces": [name]}],
        )
        documents = (
            team.integration("generic_http"),
            team.integration("s3", "shared", connectionRef=ours),
            team.connection(),
            cluster,
        )
        scene.kubectl("apply", "--filename=-", input=to_yaml(token))
        team.apply(secret("netbird", token=team.token), *(secret(key, **held) for key, held in SECRETS.items()))
        found = Synced(team, request.param, documents)
        found.apply(*found.way)
        team.ready("events", "shared")
        eventually(lambda: all(map(_is_settled, found.objects())), "all three kinds are Ready and kept")
        yield found
        # The cluster connection waits for its user.
        scene.kubectl("delete", "cnbc", name, "--wait=false")


def test_second_sync_changes_nothing_and_shows_no_diff(synced: Synced) -> None:
    team, before, mark = synced.team, synced.versions(), synced.team.mark()
    said = synced.apply(*synced.way)
    assert said.count("serverside-applied" if synced.way else "unchanged") == len(synced.documents)
    assert synced.diff() == ""
    assert synced.versions() == before
    assert team.writes(mark) + team.writes(mark, CONNECTIONS) == []
    assert team.changes(mark) == []


def test_operator_writes_only_a_finalizer_and_the_status(synced: Synced) -> None:
    for each in synced.objects():
        owned = {
            entry.get("subresource", ""): entry["fieldsV1"]
            for entry in each["metadata"]["managedFields"]
            if entry["manager"] == OURS
        }
        assert owned.keys() == {"", "status"}
        assert owned[""] == {"f:metadata": {"f:finalizers": {".": {}, f'v:"{FINALIZER}"': {}}}}
        assert owned["status"].keys() == {"f:status"}


def test_resources_are_healthy_for_argo_cd_flux_and_helm(synced: Synced) -> None:
    for each in synced.objects():
        assert argocd.compute(each, SCRIPT).health is argocd.Health.HEALTHY
        assert flux.compute(each, CHECKS) is kstatus.compute(each) is kstatus.Result.CURRENT


def test_change_of_the_gitops_tool_causes_no_further_writes(synced: Synced) -> None:
    before, mark = synced.objects(), synced.team.mark()
    synced.apply("--server-side", "--field-manager=another-tool", "--force-conflicts")
    taken = synced.versions()
    synced.apply("--server-side", "--field-manager=another-tool", "--force-conflicts")
    assert synced.versions() == taken
    assert [_kept(each) for each in synced.objects()] == [_kept(each) for each in before]
    assert (synced.team.writes(mark), synced.team.changes(mark)) == ([], [])


def test_helm_waits_until_the_integration_exists(team: Team, tmp_path: Path) -> None:
    team.connect()
    team.fault(Slow(header=2.0), Operation.CREATE, moment=Moment.AFTER)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "integration.yaml").write_text(to_yaml(team.integration()))
    (tmp_path / "Chart.yaml").write_text("{apiVersion: v2, name: streams, version: 0.1.0}")
    Release(team.scene.plane, team.namespace).install(tmp_path, "--wait", "--timeout=40s")
    assert team.condition()["status"] == "True"


def test_pruned_resource_is_deleted_in_netbird(team: Team) -> None:
    stays, goes = team.webhook("stays"), team.webhook("goes")
    for each in (stays, goes):
        each["metadata"]["labels"] = {"app": "netbird"}
    team.connect()
    kind = "integrations.netbird.io/v1alpha1/EventStreamingIntegration"
    prune = ("apply", "--prune", "--selector=app=netbird", f"--prune-allowlist={kind}", "--filename=-")
    team.kubectl(*prune, input=to_yaml(stays, goes))
    team.ready("stays", "goes")
    assert "goes pruned" in team.kubectl(*prune, input=to_yaml(stays))
    team.gone("goes")
    assert [each.id for each in team.held()] == [team.read("stays")["status"]["id"]]


def test_each_wait_in_the_worst_order_has_a_reason_and_ends(team: Team) -> None:
    name = team.namespace
    scene, connection = team.scene, {"kind": "ClusterNetBirdConnection", "name": name}
    scene.stop()
    team.apply(team.integration(connectionRef=connection))
    unseen = team.read()
    condition = unseen["status"]["conditions"][0]
    assert (condition["status"], condition["reason"]) == ("Unknown", "Pending")
    assert kstatus.compute(unseen) is flux.compute(unseen, CHECKS) is kstatus.Result.IN_PROGRESS
    assert argocd.compute(unseen, SCRIPT).health is argocd.Health.PROGRESSING
    scene.start()
    token = secret(f"token-{name}", token=team.token)
    token["metadata"]["namespace"] = NAMESPACE
    closed = manifests.cluster_connection(
        name, url=scene.netbird_url, tokenSecretRef=reference(f"token-{name}", "token")
    )
    opened = {**closed, "spec": {**closed["spec"], "access": [{"namespaces": [name]}]}}
    # Ready's reason, and the names in its message, until the next object arrives.
    steps: tuple[tuple[str, str, Callable[[], object]], ...] = (
        ("ConnectionNotFound", name, lambda: scene.kubectl("apply", "--filename=-", input=to_yaml(closed))),
        ("NamespaceNotAllowed", "spec.access", lambda: scene.kubectl("apply", "--filename=-", input=to_yaml(opened))),
        ("SecretNotFound", f"token-{name}", lambda: scene.kubectl("apply", "--filename=-", input=to_yaml(token))),
        ("SecretNotFound", "Secret datadog", lambda: team.apply(secret("datadog", **SECRETS["datadog"]))),
    )
    for reason, named, fix in steps:
        _waits(team, reason, named)
        assert argocd.compute(team.read(), SCRIPT).health is argocd.Health.PROGRESSING
        fix()
    team.ready(seconds=RECOVERY_SECONDS)
    assert len(team.held()) == 1
    team.kubectl("delete", "esi", "events")
    scene.kubectl("delete", "cnbc", name)


def test_every_rewrite_of_a_secret_is_followed_without_needless_put(
    team: Team,
) -> None:
    team.connect(team.integration())
    team.ready()
    found, mark = f"PUT {team.only().id}", team.mark()
    _replace(team, secret("datadog", api_key="replaced-key"))
    _arrived(team, "replaced-key")
    # Deleted and created again: another uid, the same value.
    _recreate(team, secret("datadog", api_key="replaced-key"))
    _recreate(team, {**secret("datadog", api_key="typed-key"), "type": "example.com/api-key"})
    _arrived(team, "typed-key")
    _recreate(team, {**secret("datadog", api_key="immutable-key"), "immutable": True})
    _arrived(team, "immutable-key")
    assert team.changes(mark) == [found] * 3
    # A value without a reference, an owner, labels and annotations: for example, the time of the last refresh.
    churned = secret("datadog", api_key="immutable-key")
    uid = team.kubectl("create", "configmap", "store", "--output=jsonpath={.metadata.uid}")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "store", "uid": uid}
    metadata: Mapping[str, Any] = {
        "ownerReferences": [owner],
        "labels": {"reconcile.external-secrets.io/managed": "true"},
        "annotations": {"reconcile.external-secrets.io/data-hash": "another"},
    }
    since = team.mark()
    team.apply({**churned, "immutable": True, "metadata": {**churned["metadata"], **metadata}})
    eventually(lambda: _reads(team, since), "the operator has read the Secret")
    _handled(team, "after-the-churn")
    assert team.changes(mark) == [found] * 3


def test_application_deleted_in_the_foreground_leaves_nothing(leaving: Team) -> None:
    leaving.gone()
    leaving.gone("netbird", CONNECTIONS)
    assert leaving.held() == []


def _is_settled(resource: Json) -> bool:
    """Return whether it is Ready and has the finalizer, so that no write is pending."""
    return (
        kstatus.compute(resource) is kstatus.Result.CURRENT
        and FINALIZER in resource["metadata"].get("finalizers", ())
        and "True" in [each["status"] for each in resource["status"]["conditions"] if each["type"] == "Ready"]
    )


def _kept(resource: Json) -> Json:
    """Return everything that a takeover does not change."""
    changed = ("annotations", "managedFields", "resourceVersion")
    metadata = {name: value for name, value in resource["metadata"].items() if name not in changed}
    return {**resource, "metadata": metadata}


def _waits(team: Team, reason: str, named: str) -> None:
    def look() -> bool:
        condition = team.condition()
        return condition.get("reason") == reason and named in condition["message"]

    eventually(look, f"{reason} of {named}")


def _replace(team: Team, document: Manifest) -> None:
    team.kubectl("replace", "--filename=-", input=to_yaml(document))


def _recreate(team: Team, document: Manifest) -> None:
    """Delete it, check that it is reported as missing, create it again, and check that everything is Ready."""
    team.kubectl("delete", "secret", document["metadata"]["name"])
    team.because("SecretNotFound")
    team.kubectl("create", "--filename=-", input=to_yaml(document))
    team.because("Synced", seconds=RECOVERY_SECONDS)


def _arrived(team: Team, value: str) -> None:
    eventually(lambda: team.only().config["api_key"] == value, f"{value} is in NetBird", RECOVERY_SECONDS)
    team.because("Synced")


def _handled(team: Team, value: str) -> None:
    team.ask("events", value)
    team.kubectl("wait", f"--for=jsonpath={{.status.lastHandledReconcileAt}}={value}", "esi/events", "--timeout=30s")


def _reads(team: Team, mark: Mark) -> int:
    found = [each for each in team.scene.plane.audit(mark.audit) if (each.verb, each.resource) == ("get", "secrets")]
    return sum((each.namespace, each.name) == (team.namespace, "datadog") for each in found)
