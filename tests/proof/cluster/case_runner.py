"""A run with weather: what its operator asks, computes and logs is counted, and its user outlives an API server."""

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
from tests.proof.api_user import User
from tests.proof.cluster.fault_proxy import Weather
from tests.proof.crashes.flow_run import Run

MOST_REQUESTS: Final = 15.0
"""Requests a second to the API server, and to NetBird, of an operator with three resources."""
MOST_CPU: Final = 0.5
"""Of a core, while nothing can be done."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True, kw_only=True)
class Trial(Run):
    """The user of one case, with an operator that serves nobody else."""

    weather: Weather = field(default_factory=Weather)
    breaches: list[str] = field(default_factory=list)
    """Promises that were broken, as they are seen while it goes on."""
    _marked: int = 0

    @property
    def user(self) -> str:
        """Whom the API server takes the operator for."""
        namespace = self.installation.namespace
        return f"system:serviceaccount:{namespace}:{namespace}"

    def succeed(self, former: "Trial") -> None:
        """Take over the NetBird of another cluster's trial, with all that it holds."""
        self.netbird = SimulatedNetBird(former.netbird.model)
        self.left = former.left

    # What a user does, and what befalls NetBird.

    async def remove_finalizers(self, name: str) -> int:
        """Remove all finalizers by hand; answers the version that has none."""
        if name in self.objects and "deletionTimestamp" in self.objects[name]["metadata"]:
            self.forced.add(name)
        patch = {"metadata": {"finalizers": None}}
        found = await self.kubernetes.call("PATCH", self.path(name), patch, patch=True)
        return int(found["metadata"]["resourceVersion"])

    async def force_away(self, name: str) -> None:
        """Delete an object without its operator."""
        self.forced.add(name)
        await self.kubernetes.call("DELETE", self.path(name))
        await self.kubernetes.call("PATCH", self.path(name), {"metadata": {"finalizers": None}}, patch=True)
        await self.until(lambda: name not in self.objects, f"{name} is gone")

    def freeze(self) -> None:
        """Stop the operator where it is."""
        freeze(self.processes[0])

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.processes[0], signal.SIGCONT)

    def path(self, name: str) -> str:
        """The path of an integration."""
        return f"{BASE.format(namespace=self.namespace)}/{name}"

    def fail(self, operation: Operation, failure: Failure, moment: Moment = Moment.AFTER, **how: Any) -> None:
        """Have NetBird fail the next such request."""
        self.netbird.exchange.faults.add(Fault(failure, moment, operation, **how))

    # What is to be seen.

    async def asked(self, operation: Operation) -> None:
        """Wait until NetBird is asked for the first time to do it since `mark`."""
        await self.until(
            lambda: any(each.operation is operation for each in self.netbird.journal.since(self._marked)),
            f"{operation} is under way",
        )

    def mark(self) -> None:
        """Only what is asked from now on counts for `asked`."""
        self._marked = self.netbird.journal.next_sequence

    def version(self, name: str) -> int:
        """The version of an integration that the watch has told last."""
        return int(self.objects[name]["metadata"]["resourceVersion"])

    def reason(self, name: str) -> str:
        """Why an integration is or is not Ready, in its present generation."""
        found = self.objects.get(name)
        if found is None:
            return ""
        for each in found.get("status", {}).get("conditions", ()):
            if each["type"] == "Ready" and each.get("observedGeneration") == found["metadata"]["generation"]:
                return str(each["reason"])
        return ""

    def warnings(self, offset: int = 0) -> list[dict[str, Any]]:
        """What the operator has logged for a person to read, from that many characters on."""
        lines = (json.loads(line) for line in self.logged()[offset:].splitlines() if line.startswith("{"))
        return [each for each in lines if each["level"] in {"warning", "error"}]

    def processor_seconds(self) -> float:
        """How much its operator has computed so far."""
        fields = Path(f"/proc/{self.processes[0]}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    async def follow(self, see: Callable[[str, dict[str, Any]], None]) -> None:
        """As every user, and again whenever the API server is away."""
        while True:
            try:
                await User.follow(self, see)
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(0.2)


class Load:
    """What an operator asks and computes from now on."""

    def __init__(self, trial: Trial) -> None:
        """Begin to count."""
        self._trial = trial
        self._began = time.monotonic()
        self._asked = Counter(trial.weather.asked)
        self._remote = trial.netbird.journal.next_sequence
        self._computed = trial.processor_seconds()

    def breaches(self, most: float = MOST_REQUESTS) -> list[str]:
        """L4: whether it was too much; `most` is of requests to the API server, a second."""
        trial, seconds = self._trial, time.monotonic() - self._began
        asked = trial.weather.asked - self._asked
        remote = trial.netbird.journal.next_sequence - self._remote
        computed = trial.processor_seconds() - self._computed
        often = ", ".join(f"{path} ({count})" for path, count in asked.most_common(4))
        found = (
            (asked.total() > most * seconds, f"{asked.total()} requests to the API server, mostly {often}"),
            (remote > MOST_REQUESTS * seconds, f"{remote} requests to NetBird"),
            (computed > MOST_CPU * seconds, f"{computed:.1f} s of CPU"),
        )
        return [f"L4: {what} in {seconds:.0f} s" for is_too_much, what in found if is_too_much]
