"""`check` and `plan` on a real API server, with the permissions that their page lists, and without any write."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from netbird_streaming.__main__ import main
from netbird_streaming.cli.exit_codes import ExitCode
from netbird_streaming.reasons import Reason
from tests.doubles.netbird.records import Draft
from tests.harness import pages
from tests.harness.command_line import called
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, Scene, eventually, raised
from tests.harness.kubectl_team import SECRETS, Team, new_team, secret
from tests.harness.manifests import integration, to_yaml
from tests.harness.operator import NAMESPACE

PAGE: Final = "docs/commands/README.md"
AUDITOR: Final = "system:serviceaccount:netbird-system:netbird-auditor"
REVIEWS: Final = {"selfsubjectaccessreviews", "subjectaccessreviews"}
CANARY: Final = "CANARY-value-of-a-secret"


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """A cluster of their own: `check` reads every connection, also those that other tests leave behind."""
    with ControlPlane.start() as plane, raised(plane, *QUICK_LEASE, "--absence-window=1s") as scene:
        yield scene


@pytest.fixture(scope="module")
def auditor(scene: Scene) -> Path:
    """Return a kubeconfig with the permissions that the page lists, and no others."""
    for _, document in pages.manifests(PAGE):
        if document["kind"] in {"ServiceAccount", "ClusterRole", "ClusterRoleBinding"}:
            scene.kubectl("apply", "--filename=-", input=to_yaml(document))
    return scene.plane.service_account_kubeconfig(NAMESPACE, "netbird-auditor")


@pytest.fixture
def team(scene: Scene) -> Iterator[Team]:
    with new_team(scene) as team:
        yield team


class Caller:
    """Caller of commands that checks what each call sends and prints."""

    def __init__(self, team: Team, kubeconfig: Path) -> None:
        self._team = team
        self._kubeconfig = kubeconfig

    def __call__(self, command: str, *arguments: str) -> tuple[int, str]:
        """Run a command for the team's namespace, and return its exit code and output."""
        given = [f"--kubeconfig={self._kubeconfig}", f"--operator-namespace={NAMESPACE}"]
        given += [f"--namespace={self._team.namespace}", *arguments]
        mark = self._team.mark()
        code, out, err = called(command, *given)
        shown = out + err
        values = {value for data in SECRETS.values() for value in data.values()} | {self._team.token, CANARY}
        assert [each for each in values if each in shown] == []
        assert {each.method for each in self._team.requests(mark)} <= {"GET"}
        sent = [each for each in self._team.scene.plane.audit(mark.audit) if each.user == AUDITOR]
        assert sent
        assert {each.status for each in sent if each.status in {401, 403}} == set()
        assert [each for each in sent if each.verb not in {"get", "list"} and each.resource not in REVIEWS] == []
        return code, out

    def planned(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Return the exit code of `plan`, and its entries by name."""
        code, text = self("plan", "--output=json", *arguments)
        return code, {each["name"]: each for each in json.loads(text)["entries"]}


@pytest.fixture
def call(team: Team, auditor: Path) -> Caller:
    return Caller(team, auditor)


def test_what_is_in_order_has_a_tick_and_nothing_to_do(team: Team, call: Caller) -> None:
    team.connect(team.integration())
    team.ready()
    code, text = call("check")
    assert code == ExitCode.OK, text
    assert "✘" not in text
    for line in (
        "✔ Kubernetes: version v1.",
        "✔ CRDs: 3 kinds of integrations.netbird.io/v1alpha1 are served and current",
        "✔ Permissions: the operator's ServiceAccount: all ",
        f"✔ Lease {NAMESPACE}/netbird-streaming-operator: held by ",
        f"✔ NetBirdConnection {team.namespace}/netbird: {team.scene.netbird_url} accepts the token: ",
        f"account {team.account}, 1 integrations",
        "✔ Secrets: those of 1 resources exist and are well-formed",
    ):
        assert line in text
    code, text = call("plan")
    assert (code, text.splitlines()[-1]) == (ExitCode.OK, "1 nothing.")


def test_each_reason_of_a_status_is_planned_with_the_same_message(team: Team, call: Caller) -> None:
    (found_id,) = team.scene.netbird.create(team.account, [Draft("s3", _S3)])
    missing = {"apiKeySecretRef": {"name": "missing", "key": "api-key"}}
    no_key = {"apiKeySecretRef": {"name": "datadog", "key": "none"}}
    intake = {"apiURL": "http://collector.example.com/"}
    key = {"apiKeySecretRef": {"name": "datadog", "key": "api-key"}}
    team.connect(
        team.integration(name="first", datadog={"apiURL": "https://same.example.com/", **key}),
        team.integration(name="no-secret", datadog={"apiURL": "https://a.example.com/", **missing}),
        team.integration(name="no-key", datadog={"apiURL": "https://b.example.com/", **no_key}),
        team.integration(name="plain", datadog={**intake, **key}),
        team.integration("s3", "identical"),
        team.integration(name="suspended", suspend=True, datadog={"apiURL": "https://c.example.com/", **key}),
        team.integration("firehose", "no-adoption", adoption={"policy": "Override", "id": 999_999}),
        integration("datadog", "no-connection", connectionRef={"kind": "NetBirdConnection", "name": "other"}),
    )
    expected = {
        "first": Reason.SYNCED,
        "no-secret": Reason.SECRET_NOT_FOUND,
        "no-key": Reason.SECRET_KEY_NOT_FOUND,
        "plain": Reason.PLAIN_HTTP_NOT_ALLOWED,
        "identical": Reason.IDENTICAL_EXISTS,
        "suspended": Reason.SUSPENDED,
        "no-adoption": Reason.ADOPTION_NOT_FOUND,
        "no-connection": Reason.CONNECTION_NOT_FOUND,
    }
    reported = {name: (str(reason), team.because(reason, name)) for name, reason in expected.items()}
    code, found = call.planned()
    assert code == ExitCode.PROBLEM
    assert {name: (each["reason"], each["message"]) for name, each in found.items()} == reported
    assert {found[name]["action"] for name in ("first", "suspended")} == {"Nothing"}
    assert found["identical"]["action"] == "Conflict"
    assert str(found_id) in found["identical"]["message"]
    _, text = call("check")
    assert f"✘ Secrets of {team.namespace}/no-secret: " in text
    assert Reason.SECRET_NOT_FOUND.remedy in text


def test_failing_connection_has_the_remedy_of_its_status(team: Team, call: Caller) -> None:
    team.connect(team.integration())
    team.ready()
    team.apply(secret("netbird", token=CANARY))
    team.because(Reason.TOKEN_REJECTED, "netbird", plural="netbirdconnections")
    code, text = call("check")
    assert code == ExitCode.PROBLEM
    (line,) = [each for each in text.splitlines() if each.startswith("✘")]
    assert line.startswith(f"✘ NetBirdConnection {team.namespace}/netbird: ")
    assert line.endswith(f"→ {Reason.TOKEN_REJECTED.remedy}")
    team.apply(secret("netbird", token=team.token), team.connection(url="http://127.0.0.1:1"))
    _, text = call("check")
    assert "no connection to the host and port of spec.url" in text
    assert Reason.UNAVAILABLE.remedy in text


def test_missing_permission_is_named(team: Team, call: Caller) -> None:
    role = json.loads(
        team.scene.kubectl("get", "clusterrole", f"{NAMESPACE}-netbird-streaming-operator", "--output=json")
    )
    del role["metadata"]["resourceVersion"]
    without = {**role, "rules": [each for each in role["rules"] if "configmaps" not in each["resources"]]}
    try:
        team.scene.kubectl("replace", "--filename=-", input=json.dumps(without))
        _, text = eventually(lambda: _with_problem(call("check")), "the permission is missing")
        assert f"✘ Permissions: missing: get configmaps in namespace {team.namespace} → Grant the operator's" in text
    finally:
        team.scene.kubectl("replace", "--filename=-", input=json.dumps(role))


def test_files_are_planned_as_if_they_were_applied(team: Team, call: Caller, tmp_path: Path) -> None:
    team.connect(team.integration())
    team.ready()
    changed = team.integration(enabled=False)
    created = team.integration("generic_http", "new", genericHTTP=_WITH_TOKEN)
    path = tmp_path / "resources.yaml"
    path.write_text(to_yaml(changed, created, secret("new", token=CANARY)))
    code, found = call.planned(f"--filename={path}")
    assert code == ExitCode.CHANGES
    held = team.only()
    assert (found["events"]["action"], found["events"]["fields"]) == ("Update", ["enabled"])
    assert found["events"]["integration"] == held.id
    assert found["new"]["action"] == "Create"
    assert team.only() == held
    assert team.find("new") is None


def test_before_the_installation_the_token_is_checked(
    team: Team, auditor: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "token"
    path.write_text(f"{team.token}\n")
    given = ["check", "--pre", f"--kubeconfig={team.scene.plane.kubeconfig}", f"--url={team.scene.netbird_url}"]
    code = main([*given, f"--token-file={path}", f"--namespace={team.namespace}"])
    shown = capsys.readouterr().out
    assert code == ExitCode.OK, shown
    assert f"✔ NetBird: {team.scene.netbird_url} accepts the token: account {team.account}" in shown
    assert "✔ Permissions: you: all 3 are granted" in shown
    assert team.token not in shown


_S3: Final = {
    "bucket_name": "company-netbird-events",
    "region": "eu-central-1",
    "access_key": "theirs",
    "secret_key": "theirs",
}
_WITH_TOKEN: Final = {
    "url": "https://new.example.com/",
    "auth": {"bearer": {"tokenSecretRef": {"name": "new", "key": "token"}}},
}


def _with_problem(answer: tuple[int, str]) -> tuple[int, str] | None:
    return answer if answer[0] == ExitCode.PROBLEM else None
