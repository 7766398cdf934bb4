"""The run of a flow: a namespace, a NetBird and operators, with proxies between them that can apply a fault."""

import asyncio
import json
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from tests.harness.controlplane import ControlPlane
from tests.harness.kubernetes_client import Kubernetes
from tests.harness.operator import Installation, peak_memory, ports_of
from tests.harness.secret_sinks import process_sinks
from tests.proof.api_user import ApiUser
from tests.proof.crashes import fork_server
from tests.proof.crashes.points import Gate, Plan

_FLAGS: Final = (
    "--cluster-connections=false",
    "--late-commit-window=500ms",
    "--absence-window=500ms",
    "--request-timeout=5s",
    "--log-level=debug",
    "--health-host=127.0.0.1",
    "--health-port=0",
    "--metrics-host=127.0.0.1",
    "--metrics-port=0",
)
PAGES: Final = (("health", "/healthz"), ("health", "/readyz"), ("metrics", "/metrics"))
_NO_LEASE: Final = ("--lease=false",)
_QUICK_LEASE: Final = ("--lease=true", "--lease-duration=6", "--lease-renew-deadline=4", "--lease-retry-period=0.5")


@dataclass(frozen=True, slots=True)
class Stage:
    """The shared parts of all runs."""

    plane: ControlPlane
    kubernetes: Kubernetes
    operators: fork_server.ForkServer


@dataclass(slots=True, kw_only=True)
class Run(ApiUser):
    """The user of one run, with its own operators."""

    stage: Stage
    installation: Installation
    plan: Plan | None
    leased: bool = False
    gate: Gate = field(init=False)
    log: Path = field(init=False)
    temporary: Path = field(init=False)
    processes: list[int] = field(default_factory=list)
    """The operators that have to run, the active one first."""
    deaths: int = 0
    _kubeconfig: Path = field(init=False)
    _generation: int = 0

    def __post_init__(self) -> None:
        """Prepare everything that needs no server."""
        ApiUser.__post_init__(self)
        self.gate = Gate(self._die, self.plan)
        self.log = self.stage.plane.folder / f"{self.namespace}.log"
        self.temporary = self.log.with_suffix(".temporary")
        self.temporary.mkdir()

    def prepare(self, netbird: str, cluster: str, token: str) -> None:
        """Store the addresses of the two proxies, and the operator's token."""
        self.netbird_url = netbird
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tap", "cluster": {"server": cluster}}],
            "users": [{"name": "operator", "user": {"token": token}}],
            "contexts": [{"name": "tap", "context": {"cluster": "tap", "user": "operator"}}],
            "current-context": "tap",
        }
        self._kubeconfig = self.log.with_suffix(".kubeconfig")
        self._kubeconfig.touch(mode=0o600)
        self._kubeconfig.write_text(json.dumps(kubeconfig))

    async def start(self, *flags: str) -> None:
        """Start another operator."""
        environment = {
            "KUBECONFIG": str(self._kubeconfig),
            "HOME": "/nonexistent",
            "PATH": "/usr/bin:/bin",
            "TMPDIR": str(self.temporary),
        }
        lease = _QUICK_LEASE if self.leased else _NO_LEASE
        arguments = (*self.installation.arguments, *_FLAGS, f"--namespace={self.namespace}", *lease, *flags)
        self.processes.append(await self.stage.operators.start(arguments, environment, self.log))

    async def stop(self, pid: int | None = None) -> None:
        """Stop one operator or all gracefully, unless the fault has ended it."""
        await self.until(lambda: bool(self.processes), "an operator runs")
        for each in [each for each in self.processes if pid in {None, each}]:
            self.processes.remove(each)
            await self._end(each)

    async def _end(self, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        await self.until(lambda: not fork_server.is_alive(pid), "the operator ends")

    def crash(self) -> None:
        """Kill the active operator. It is not restarted."""
        fork_server.kill(self.processes.pop(0))

    def logged(self) -> str:
        """The log of the operators of this run."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def peak_memory(self) -> int:
        """Return the maximum memory of one of the running operators."""
        return max(map(peak_memory, self.processes), default=0)

    async def survey(self) -> dict[str, str | bytes]:
        """As for each user, and the processes with their HTTP pages."""
        places = await ApiUser.survey(self)
        for pid in self.processes:
            places |= process_sinks(pid, self.temporary)
        for endpoint, page in PAGES:
            for port in ports_of(endpoint, self.logged()):
                # Killed processes of this run serve none.
                with suppress(aiohttp.ClientError):
                    async with self.kubernetes.session.get(f"http://127.0.0.1:{port}{page}") as answer:
                        places[f"{page} at {port}"] = await answer.text()
        return places

    def story(self) -> str:
        """Return the current state, for debugging."""
        return f"{self.plan}: {ApiUser.story(self)}"

    async def revive(self) -> None:
        """Restart killed processes, as the kubelet does, until cancelled."""
        while True:
            await asyncio.sleep(0.02)
            if self.deaths > self._generation:
                self._generation = self.deaths
                await self.start()

    def _die(self) -> None:
        """Kill the active process at once."""
        if self.processes:
            self.deaths += 1
            fork_server.kill(self.processes.pop(0))
