"""The chart's release on a cluster with a simulated NetBird, and access to both."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest

from tests.doubles.netbird.process import RunningNetBird
from tests.doubles.netbird.wire import Operation
from tests.harness.controlplane import Binaries, KubectlError
from tests.harness.end_to_end import Json
from tests.harness.kubectl_team import INTEGRATIONS
from tests.harness.manifests import to_yaml
from tests.harness.node import Cluster
from tests.harness.operator import LEASE, NAMESPACE
from tools.chart import CHART

RELEASE: Final = "netbird-streaming-operator"
REPOSITORY: Final = f"localhost/{RELEASE}"
FIRST: Final = "e2e-first"
SECOND: Final = "e2e-second"
"""Tags of two images that differ by a label, as two versions do."""
AUTHORITY: Final = "company-ca"
TOKEN_SECRET: Final = "netbird"
TEAM: Final = "team-a"
PATIENCE: Final = 90.0
_SELECTOR: Final = f"--selector=app.kubernetes.io/instance={RELEASE}"
_POLL_SECONDS: Final = 0.1
_LOG_LINES: Final = 12
_PASSING: Final = frozenset({"events", "events.events.k8s.io", "apiservices.apiregistration.k8s.io"})
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Site:
    """The place of the chart's installation, and the objects before it."""

    cluster: Cluster
    netbird: RunningNetBird
    account: str
    before: frozenset[str]
    """The objects of the cluster before the first installation, see objects()."""

    def helm(self, *arguments: str, values: Mapping[str, Any] | None = None) -> str:
        """Run helm in the release's namespace, and return its output. A failure fails the test."""
        command = [str(Binaries().find("helm")), *arguments, f"--namespace={NAMESPACE}"]
        folder = str(self.cluster.folder)
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "KUBECONFIG": str(self.cluster.kubeconfig)}
        done = subprocess.run(
            command, input=json.dumps(values or {}), env=environment, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, f"helm {arguments[0]}: {done.stderr}\n{self.state()}"
        return done.stdout

    def values(self, tag: str = FIRST, **more: Any) -> dict[str, Any]:
        """Return the values of an installation: the image, the connection, and the test's own."""
        return {
            "image": {"repository": REPOSITORY, "tag": tag, "pullPolicy": "Never"},
            "connection": {
                "url": self.netbird.url,
                "tokenSecret": {"name": TOKEN_SECRET},
                "access": {"namespaces": [TEAM]},
            },
            "caBundle": {"configMap": {"name": AUTHORITY}},
            **more,
        }

    def install(self, *flags: str, tag: str = FIRST, **more: Any) -> str:
        """Run `helm upgrade --install --wait`, and return its notes."""
        command = ("upgrade", "--install", RELEASE, str(CHART), "--wait", "--timeout=120s", "--values=-")
        return self.helm(*command, *flags, values=self.values(tag, **more))

    def uninstall(self) -> str:
        """Run `helm uninstall`, wait until the last pod has ended, and return Helm's list of kept objects."""
        said = self.helm("uninstall", RELEASE, "--wait")
        self.until(lambda: not self.read("pods", _SELECTOR).get("items", []), "the pods have ended")
        return said

    # Current objects.

    def kubectl(self, *arguments: str, namespace: str = NAMESPACE, input: str | None = None) -> str:  # noqa: A002 — as subprocess.run calls it
        """Run kubectl in a namespace. Raises KubectlError."""
        return self.cluster.kubectl(f"--namespace={namespace}", *arguments, input=input)

    def read(self, *arguments: str, namespace: str = NAMESPACE) -> Json:
        """Run `kubectl get` and return the JSON; empty if there is no such object."""
        text = self.kubectl("get", *arguments, "--output=json", "--ignore-not-found", namespace=namespace)
        found: Json = json.loads(text or "{}")
        return found

    def pods(self) -> list[Json]:
        """Return the release's pods that are not in deletion."""
        items: list[Json] = self.read("pods", _SELECTOR).get("items", [])
        return [each for each in items if "deletionTimestamp" not in each["metadata"]]

    def holder(self) -> str:
        """Return the holder of the Lease, or an empty string."""
        found: str = self.read("lease", LEASE).get("spec", {}).get("holderIdentity", "")
        return found

    def leader(self) -> str:
        """Return the name of the pod whose process holds the Lease."""

        def look() -> str | None:
            holder = self.holder()
            names = [each["metadata"]["name"] for each in self.pods()]
            return next((name for name in names if holder.startswith(name)), None)

        return self.until(look, "a pod leads")

    def signal(self, pod: str, name: str) -> None:
        """Send the process in a pod's container a signal from the node, as its kernel does."""
        self.cluster.inside("kill", "-s", name, str(self.process(pod)))

    def process(self, pod: str) -> int:
        """Return the process id, on the node, of a pod's container."""
        status = self.read("pod", pod)["status"]["containerStatuses"][0]
        container = status["containerID"].partition("://")[2]
        # The name of the control group ends with the container's id for every driver.
        script = (
            f'for each in /proc/[0-9]*; do grep -qs "{container}" $each/cgroup && echo ${{each#/proc/}}; done; true'
        )
        return min(int(line) for line in self.cluster.inside("sh", "-c", script).split())

    def state(self) -> str:
        """Return everything for debugging: the pods, their events, and the operator's log."""
        looks = (
            ("get", "pods,leases", "--output=wide"),
            ("get", "events", "--sort-by=.lastTimestamp"),
            ("logs", _SELECTOR, "--prefix", f"--tail={_LOG_LINES}"),
            ("logs", _SELECTOR, "--prefix", f"--tail={_LOG_LINES}", "--previous"),
            ("get", "esi", "--output=wide", f"--namespace={TEAM}"),
        )
        said = []
        for look in looks:
            try:
                said.append(f"── kubectl {' '.join(look)}\n{self.kubectl(*look)}")
            except KubectlError as error:
                said.append(f"── kubectl {' '.join(look)}: {error}")
        return "\n".join(said)

    def objects(self) -> frozenset[str]:
        """Return all objects of the cluster, as `Kind/namespace/name`, except transient ones."""
        return objects(self.cluster)

    def posts(self, since: int) -> int:
        """Return how many create requests NetBird has received."""
        return len(self.netbird.control.journal(since, Operation.CREATE))

    # Waits, always with a deadline.

    def until(self, look: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
        """Poll until there is a value, and return it. On timeout the test fails and shows the state."""
        deadline = time.monotonic() + seconds
        while True:
            seen = look()
            if seen:
                return seen
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}\n{self.state()}"
            time.sleep(_POLL_SECONDS)

    def settled(self, replicas: int = 2) -> None:
        """Wait until so many pods are Ready, no other is left, and one leads."""

        def look() -> bool:
            every = self.read("pods", _SELECTOR).get("items", [])
            return len(every) == replicas and all(_ready(each) for each in every)

        self.until(look, f"{replicas} pods are Ready")
        self.leader()

    def apply(self, *documents: Json) -> None:
        """Run `kubectl apply` in the team's namespace."""
        self.kubectl("apply", "--filename=-", namespace=TEAM, input=to_yaml(*documents))

    def ready(self, *names: str, seconds: float = PATIENCE) -> None:
        """Wait until all are Ready."""
        targets = [f"{INTEGRATIONS}/{name}" for name in names]
        wait = ("wait", "--for=condition=Ready", f"--timeout={seconds:.0f}s")
        try:
            self.kubectl(*wait, *targets, namespace=TEAM)
        except KubectlError as error:
            pytest.fail(f"{error}\n{self.state()}")

    def integration(self, name: str) -> Json:
        """Return a resource of the team."""
        return self.read("esi", name, namespace=TEAM)

    @contextmanager
    def cleared(self) -> Iterator[None]:
        """Delete the team's resources after the block, and check that NetBird has none of their integrations."""
        try:
            yield
        finally:
            self.kubectl("delete", "esi", "--all", "--timeout=60s", namespace=TEAM)
        assert self.netbird.control.integrations(self.account) == []


@contextmanager
def installed(site: Site, *flags: str, **values: Any) -> Iterator[Site]:
    """Install the chart, with flags of helm and values, for the duration of a block."""
    site.install(*flags, **values)
    site.settled()
    try:
        yield site
    finally:
        site.uninstall()
        # Its rights were removed before the process could release it, and the next one would wait for its expiry.
        site.kubectl("delete", "lease", LEASE, "--ignore-not-found")


def _ready(pod: Json) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def objects(cluster: Cluster) -> frozenset[str]:
    """Return all objects of a cluster, as `Kind/namespace/name`, except transient ones."""
    kinds = set(cluster.kubectl("api-resources", "--verbs=list", "--output=name").split())
    columns = "custom-columns=:kind,:metadata.namespace,:metadata.name"
    wanted = ",".join(sorted(kinds - _PASSING))
    rows = cluster.kubectl("get", wanted, "--all-namespaces", f"--output={columns}").splitlines()
    found = frozenset("/".join(row.split()) for row in rows if row.strip())
    return frozenset(each for each in found if not each.startswith("Lease/kube-node-lease/"))


def make_certificate(folder: Path, address: str) -> tuple[Path, Path]:
    """Create a self-signed certificate for an address, without key identifiers, and its key."""
    certificate, key = folder / "netbird.crt", folder / "netbird.key"
    names = ("subjectAltName=IP:" + address, "subjectKeyIdentifier=none", "authorityKeyIdentifier=none")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=netbird", "-keyout", str(key), "-out", str(certificate)]
    for each in names:
        command += ["-addext", each]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key
