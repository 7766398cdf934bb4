"""The operator as a process, with the chart's ServiceAccount, a real API server and a NetBird over HTTP."""

import json
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from tests.doubles.netbird.process import RunningNetBird, running_netbird
from tests.doubles.netbird.tenancy import Account, Token
from tests.harness.controlplane import ControlPlane
from tests.harness.manifests import cluster_connection, integration, reference
from tests.harness.operator import LEASE, NAMESPACE, Installation, Operator, apply, install
from tools.chart import Manifest

TOKEN = "nbp_" + "t" * 36
KEY = "k3y-that-must-not-be-logged"
PATIENCE = 30.0
SERVICE_ACCOUNT = "system:serviceaccount:netbird-system:netbird-streaming-operator"
# Short, so that a killed leader is replaced within the test's timeout.
QUICK_LEASE = ("--lease-duration=4", "--lease-renew-deadline=3", "--lease-retry-period=0.5")


@pytest.fixture(scope="module")
def netbird() -> Iterator[RunningNetBird]:
    with running_netbird() as running:
        running.control.add_account(Account("account"))
        running.control.add_token(Token("token", TOKEN, "account"))
        yield running


@pytest.fixture(scope="module")
def installation(control_plane: ControlPlane, netbird: RunningNetBird) -> Installation:
    installed = install(control_plane)
    secret(control_plane, NAMESPACE, "netbird", token=TOKEN)
    access: list[Manifest] = [{"namespaceSelector": {}}]
    apply(control_plane, cluster_connection(url=netbird.url, access=access))
    return installed


@pytest.fixture
def operator(installation: Installation) -> Iterator[Operator]:
    with Operator(installation, *QUICK_LEASE) as running:
        yield running.ready().leading()


def secret(plane: ControlPlane, namespace: str, name: str, **data: str) -> None:
    metadata = {"name": name, "namespace": namespace}
    apply(plane, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})


def webhook(namespace: str, name: str) -> Manifest:
    """Return a resource with a unique URL."""
    spec = {
        "url": f"https://siem.example.com/{namespace}/{name}",
        "auth": {"bearer": {"tokenSecretRef": reference("siem", "token")}},
    }
    made = integration("generic_http", name=name, genericHTTP=spec)
    made["metadata"]["namespace"] = namespace
    return made


def ready(plane: ControlPlane, namespace: str, name: str) -> Manifest:
    plane.kubectl(
        "wait", "--for=condition=Ready", f"--timeout={PATIENCE:.0f}s", f"esi/{name}", f"--namespace={namespace}"
    )
    found: Manifest = json.loads(plane.kubectl("get", "esi", name, f"--namespace={namespace}", "--output=json"))
    return found


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def holder(plane: ControlPlane) -> str:
    return plane.kubectl("get", "lease", LEASE, f"--namespace={NAMESPACE}", "--output=jsonpath={.spec.holderIdentity}")


def urls(netbird: RunningNetBird) -> list[str]:
    return sorted(config["url"] for config in (dict(each.config) for each in netbird.control.integrations()))


def test_operator_creates_declared_integrations_and_stops_gracefully(
    control_plane: ControlPlane, operator: Operator, namespace: str
) -> None:
    secret(control_plane, namespace, "siem", token=KEY)
    apply(control_plane, webhook(namespace, "siem"))
    made = ready(control_plane, namespace, "siem")
    assert made["status"]["id"] > 0
    assert operator.probe("/healthz") == (200, "ok\n")
    assert operator.probe("/readyz") == (200, "ok\n")
    # kopf adds nothing of its own to the objects.
    assert made["metadata"]["finalizers"] == ["integrations.netbird.io/event-streaming"]
    assert not made["metadata"].get("annotations")
    started = time.monotonic()
    assert operator.stop() == 0
    assert time.monotonic() - started < 5
    assert holder(control_plane) == ""
    assert KEY not in operator.text()
    assert TOKEN not in operator.text()


