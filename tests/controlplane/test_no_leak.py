"""The leak search: secrets are searched wherever users and pipelines read, after a scenario with faults."""

import tarfile
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from netbird_streaming.cli.output import Format
from netbird_streaming.core.netbird.fingerprint import KEY_BYTES
from tests.doubles.netbird.faults import Moment, Reply, Reset, error_reply
from tests.doubles.netbird.wire import HTML_TYPE, Operation
from tests.harness import manifests
from tests.harness.command_line import called
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, USER, Scene, raised
from tests.harness.kubectl_team import Team, cluster_connection, new_team, secret
from tests.harness.kubernetes_client import credentials
from tests.harness.leaks import END, Canaries, canary
from tests.harness.manifests import Manifest, reference
from tests.harness.operator import NAMESPACE, apply
from tests.harness.secret_sinks import all_objects, audit_sink, objects_sink, process_sinks

Places = Mapping[str, str | bytes]
SECRETS: Final[Mapping[str, Mapping[str, str]]] = {
    "netbird": {"token": canary("netbird-token", "-")},
    "datadog": {"api_key": canary("datadog-key")},
    "aws": {"access_key": canary("aws-access"), "secret_key": canary("aws-secret")},
    "siem": {
        "token": canary("siem-token", "+/~"),
        "extra": canary("siem-extra"),
        "user": canary("siem-user", "+%&"),
        "password": canary("siem-password"),
        "url": f"https://siem.example.com/{canary('path', '-')}?token={canary('query', '-')}",
    },
}
CLUSTER_TOKEN: Final = canary("cluster-token", "-")
KEY: Final = canary("key", "").ljust(KEY_BYTES, "=")[:-8] + END
ROTATED: Final = canary("rotated")
REFUSED: Final = canary("refused")
BROKEN: Final = canary("broken") + "\x01\n"
ANSWERED: Final = canary("answered", "-")
"""The response of a careless server, which may be part of what it received."""
OWN_URL: Final = f"https://siem.example.com/own?source={canary('written-query', '-')}"
OWN_HEADER: Final = canary("written-header", "-")
"""Text that the schema lets users write into a resource. It stays there and is repeated nowhere."""
PROXY: Final = f"http://{canary('proxy-user', '')}:{canary('proxy-password', '-')}@127.0.0.1:1"
ENVIRONMENT: Final = {"HTTPS_PROXY": PROXY, "NO_PROXY": "127.0.0.1", "PYTHONASYNCIODEBUG": "1"}


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane) -> Iterator[Scene]:
    key = {"key": b64encode(KEY.encode()).decode()}
    metadata = {"name": "netbird-streaming-operator-fingerprint-key", "namespace": NAMESPACE}
    apply(control_plane, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    control_plane.kubectl("delete", "secret", metadata["name"], f"--namespace={NAMESPACE}", "--ignore-not-found")
    apply(control_plane, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": key})
    flags = (
        "--log-level=debug",
        "--late-commit-window=1s",
        "--absence-window=1s",
        "--request-timeout=3s",
        "--metrics-per-connection",
    )
    with raised(
        control_plane, *QUICK_LEASE, *flags, module="tests.harness.verbose_operator", environment=ENVIRONMENT
    ) as scene:
        yield scene


@pytest.fixture(scope="module")
def places(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """Everything readable after creation, rotation, refusals that quote secrets, lost responses and a crash."""
    with new_team(scene) as team:
        scene.netbird.add_token(team.netbird_token(value=SECRETS["netbird"]["token"]))
        scene.netbird.add_token(team.netbird_token(id=f"{team.namespace}-cluster", value=CLUSTER_TOKEN))
        access = [{"namespaces": [team.namespace]}]
        cluster_connection(scene, f"cluster-{team.namespace}", CLUSTER_TOKEN, access=access)
        documents = _integrations(team)
        names = [each["metadata"]["name"] for each in documents]
        audit = team.mark().audit
        team.apply(*(secret(name, **values) for name, values in SECRETS.items()), team.connection(), *documents)
        team.ready(*names)
        _rotate_and_fail(team)
        _lose_answers(team)
        pages = _pages(scene)
        scene.operator.kill()
        scene.start()
        _get_bad_answers(team)
        _ask_a_proxy(team)
        scene.netbird.edit(team.held()[0].id, enabled=False)
        team.ask("netbird", "look", kind="netbirdconnection")
        team.kubectl("delete", "esi", names[-1], "--timeout=30s")
        objects = list(all_objects(scene.objects))
        yield {
            "log": scene.log(),
            "objects": objects_sink(objects),
            "objects without what users wrote": objects_sink(objects, own_words=False),
            "requests": audit_sink(scene.plane.audit_log, USER, audit),
            "pages": pages + _pages(scene),
            **_commands(scene, team, tmp_path_factory.mktemp("commands")),
            **process_sinks(scene.operator.pid, scene.operator.temporary),
        }


def _commands(scene: Scene, team: Team, folder: Path) -> Places:
    """Return everything that the commands print or write, in each format, with the rights of an administrator."""
    where = (f"--kubeconfig={scene.plane.kubeconfig}", f"--operator-namespace={NAMESPACE}")
    bundle, token = folder / "bundle.tar.gz", folder / "token"
    calls = [[command, f"--output={form}", *where] for command in ("check", "plan") for form in Format]
    calls.append(["export", f"--connection={team.namespace}/netbird", *where])
    calls.append(["bundle", f"--file={bundle}", *where])
    token.write_text(SECRETS["netbird"]["token"])
    api = (f"--url={scene.netbird_url}", f"--token-file={token}", "--yes", "--list-seconds=2")
    calls.extend(["verify", f"--output={form}", *api] for form in Format)
    printed = "".join("".join(called(*each)[1:]) for each in calls)
    return {"commands": printed, **_bundle_sinks(bundle)}


def _bundle_sinks(file: Path) -> dict[str, bytes]:
    """Return each file of a bundle."""
    with tarfile.open(file) as archive:
        members = {each.name.partition("/")[2]: archive.extractfile(each) for each in archive.getmembers()}
        return {f"bundle {name}": member.read() for name, member in members.items() if member is not None}


def test_no_secret_is_found_anywhere(places: Places, scene: Scene) -> None:
    _, _, token = credentials(scene.installation.kubeconfig)
    values = {name: value for each in SECRETS.values() for name, value in each.items()}
    held = {"cluster": CLUSTER_TOKEN, "key": KEY, "rotated": ROTATED, "refused": REFUSED, "broken": BROKEN}
    secrets = Canaries({**values, **held, "answered": ANSWERED, "ServiceAccount": token})
    assert [str(leak) for leak in secrets.search(_without_what_was_written(places))] == []


def test_searched_places_have_the_expected_content(places: Places) -> None:
    log, objects, pages = str(places["log"]), str(places["objects"]), str(places["pages"])
    assert '"level": "debug"' in log
    assert '"logger": "httpcore' in log
    for kind in ("EventStreamingIntegration", "NetBirdConnection", "ClusterNetBirdConnection", "Lease", "Secret"):
        assert f'"kind": "{kind}"' in objects
    assert "managedFields" in objects
    assert "✔ Secrets: " in str(places["commands"])
    assert '"action": "Nothing"' in str(places["commands"])
    assert '"assumption": "POST ignores enabled"' in str(places["commands"])
    assert b"DestinationRejected" in places["bundle events/EventStreamingIntegration.json"]
    assert b"SecretValueInvalid" in places["bundle events/NetBirdConnection.json"]
    assert "was identified as the outcome of a create" in objects
    assert b'"requestObject"' in places["requests"]
    assert b"events.k8s.io" in places["requests"]
    assert pages.count("\nnetbird_streaming_leader 1.0\n") == 2
    assert 'reason="DestinationRejected"' in pages
    assert any("cmdline" in name for name in places)


def _without_what_was_written(places: Places) -> Places:
    """Text of a user in a resource, or of an administrator in the environment, stays there, and only there."""
    cleaned = dict(places)
    for name, text in places.items():
        if name == "objects":
            cleaned[name] = str(text).replace(OWN_URL, "").replace(OWN_HEADER, "")
        elif isinstance(text, bytes) and name.startswith("environ "):
            cleaned[name] = text.replace(PROXY.encode(), b"")
    return cleaned


def _pages(scene: Scene) -> str:
    return scene.operator.metrics() + "".join(scene.operator.probe(path)[1] for path in ("/healthz", "/readyz", "/x"))


def _integrations(team: Team) -> list[Manifest]:
    user, password = reference("siem", "user"), reference("siem", "password")
    basic = {
        "urlSecretRef": reference("siem", "url"),
        "auth": {"basic": {"usernameSecretRef": user, "passwordSecretRef": password}},
    }
    own = {
        "url": OWN_URL,
        "headers": [{"name": "X-Own", "value": OWN_HEADER}],
        "auth": {"header": {"name": "X-Key", "valueSecretRef": reference("siem", "token")}},
    }
    shared = {"kind": "ClusterNetBirdConnection", "name": f"cluster-{team.namespace}"}
    return [
        team.integration("datadog", "datadog"),
        team.integration("s3", "s3"),
        team.integration("firehose", "firehose"),
        team.integration("generic_http", "bearer"),
        team.integration("generic_http", "basic", genericHTTP=basic),
        team.integration("generic_http", "own", genericHTTP=own, connectionRef=shared),
    ]


def _rotate_and_fail(team: Team) -> None:
    """Let the destination refuse a new key, which the server quotes, and set a next one that can't even be sent."""
    team.scene.netbird.change_behaviour(rejected_secrets={REFUSED}, echo_rejected=True)
    team.apply(secret("datadog", api_key=REFUSED))
    team.because("DestinationRejected", "datadog")
    team.apply(secret("datadog", api_key=BROKEN))
    team.because("SecretValueInvalid", "datadog")
    team.apply(secret("netbird", token=BROKEN))
    team.because("SecretValueInvalid", "netbird", "netbirdconnections")
    team.apply(secret("netbird", token=SECRETS["netbird"]["token"]), secret("datadog", api_key=ROTATED))
    team.ready("datadog")


def _lose_answers(team: Team) -> None:
    """Leave an intent in the status, then let an integration be found by its known values."""
    team.fault(Reset(), Operation.CREATE, moment=Moment.AFTER)
    url = {"urlSecretRef": reference("siem", "url"), "headers": [{"name": "X-Lost", "value": "yes"}]}
    team.apply(secret("lost", url=SECRETS["siem"]["url"].replace("siem.", "lost.")))
    url["urlSecretRef"] = reference("lost", "url")
    team.apply(team.integration("generic_http", "lost", genericHTTP=url))
    team.because("CreateOutcomeUnknown", "lost")


def _get_bad_answers(team: Team) -> None:
    """Cause errors and HTTP pages with text that must not be repeated."""
    team.ready("lost")
    for number, (failure, reason) in enumerate(
        (
            (error_reply(422, ANSWERED), "ConfigurationRejected"),
            (error_reply(500, ANSWERED), "Unavailable"),
            (Reply(418, ANSWERED, HTML_TYPE), "UnexpectedAnswer"),
        )
    ):
        fault = team.fault(failure, Operation.UPDATE, times=None)
        team.apply(secret("datadog", api_key=f"{ROTATED}-{number}"))
        team.because(reason, "datadog")
        team.scene.netbird.remove_fault(fault)
    team.apply(secret("datadog", api_key=ROTATED))
    team.ready("datadog")


def _ask_a_proxy(team: Team) -> None:
    """Configure a NetBird behind a missing proxy with a password."""
    team.apply(manifests.connection("proxied", url="https://netbird.example.com"))
    team.because("Unavailable", "proxied", "netbirdconnections")
