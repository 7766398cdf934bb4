"""Servers, operator and resources of one benchmark, and their measurement: a clock, and the kernel's figures."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tests.doubles.netbird.control import NetBirdControl
from tests.doubles.netbird.process import RunningNetBird, running_netbird
from tests.doubles.netbird.tenancy import Account, Token
from tests.harness.controlplane import ControlPlane
from tests.harness.kubernetes_client import BASE, Kubernetes, connect
from tests.harness.operator import NAMESPACE, Installation, Operator, install

TEAM: Final = "bench"
TOKEN: Final = "nbp_bench"  # noqa: S105  # the simulated server's
DEFAULT: Final = "default"
OTHER: Final = "other"
"""A connection to its own account."""
CREATORS: Final = 16
NO_LIMIT: Final = 60_000
PATIENCE: Final = 120.0
"""Seconds for each step, in addition to the time for each resource."""
SLOWEST: Final = 10
"""Resources a second below which a run is given up."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of a process: CPU seconds, and memory in MiB, now and at its peak."""

    cpu: float
    rss: float
    peak: float


def usage(pid: int) -> Usage:
    """Read it from the kernel (proc_pid_stat(5), proc_pid_status(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    ticks = os.sysconf("SC_CLK_TCK")
    return Usage(
        cpu=(int(fields[11]) + int(fields[12])) / ticks,
        rss=int(status["VmRSS"].split()[0]) / 1024,
        peak=int(status["VmHWM"].split()[0]) / 1024,
    )


@dataclass(slots=True)
class Rig:
    """Two servers with a team's namespace, a practically unlimited connection, and a client."""

    plane: ControlPlane
    netbird: RunningNetBird
    installation: Installation
    kubernetes: Kubernetes
    python: str
    """The interpreter of the operator. Memory is measured with exactly the shipped dependencies."""

    @property
    def control(self) -> NetBirdControl:
        """The simulated NetBird's control API."""
        return self.netbird.control

    @contextmanager
    def operator(self) -> Iterator[Operator]:
        """The running operator, which leads."""
        with Operator(self.installation, "--initial-burst-fraction=1", python=self.python) as operator:
            operator.ready()
            yield operator
            operator.stop()

    async def create(self, names: Sequence[str], *, created: "Creation | None" = None) -> None:
        """Create resources with unique URLs, sixteen at once."""
        left = iter(names)
        connection = DEFAULT if created is None else created.connection

        async def creator() -> None:
            for name in left:
                if created is not None:
                    created.begun[name] = time.monotonic()
                await self.kubernetes.call("POST", BASE.format(namespace=TEAM), manifest(name, connection))
                if created is not None:
                    created.record(name)

        async with asyncio.TaskGroup() as group:
            for _ in range(CREATORS):
                group.create_task(creator())

    async def ready(self, creation: "Creation", prefix: str) -> None:
        """Create the resources, and wait until all of them are Ready.

        Raises:
            TimeoutError: not all are Ready in the time of the slowest machine.
        """
        names = [f"{prefix}-{number}" for number in range(creation.total)]
        async with asyncio.timeout(PATIENCE + creation.total / SLOWEST):
            watching = asyncio.create_task(creation.watch(self.kubernetes))
            await asyncio.sleep(0.2)
            await self.create(names, created=creation)
            await watching

    async def change(self, names: Sequence[str]) -> None:
        """Change the URL of resources."""
        for name in names:
            spec = {"spec": {"genericHTTP": {"url": f"https://siem.example.com/{name}/changed"}}}
            await self.kubernetes.call("PATCH", f"{BASE.format(namespace=TEAM)}/{name}", spec, patch=True)

    async def delete(self, names: Sequence[str]) -> None:
        """Delete resources without waiting."""
        for name in names:
            await self.kubernetes.call("DELETE", f"{BASE.format(namespace=TEAM)}/{name}")

    async def until(self, look: Callable[[], bool], what: str, *, every: float = 0.05) -> None:
        """Poll until the condition holds.

        Raises:
            TimeoutError: it does not hold in the time of the slowest machine.
        """
        deadline = time.monotonic() + PATIENCE
        while not look():
            if time.monotonic() > deadline:
                message = f"not within {PATIENCE:.0f} s: {what}"
                raise TimeoutError(message)
            await asyncio.sleep(every)

    async def wipe(self) -> None:
        """Remove all resources regardless of their finalizers, and all integrations."""
        path = BASE.format(namespace=TEAM)
        for each in (await self.kubernetes.call("GET", path))["items"]:
            one = f"{path}/{each['metadata']['name']}"
            await self.kubernetes.call("PATCH", one, {"metadata": {"finalizers": None}}, patch=True)
        await self.kubernetes.call("DELETE", path)
        for item in self.control.integrations():
            self.control.delete(item.id)

    def calls(self) -> Counter[str]:
        """Count the requests of each operation of NetBird since the journal was cleared."""
        return Counter(str(entry.operation) for entry in self.control.journal())

    def writes(self, position: int) -> int:
        """Count the operator's writes to a resource since that position of the audit log."""
        return sum(
            event.verb == "patch" and event.resource == "eventstreamingintegrations" and "serviceaccount" in event.user
            for event in self.plane.audit(position)
        )


