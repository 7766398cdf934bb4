"""The three kinds through kubectl, and the API server's handling of users' manifests."""

import json
import re
import time
from collections.abc import Callable
from typing import Any, Final

import pytest
import yaml

from netbird_streaming.api.types import EventStreamingIntegration
from tests.harness import manifests
from tests.harness.controlplane import ControlPlane
from tests.harness.manifests import Manifest, changed, to_yaml
from tests.harness.schema_errors import apply, install_crds, said_by
from tools.crds.definitions import DEFINITIONS

METADATA: Final = {"name": "a", "uid": "u", "resourceVersion": "1", "creationTimestamp": "2026-05-01T12:00:00Z"}
KINDS: Final = tuple(each.model.__name__ for each in DEFINITIONS)
STATUS: Final = {
    "id": 2**63 - 1,
    "accountID": "cnxyz",
    "platform": "datadog",
    "enabled": True,
    "config": {"api_url": "https://http-intake.logs.datadoghq.eu/api/v2/logs"},
    "observedGeneration": 1,
    "internal": {
        "creation": {
            "attempt": 1,
            "endpoint": "e" * 32,
            "platform": "datadog",
            "signature": {"api_url": "s" * 32},
            "keyID": "k" * 8,
            "since": "2026-05-01T12:00:00Z",
        },
    },
    "lastHandledReconcileAt": "n" * 256,
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Synced",
            "message": "",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-05-01T12:00:00Z",
        }
    ],
}


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> ControlPlane:
    install_crds(control_plane)
    return control_plane


def create(plane: ControlPlane, namespace: str, manifest: Manifest) -> None:
    plane.kubectl("apply", f"--namespace={namespace}", "--filename=-", input=to_yaml(manifest))


def write_status(plane: ControlPlane, namespace: str, name: str, status: Manifest) -> None:
    patch = json.dumps({"status": status})
    options = ("--subresource=status", "--type=merge", f"--patch={patch}")
    plane.kubectl("patch", "esi", name, f"--namespace={namespace}", *options)


@pytest.mark.parametrize("platform", manifests.BLOCKS)
def test_example_of_each_platform_is_accepted_and_readable(plane: ControlPlane, platform: str) -> None:
    stored = yaml.safe_load(apply(plane, "default", manifests.integration(platform)))
    resource = EventStreamingIntegration.model_validate(stored | {"metadata": METADATA})
    written = EventStreamingIntegration.model_validate(manifests.integration(platform) | {"metadata": METADATA})
    assert resource.spec == written.spec


def test_defaults_are_filled_in_and_kept(plane: ControlPlane) -> None:
    spec = yaml.safe_load(apply(plane, "default", manifests.integration()))["spec"]
    assert spec["connectionRef"] == {"kind": "ClusterNetBirdConnection", "name": "default"}
    assert spec["adoption"] == {"policy": "Never"}
    policies = {name: spec[name] for name in ("enabled", "suspend", "deletionPolicy", "driftPolicy")}
    assert policies == {"enabled": True, "suspend": False, "deletionPolicy": "Delete", "driftPolicy": "Correct"}

    connection = yaml.safe_load(apply(plane, "default", manifests.connection(rateLimit={"burst": 500})))["spec"]
    assert connection["url"] == "https://api.netbird.io"
    assert connection["rateLimit"] == {"requestsPerMinute": 120, "burst": 500}
    assert (connection["tokenType"], connection["resyncInterval"]) == ("PersonalAccessToken", "5m")


