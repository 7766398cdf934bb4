"""Two releases of the chart in one cluster, as processes: one manages, the other reports that and writes nothing."""

import json
from collections.abc import Iterator

import pytest

from netbird_streaming.reasons import Reason
from tests.doubles.netbird.process import RunningNetBird, running_netbird
from tests.doubles.netbird.tenancy import Account, Token
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, eventually
from tests.harness.manifests import integration, reference
from tests.harness.operator import Operator, apply, install
from tools.chart import Manifest

TOKEN = "nbp_" + "t" * 36
NAMES = [f"hook-{number}" for number in range(3)]
OTHER = "second-system"


@pytest.fixture(scope="module")
def netbird() -> Iterator[RunningNetBird]:
    with running_netbird() as running:
        running.control.add_account(Account("account"))
        running.control.add_token(Token("token", TOKEN, "account"))
        yield running


def secret(plane: ControlPlane, namespace: str, name: str, key: str, value: str) -> None:
    metadata = {"name": name, "namespace": namespace}
    apply(plane, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {key: value}})


def webhook(namespace: str, name: str) -> Manifest:
    auth = {"bearer": {"tokenSecretRef": reference("siem", "token")}}
    spec = {"url": f"https://siem.example.com/{namespace}/{name}", "auth": auth}
    own = {"kind": "NetBirdConnection", "name": "netbird"}
    made = integration("generic_http", name=name, genericHTTP=spec, connectionRef=own)
    made["metadata"]["namespace"] = namespace
    return made


def declare(plane: ControlPlane, netbird: RunningNetBird, namespace: str) -> None:
    """Apply a connection to the account, and its resources."""
    secret(plane, namespace, "netbird", "token", TOKEN)
    secret(plane, namespace, "siem", "token", "k3y")
    connection: Manifest = {
        "apiVersion": "integrations.netbird.io/v1alpha1",
        "kind": "NetBirdConnection",
        "metadata": {"name": "netbird", "namespace": namespace},
        "spec": {"url": netbird.url, "tokenSecretRef": reference("netbird", "token")},
    }
    apply(plane, connection, *(webhook(namespace, name) for name in NAMES))


def reasons(plane: ControlPlane, namespace: str) -> list[str]:
    """Return the reason of each resource's Ready condition."""
    found = json.loads(plane.kubectl("get", "esi", "-n", namespace, "-o", "json"))
    conditions = (each for item in found["items"] for each in item["status"]["conditions"])
    return [each["reason"] for each in conditions if each["type"] == "Ready"]


def test_second_release_writes_nothing_is_not_ready_and_takes_over(
    control_plane: ControlPlane, netbird: RunningNetBird, namespace: str
) -> None:
    first, second = install(control_plane), install(control_plane, namespace=OTHER)
    declare(control_plane, netbird, namespace)

    def ready() -> bool:
        return reasons(control_plane, namespace) == ["Synced"] * len(NAMES)

    def written() -> int:
        return sum(1 for each in netbird.control.journal() if each.method in {"POST", "PUT", "DELETE"})

    def informed() -> set[str]:
        found = json.loads(control_plane.kubectl("get", "events", "-n", namespace, "-o", "json"))
        return {
            each["involvedObject"]["name"] for each in found["items"] if each["reason"] == Reason.OTHER_INSTALLATION
        }

    with Operator(first, *QUICK_LEASE, "--initial-burst-fraction=1") as one:
        one.leading()
        eventually(ready, "the first manages all")
        before = written()
        with Operator(second, *QUICK_LEASE, "--initial-burst-fraction=1") as two:
            two.leading()
            lease = f"{first.namespace}/netbird-streaming-operator"
            eventually(lambda: two.probe("/readyz")[0] == 503 and lease in two.probe("/readyz")[1], "it is not ready")
            assert one.probe("/readyz")[0] == 200
            eventually(lambda: informed() == {"netbird", *NAMES}, "an Event on each object says why")
            secret(control_plane, namespace, "siem", "token", "n3w-k3y")
            eventually(lambda: written() >= before + len(NAMES), "the first sends the new value")
            assert written() == before + len(NAMES)
            assert one.stop() == 0
            control_plane.kubectl("delete", "lease", "netbird-streaming-operator", "-n", first.namespace)
            eventually(lambda: two.probe("/readyz")[0] == 200, "the second takes over")
            eventually(lambda: written() >= before + 2 * len(NAMES), "it sends each once, with its own key")
            assert ready()
    control_plane.kubectl("delete", "namespace", OTHER, "--wait=false")


def test_second_cluster_with_the_same_account_makes_no_duplicate_and_deletes_nothing(
    control_plane: ControlPlane, netbird: RunningNetBird, namespace: str
) -> None:
    """Marks are not visible across clusters: an integration of another cluster is unowned."""
    with ControlPlane.start() as other:
        apply(other, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        installed = [install(plane) for plane in (control_plane, other)]
        for plane in (control_plane, other):
            declare(plane, netbird, namespace)
        with Operator(installed[0], *QUICK_LEASE, "--initial-burst-fraction=1") as here:
            here.leading()
            eventually(lambda: reasons(control_plane, namespace) == ["Synced"] * len(NAMES), "the first manages all")
            held = netbird.control.integrations("account")
            with Operator(installed[1], *QUICK_LEASE, "--initial-burst-fraction=1") as there:
                there.leading()
                blocked = [Reason.IDENTICAL_EXISTS] * len(NAMES)
                eventually(lambda: reasons(other, namespace) == blocked, "the second names the identical ones")
                other.kubectl("delete", "esi", "--all", "-n", namespace, "--timeout=45s")
            assert {each.id for each in netbird.control.integrations("account")} == {each.id for each in held}
            assert reasons(control_plane, namespace) == ["Synced"] * len(NAMES)
