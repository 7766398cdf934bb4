"""`export`, fill in, apply on a real API server: each integration is adopted, and none is created."""

import io
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from netbird_streaming.cli import export
from netbird_streaming.cli.commands import Invocation, parser
from tests.doubles.netbird.records import Draft
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, Scene, raised
from tests.harness.kubectl_team import Team, new_team, secret
from tests.harness.operator import NAMESPACE

SECRETS = ("CANARY-key-1", "AKIACANARYCANARYCAN1", "CANARY-secret-1", "CANARY-header-1")
DRAFTS = (
    Draft("datadog", {"api_url": "https://http-intake.logs.datadoghq.eu/api/v2/logs", "api_key": SECRETS[0]}),
    Draft(
        "s3",
        {"bucket_name": "events", "region": "eu-west-1", "access_key": SECRETS[1], "secret_key": SECRETS[2]},
        enabled=False,
    ),
    Draft(
        "generic_http",
        {"url": "https://siem.example/in", "headers": f'{{"X-Key": "{SECRETS[3]}"}}', "body_template": "{{.ID}}"},
    ),
)
VALUES = {"api-key": SECRETS[0], "access-key": SECRETS[1], "secret-key": SECRETS[2], "header": SECRETS[3]}


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane) -> Iterator[Scene]:
    with raised(control_plane, *QUICK_LEASE) as scene:
        yield scene


@pytest.fixture
def team(scene: Scene) -> Iterator[Team]:
    with new_team(scene) as team:
        yield team


def exported(team: Team) -> tuple[int, list[dict[str, Any]]]:
    """Run `export` for the team's connection, which sends no write request."""
    given = ["export", f"--kubeconfig={team.scene.plane.kubeconfig}", f"--connection={team.namespace}/netbird"]
    out, err = io.StringIO(), io.StringIO()
    since = team.mark()
    arguments = parser(["export"]).parse_args([*given, f"--operator-namespace={NAMESPACE}"])
    code = export.execute(Invocation(arguments, {}, out, err))
    assert {each.method for each in team.requests(since)} == {"GET"}
    audited = {each.verb for each in team.scene.plane.audit(since.audit) if each.user == "admin"}
    assert audited <= {"get", "list", "watch"}
    assert audited
    shown = out.getvalue() + err.getvalue()
    assert [each for each in (*SECRETS, team.token) if each in shown] == []
    return code, list(yaml.safe_load_all(out.getvalue()))


def filled_in(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Fill in the fields that the comments name."""
    for each in documents:
        if each["kind"] == "Secret":
            values = {key: b64encode(VALUES[key].encode()).decode() for key in each.pop("stringData")}
            each["data"] = values
        for header in each.get("spec", {}).get("genericHTTP", {}).get("headers", ()):
            header["name"] = "X-Key"
    return documents


def test_exported_resources_are_adopted_with_one_put_each_and_left_out_afterwards(team: Team) -> None:
    team.scene.netbird.create(team.account, DRAFTS)
    before = {each.id: (each.config, each.enabled) for each in team.held()}
    team.apply(secret("netbird", token=team.token), team.connection())
    code, documents = exported(team)
    assert code == 0
    since = team.mark()
    team.apply(*filled_in(documents))
    names = [each["metadata"]["name"] for each in documents if each["kind"] == "EventStreamingIntegration"]
    assert len(names) == len(DRAFTS)
    team.ready(*names)
    assert sorted(team.changes(since)) == sorted(f"PUT {each}" for each in before)
    assert {team.read(name)["status"]["origin"] for name in names} == {"Adopted"}
    after = {each.id: ({**each.config}, each.enabled) for each in team.held()}
    assert {key: dict(config, headers="") for key, (config, _) in after.items()} == {
        key: dict(config, headers="") for key, (config, _) in before.items()
    }
    assert exported(team) == (0, [])


def test_exported_resources_without_values_cause_no_adoption_and_no_write(team: Team) -> None:
    team.scene.netbird.create(team.account, DRAFTS[:2])
    team.apply(secret("netbird", token=team.token), team.connection())
    _, documents = exported(team)
    since = team.mark()
    team.apply(*documents)
    for each in documents:
        if each["kind"] == "EventStreamingIntegration":
            assert "is empty" in team.because("SecretValueInvalid", each["metadata"]["name"])
    assert team.changes(since) == []