@pytest.mark.parametrize("side", ["--server-side=false", "--server-side"])
def test_applying_again_changes_nothing(plane: ControlPlane, namespace: str, side: str) -> None:
    every = [manifests.integration(platform, platform.replace("_", "-")) for platform in manifests.BLOCKS]
    text = to_yaml(*every, manifests.connection())
    options = ("apply", f"--namespace={namespace}", side, "--filename=-", "--output=yaml")
    # A creation stores no status. The first write of any client stores the default.
    created, first, again = (yaml.safe_load(plane.kubectl(*options, input=text))["items"] for _ in range(3))
    assert [each["metadata"]["resourceVersion"] for each in again] == [
        each["metadata"]["resourceVersion"] for each in first
    ]
    for before, after in zip(created, again, strict=True):
        assert (before["spec"], before["status"]) == (after["spec"], after["status"])
        assert after["metadata"]["generation"] == 1
    assert plane.kubectl("diff", f"--namespace={namespace}", side, "--filename=-", input=text) == ""


def test_platform_never_changes(plane: ControlPlane, namespace: str) -> None:
    create(plane, namespace, manifests.integration())
    answer = said_by(lambda: create(plane, namespace, manifests.integration("s3")))
    assert (
        "spec.platform: Forbidden: can't be changed, since NetBird can't: create another resource, then delete this one"
    ) in answer
    removed = said_by(
        lambda: plane.kubectl(
            "patch",
            "esi",
            "events",
            f"-n{namespace}",
            "--type=json",
            '--patch=[{"op":"remove","path":"/spec/platform"}]',
        )
    )
    assert "spec.platform: Required value" in removed


def test_everything_but_the_platform_may_change(plane: ControlPlane, namespace: str) -> None:
    create(plane, namespace, manifests.integration())
    changes: Manifest = {
        "datadog": {"apiURL": "https://intake.example/api/v2/logs", "apiKeySecretRef": {"name": "b", "key": "c"}},
        "connectionRef": {"kind": "NetBirdConnection", "name": "netbird"},
        "enabled": False,
        "suspend": True,
        "deletionPolicy": "Orphan",
        "adoption": {"policy": "Override", "id": 7},
    }
    create(plane, namespace, changed(manifests.integration(), changes))


def test_get_shows_the_columns_by_the_short_name(plane: ControlPlane, namespace: str) -> None:
    create(plane, namespace, manifests.integration())
    write_status(plane, namespace, "events", STATUS)
    header, row = (line.split() for line in plane.kubectl("get", "esi", f"-n{namespace}").splitlines())
    assert header == ["NAME", "PLATFORM", "ENABLED", "ID", "READY", "REASON", "AGE"]
    assert row[:-1] == ["events", "datadog", "true", str(2**63 - 1), "True", "Synced"]


@pytest.mark.parametrize(
    ("manifest", "columns"),
    [
        (manifests.connection(), ["NAME", "URL", "ACCOUNT", "READY", "REASON", "AGE"]),
        (manifests.cluster_connection("columns"), ["NAME", "URL", "READY", "REASON", "AGE"]),
    ],
    ids=["nbc", "cnbc"],
)
def test_connections_have_their_columns(
    plane: ControlPlane, namespace: str, manifest: Manifest, columns: list[str]
) -> None:
    create(plane, namespace, manifest)
    short = next(each.short_name for each in DEFINITIONS if each.model.__name__ == manifest["kind"])
    name = manifest["metadata"]["name"]
    try:
        assert plane.kubectl("get", short, name, f"-n{namespace}").splitlines()[0].split() == columns
    finally:
        plane.kubectl("delete", short, name, f"-n{namespace}")


def test_resource_reports_that_it_waits_until_an_operator_runs(plane: ControlPlane, namespace: str) -> None:
    create(plane, namespace, manifests.integration())
    create(plane, namespace, manifests.connection())
    for line in plane.kubectl("get", "esi,nbc", f"-n{namespace}", "--no-headers").splitlines():
        assert line.split()[-3:-1] == ["Unknown", "Pending"]
    assert "check that it runs" in plane.kubectl("describe", "esi", "events", f"-n{namespace}")
    write_status(plane, namespace, "events", STATUS)
    assert "Pending" not in plane.kubectl("get", "esi", f"-n{namespace}")


