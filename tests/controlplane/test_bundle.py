"""`bundle` on a real API server: it has everything, no secret, and writes nothing."""

import io
import json
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from netbird_streaming.api.types import GROUP
from netbird_streaming.cli import bundle
from netbird_streaming.cli.commands import Invocation, parser
from netbird_streaming.config.options import SettingsError
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, Scene, raised
from tests.harness.kubectl_team import SECRETS, Team, new_team
from tests.harness.operator import NAMESPACE

VALUES = [value for keys in SECRETS.values() for value in keys.values()]


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane) -> Iterator[Scene]:
    with raised(control_plane, *QUICK_LEASE) as scene:
        yield scene


@pytest.fixture
def team(scene: Scene) -> Iterator[Team]:
    with new_team(scene) as team:
        yield team


def bundled(team: Team, file: Path, *flags: str) -> dict[str, str]:
    """Run the command; it sends no request that writes."""
    requests, position = team.mark(), team.scene.plane.audit_position()
    given = ["bundle", f"--kubeconfig={team.scene.plane.kubeconfig}", f"--operator-namespace={NAMESPACE}"]
    out, err = io.StringIO(), io.StringIO()
    arguments = parser(["bundle"]).parse_args([*given, f"--file={file}", *flags])
    assert bundle.execute(Invocation(arguments, {}, out, err)) == 0
    assert {each.method for each in team.requests(requests)} <= {"GET"}
    audited = [each for each in team.scene.plane.audit(position) if each.user == "admin"]
    assert "list" in {each.verb for each in audited if each.group == GROUP}
    # A watch is of the `kubectl wait` before.
    writes = {each.resource for each in audited if each.verb not in {"get", "list", "watch"}}
    assert writes <= {"selfsubjectaccessreviews", "subjectaccessreviews"}, "these store nothing"
    with tarfile.open(file) as archive:
        members = {each.name.partition("/")[2]: archive.extractfile(each) for each in archive.getmembers()}
        files = {name: member.read().decode() for name, member in members.items() if member is not None}
    text = "".join((*files, *files.values(), out.getvalue(), err.getvalue()))
    assert [each for each in (*VALUES, team.token) if each in text] == []
    return files


def test_bundle_has_statuses_events_and_settings_but_no_secret(team: Team, tmp_path: Path) -> None:
    team.connect(team.integration(), team.webhook("hook"))
    team.ready("events", "hook")
    files = bundled(team, tmp_path / "a.tar.gz")
    statuses = json.loads(files["resources/EventStreamingIntegration.json"])
    mine = [each for each in statuses if each["metadata"]["namespace"] == team.namespace]
    assert {each["metadata"]["name"] for each in mine} == {"events", "hook"}
    assert all(each["status"]["conditions"] for each in mine)
    assert not any({"datadog", "genericHTTP"} & set(each["spec"]) for each in mine)
    events = json.loads(files["events/EventStreamingIntegration.json"])
    assert {"Created"} <= {each["reason"] for each in events if each["object"]["namespace"] == team.namespace}
    assert json.loads(files["versions.json"])["kubernetes"].startswith("v1.")
    assert json.loads(files["settings.json"])["lease_name"]
    assert json.loads(files["lease.json"])["spec"]["holderIdentity"]
    assert files["check.txt"]
    assert "has no pod of the operator" in files["missing.txt"]
    assert (tmp_path / "a.tar.gz").stat().st_mode & 0o077 == 0
    with pytest.raises(SettingsError, match="exists"):
        bundled(team, tmp_path / "a.tar.gz")


def test_names_are_hashed_on_request(team: Team, tmp_path: Path) -> None:
    team.connect(team.webhook("hook-of-a-customer"))
    team.ready("hook-of-a-customer")
    files = bundled(team, tmp_path / "b.tar.gz", "--redact-names")
    text = "".join((*files, *files.values()))
    assert [name for name in ("hook-of-a-customer", team.namespace, team.account, NAMESPACE) if name in text] == []
    assert socket.gethostname() not in files["lease.json"] + files["check.txt"]
    assert '"name-' in files["resources/EventStreamingIntegration.json"]
