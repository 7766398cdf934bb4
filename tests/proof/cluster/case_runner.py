"""A run of a case. The operator's requests, CPU and log are measured, and its user survives an API server."""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.doubles.netbird.faults import Failure, Fault, Moment
from tests.doubles.netbird.server import SimulatedNetBird
from tests.doubles.netbird.wire import Operation
from tests.harness.controlplane import freeze
from tests.harness.kubernetes_client import BASE
from tests.proof.api_user import ApiUser
from tests.proof.cluster.fault_proxy import FaultProxy
from tests.proof.crashes.flow_run import Run

MOST_REQUESTS: Final = 15.0
"""Requests a second to the API server, and to NetBird, of an operator with three resources."""
MOST_CPU: Final = 0.5
"""Share of a core, while nothing can be done."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True, kw_only=True)
class CaseRun(Run):
    """The user of one case, with its own operator."""

    proxy: FaultProxy = field(default_factory=FaultProxy)
    breaches: list[str] = field(default_factory=list)
    """Violations that were found during the run."""
    _marked: int = 0

    @property
    def user(self) -> str:
        """The operator's user in the API server."""
        namespace = self.installation.namespace
        return f"system:serviceaccount:{namespace}:{namespace}"

    def succeed(self, former: "CaseRun") -> None:
        """Use the NetBird of another cluster's run, with its content."""
        self.netbird = SimulatedNetBird(former.netbird.model)
        self.left = former.left

    # Actions of a user, and faults of NetBird.

    async def remove_finalizers(self, name: str) -> int:
        """Remove all finalizers manually; return the version without them."""
        if name in self.objects and "deletionTimestamp" in self.objects[name]["metadata"]:
            self.forced.add(name)
        patch = {"metadata": {"finalizers": None}}
        found = await self.kubernetes.call("PATCH", self.path(name), patch, patch=True)
        return int(found["metadata"]["resourceVersion"])

    async def force_away(self, name: str) -> None:
        """Delete an object while its operator is frozen."""
        self.forced.add(name)
        await self.kubernetes.call("DELETE", self.path(name))
        await self.kubernetes.call("PATCH", self.path(name), {"metadata": {"finalizers": None}}, patch=True)
        await self.until(lambda: name not in self.objects, f"{name} is gone")

    def freeze(self) -> None:
        """Freeze the operator."""
        freeze(self.processes[0])

    def thaw(self) -> None:
        """Continue it."""
        os.kill(self.processes[0], signal.SIGCONT)

    def path(self, name: str) -> str:
        """Return the path of an integration."""
        return f"{BASE.format(namespace=self.namespace)}/{name}"

    def fail(self, operation: Operation, failure: Failure, moment: Moment = Moment.AFTER, **how: Any) -> None:
        """Let NetBird fail the next such request."""
        self.netbird.exchange.faults.add(Fault(failure, moment, operation, **how))

    # Observations.

    async def asked(self, operation: Operation) -> None:
        """Wait for the first such request to NetBird since `mark`."""
        await self.until(
            lambda: any(each.operation is operation for each in self.netbird.journal.since(self._marked)),
            f"{operation} is under way",
        )

    def mark(self) -> None:
        """Count only later requests for `asked`."""
        self._marked = self.netbird.journal.next_sequence

    def version(self, name: str) -> int:
        """Return the last version of an integration from the watch."""
        return int(self.objects[name]["metadata"]["resourceVersion"])

    def reason(self, name: str) -> str:
        """Return the reason of Ready of an integration in its current generation."""
        found = self.objects.get(name)
        if found is None:
            return ""
        for each in found.get("status", {}).get("conditions", ()):
            if each["type"] == "Ready" and each.get("observedGeneration") == found["metadata"]["generation"]:
                return str(each["reason"])
        return ""

    def warnings(self, offset: int = 0) -> list[dict[str, Any]]:
        """Return the readable log lines of the operator, from that many characters on."""
        lines = (json.loads(line) for line in self.logged()[offset:].splitlines() if line.startswith("{"))
        return [each for each in lines if each["level"] in {"warning", "error"}]

    def processor_seconds(self) -> float:
        """Return the CPU time of its operator so far."""
        fields = Path(f"/proc/{self.processes[0]}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    async def follow(self, see: Callable[[str, dict[str, Any]], None]) -> None:
        """As for every user, and retried while the API server is down."""
        while True:
            try:
                await ApiUser.follow(self, see)
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(0.2)


class Load:
    """The requests and CPU of an operator from now on."""

    def __init__(self, trial: CaseRun) -> None:
        """Start counting."""
        self._trial = trial
        self._began = time.monotonic()
        self._asked = Counter(trial.proxy.asked)
        self._remote = trial.netbird.journal.next_sequence
        self._computed = trial.processor_seconds()

    def breaches(self, most: float = MOST_REQUESTS) -> list[str]:
        """Return a violation of L4 if it was too much. `most` is of requests to the API server, a second."""
        trial, seconds = self._trial, time.monotonic() - self._began
        asked = trial.proxy.asked - self._asked
        remote = trial.netbird.journal.next_sequence - self._remote
        computed = trial.processor_seconds() - self._computed
        often = ", ".join(f"{path} ({count})" for path, count in asked.most_common(4))
        found = (
            (asked.total() > most * seconds, f"{asked.total()} requests to the API server, mostly {often}"),
            (remote > MOST_REQUESTS * seconds, f"{remote} requests to NetBird"),
            (computed > MOST_CPU * seconds, f"{computed:.1f} s of CPU"),
        )
        return [f"L4: {what} in {seconds:.0f} s" for is_too_much, what in found if is_too_much]