@dataclass(slots=True)
class Creation:
    """The times of each resource's creation and readiness, by the clock of the watching process."""

    total: int
    connection: str = DEFAULT
    begun: dict[str, float] = field(default_factory=dict)
    ready: dict[str, float] = field(default_factory=dict)
    versions: list[Any] = field(default_factory=list)
    """The versions of a single resource until it was Ready."""
    feed: asyncio.StreamWriter | None = None

    def record(self, name: str) -> None:
        """Pass the name on to a bare client."""
        if self.feed is not None:
            self.feed.write(f"{name}\n".encode())

    async def watch(self, kubernetes: Kubernetes) -> None:
        """Follow the resources and return once all of them are Ready."""
        path = BASE.format(namespace=TEAM)
        # One is enough before anything was created, because a long list would delay the measurement.
        listed = await kubernetes.call("GET", f"{path}?limit=1")
        while True:
            async for event in kubernetes.watch(path, listed["metadata"]["resourceVersion"]):
                self._see(event["object"])
                if len(self.ready) == self.total:
                    return
            # The API server ends a watch that can't keep up.
            listed = await kubernetes.call("GET", path)
            for item in listed["items"]:
                self._see(item)
            if len(self.ready) == self.total:
                return

    def _see(self, resource: Any) -> None:
        name, conditions = resource["metadata"].get("name", ""), resource.get("status", {}).get("conditions", ())
        if self.total == 1 and name in self.begun:
            self.versions.append(resource)
        if name in self.begun and name not in self.ready and any(_is_ready(each) for each in conditions):
            self.ready[name] = time.monotonic()

    @property
    def seconds(self) -> float:
        """Return the seconds from the first creation to the last Ready."""
        return max(self.ready.values()) - min(self.begun.values())

    def quantile(self, share: float) -> float:
        """Return the seconds within which that share of the resources was Ready."""
        waits = sorted(self.ready[name] - begun for name, begun in self.begun.items())
        return waits[min(len(waits) - 1, int(share * len(waits)))]


def _is_ready(condition: dict[str, Any]) -> bool:
    return bool(condition["type"] == "Ready" and condition["status"] == "True")


def manifest(name: str, connection: str) -> dict[str, Any]:
    """Return a generic HTTP resource with a unique URL."""
    reference = {"kind": "ClusterNetBirdConnection", "name": connection}
    return {
        "apiVersion": "integrations.netbird.io/v1alpha1",
        "kind": "EventStreamingIntegration",
        "metadata": {"name": name},
        "spec": {
            "connectionRef": reference,
            "platform": "generic_http",
            "genericHTTP": {"url": f"https://siem.example.com/{name}"},
        },
    }


@asynccontextmanager
async def rig(python: str) -> AsyncIterator[Rig]:
    """Start everything but the operator."""
    with ControlPlane.start() as plane, running_netbird() as netbird:
        netbird.control.change_behaviour(
            requests_per_minute=float(NO_LIMIT), burst=NO_LIMIT, post_ignores_enabled=False, put_answers_before=False
        )
        installation = install(plane)
        plane.kubectl("create", "namespace", TEAM)
        for name in (DEFAULT, OTHER):
            token = f"{TOKEN}_{name}"
            netbird.control.add_account(Account(name))
            netbird.control.add_token(Token(name, token, name))
            secret = ("secret", "generic", name, f"--namespace={NAMESPACE}", f"--from-literal=token={token}")
            plane.kubectl("create", *secret)
            plane.kubectl("apply", "-f", "-", input=yaml.safe_dump(_connection(name, netbird.url)))
        async with connect(plane.kubeconfig) as kubernetes:
            yield Rig(plane, netbird, installation, kubernetes, python)


def _connection(name: str, url: str) -> dict[str, Any]:
    return {
        "apiVersion": "integrations.netbird.io/v1alpha1",
        "kind": "ClusterNetBirdConnection",
        "metadata": {"name": name},
        "spec": {
            "url": url,
            "tokenSecretRef": {"name": name, "key": "token"},
            "rateLimit": {"requestsPerMinute": NO_LIMIT, "burst": NO_LIMIT},
            "resyncInterval": "1m",
            "access": [{"namespaces": [TEAM]}],
        },
    }