def test_all_kinds_of_a_namespace_are_a_category(plane: ControlPlane, namespace: str) -> None:
    create(plane, namespace, manifests.integration())
    create(plane, namespace, manifests.connection())
    listed = plane.kubectl("get", "netbird", f"-n{namespace}", "--output=name").split()
    assert {each.partition(".")[0] for each in listed} >= {"eventstreamingintegration", "netbirdconnection"}


def test_wait_for_ready_works(plane: ControlPlane, namespace: str) -> None:
    create(plane, namespace, manifests.integration())
    wait = ("wait", "esi/events", f"-n{namespace}", "--for=condition=Ready")
    assert "timed out" in said_by(lambda: plane.kubectl(*wait, "--timeout=1s"))
    write_status(plane, namespace, "events", STATUS)
    plane.kubectl(*wait, "--timeout=10s")


def test_status_keeps_every_digit_and_every_field(plane: ControlPlane, namespace: str) -> None:
    create(plane, namespace, manifests.integration())
    write_status(plane, namespace, "events", STATUS)
    stored: Any = json.loads(plane.kubectl("get", "esi", "events", f"-n{namespace}", "--output=json"))
    assert stored["status"] == STATUS


@pytest.mark.parametrize(
    ("selector", "found"),
    [("status.id=9223372036854775807", True), ("status.id=7", False), ("spec.connectionRef.name=default", True)],
)
def test_resource_is_selected_by_its_fields(
    plane: ControlPlane,
    namespace: str,
    selector: str,
    found: bool,  # noqa: FBT001  # a table's expectation
) -> None:
    create(plane, namespace, manifests.integration())
    write_status(plane, namespace, "events", STATUS)
    names = plane.kubectl("get", "esi", f"-n{namespace}", f"--field-selector={selector}", "--output=name")
    assert bool(names) is found


def test_object_older_than_a_rule_still_accepts_a_status(plane: ControlPlane, namespace: str) -> None:
    """An id that the API server refused to store would be lost. Here the site was not checked when it was written."""
    old = changed(manifests.integration(), {"datadog.site": "old.example"})
    lenient = DEFINITIONS[0].to_object()
    schema = lenient["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["datadog"]
    schema["x-kubernetes-validations"] = []
    options = ("--server-side", "--force-conflicts", "--filename=-")
    try:
        plane.kubectl("apply", *options, input=yaml.safe_dump(lenient))
        eventually(lambda: not said_by(lambda: create(plane, namespace, old)))
    finally:
        install_crds(plane)
    eventually(lambda: "must be a site of Datadog" in said_by(lambda: apply(plane, "default", old)))
    write_status(plane, namespace, "events", STATUS)


def eventually(condition: Callable[[], bool]) -> None:
    """The API server uses a changed schema a moment after it accepted it."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.parametrize("kind", KINDS)
def test_explain_reads_like_documentation(plane: ControlPlane, kind: str) -> None:
    for path in (kind, f"{kind}.spec", f"{kind}.status"):
        shown = plane.kubectl("explain", path)
        assert "<no description>" not in shown, path
        fields = shown.partition("FIELDS:")[2]
        described = re.findall(r"^  (\w+)\t.*\n(?:  enum: .*\n)?    (\S.*)$", fields, re.MULTILINE)
        assert len(described) == len(re.findall(r"^  \w+\t", fields, re.MULTILINE)) > 0, path


def test_explain_gives_an_example_a_default_and_the_choices(plane: ControlPlane) -> None:
    shown = " ".join(plane.kubectl("explain", "esi.spec", "--recursive=false").split())
    assert "enum: datadog, s3, firehose, generic_http" in shown
    assert "Immutable: create another resource instead." in shown
    key = " ".join(plane.kubectl("explain", "esi.spec.datadog.apiKeySecretRef").split())
    assert "-required-" in key
    assert "Example: api-key." in key