def test_killed_leader_is_replaced_by_one_that_changes_nothing(
    control_plane: ControlPlane, installation: Installation, netbird: RunningNetBird, namespace: str
) -> None:
    secret(control_plane, namespace, "siem", token=KEY)
    with Operator(installation, *QUICK_LEASE) as first:
        first.ready().leading()
        apply(control_plane, webhook(namespace, "siem"))
        made = ready(control_plane, namespace, "siem")
        with Operator(installation, *QUICK_LEASE) as second:
            second.ready()
            assert "leading as" not in second.text()
            since = netbird.control.figures().requests
            first.kill()
            second.leading()
            apply(control_plane, webhook(namespace, "another"))
            ready(control_plane, namespace, "another")
            # A DELETE can be from the namespace of an earlier test, which is still being deleted.
            writes = [each for each in netbird.control.journal(since) if each.method in {"POST", "PUT"}]
            assert [each.method for each in writes] == ["POST"]
            assert (
                ready(control_plane, namespace, "siem")["metadata"]["resourceVersion"]
                == made["metadata"]["resourceVersion"]
            )
            assert second.stop() == 0


def test_operator_survives_an_api_server_outage_of_10_seconds(
    control_plane: ControlPlane, operator: Operator, namespace: str
) -> None:
    secret(control_plane, namespace, "siem", token=KEY)
    pid = operator.pid
    control_plane.stop_apiserver()
    time.sleep(10)
    assert operator.alive
    assert operator.probe("/healthz") == (200, "ok\n")
    control_plane.start_apiserver()
    apply(control_plane, webhook(namespace, "siem"))
    ready(control_plane, namespace, "siem")
    assert operator.pid == pid
    assert operator.alive


def test_operator_requests_nothing_beyond_the_charts_rights(
    control_plane: ControlPlane, installation: Installation, netbird: RunningNetBird, namespace: str
) -> None:
    secret(control_plane, namespace, "siem", token=KEY)
    since = control_plane.audit_position()
    with Operator(installation, *QUICK_LEASE) as running:
        running.ready().leading()
        apply(control_plane, webhook(namespace, "siem"))
        ready(control_plane, namespace, "siem")
        secret(control_plane, namespace, "siem", token=f"{KEY}-2")
        count = len(netbird.control.journal())
        until(lambda: any(each.method == "PUT" for each in netbird.control.journal()[count - 1 :]))
        control_plane.kubectl("delete", "esi", "siem", f"--namespace={namespace}", "--timeout=30s")
        assert running.stop() == 0
    time.sleep(0.5)
    asked = [each for each in control_plane.audit(since) if each.user == SERVICE_ACCOUNT]
    # Objects of other tests may be in deletion, and nothing can be created in a terminating namespace.
    asked = [each for each in asked if each.resource != "events" or each.namespace == namespace]
    assert len(asked) > 10
    assert [each for each in asked if each.status == 403] == []
    missing = [line for line in running.log_lines() if "a right is missing" in line["message"]]
    assert missing == []


def test_namespaced_operator_needs_only_its_roles(
    control_plane: ControlPlane, netbird: RunningNetBird, installation: Installation, namespace: str
) -> None:
    assert installation.namespace == NAMESPACE
    own = f"{namespace}-operator"
    other = f"outside-{uuid4().hex[:8]}"
    control_plane.kubectl("create", "namespace", other)
    narrow = install(control_plane, {"scope": {"namespaces": [namespace]}}, namespace=own)
    secret(control_plane, own, "netbird", token=TOKEN)
    for place in (namespace, other):
        secret(control_plane, place, "siem", token=KEY)
        apply(control_plane, webhook(place, "siem"))
    # The installation of the other tests manages the connection until its Lease is deleted.
    control_plane.kubectl("delete", "lease", LEASE, f"--namespace={NAMESPACE}", "--ignore-not-found")
    since = control_plane.audit_position()
    with Operator(narrow, *QUICK_LEASE) as running:
        running.ready().leading()
        ready(control_plane, namespace, "siem")
        assert f"https://siem.example.com/{other}/siem" not in urls(netbird)
        control_plane.kubectl("delete", "esi", "siem", f"--namespace={namespace}", "--timeout=30s")
        assert running.stop() == 0
    time.sleep(0.5)
    user = f"system:serviceaccount:{own}:netbird-streaming-operator"
    asked = [each for each in control_plane.audit(since) if each.user == user]
    assert asked
    assert [each for each in asked if each.status == 403] == []
    control_plane.kubectl("delete", "namespace", own, other, "--wait=false")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--workers=0",), "--workers: takes a whole number from 1 to 64, not '0'"),
        (("--health-host=203.0.113.1", "--lease=false"), "can't run (OSError)"),
    ],
)
def test_fatal_start_error_is_logged_and_ends_the_process(
    installation: Installation, arguments: tuple[str, ...], sentence: str
) -> None:
    with Operator(installation, *arguments) as running:
        until(lambda: not running.alive)
        assert sentence in running.text()
