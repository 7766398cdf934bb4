"""The explorer: it runs a flow once to record its points, and then once for each of these points and sides."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp.typedefs import Middleware

from tests.harness.controlplane import ControlPlane
from tests.harness.kubernetes_client import connect, credentials
from tests.harness.operator import Installation, install
from tests.harness.secret_sinks import audit_sink
from tests.proof.api_user import StuckError
from tests.proof.crashes.flow_run import Run, Stage
from tests.proof.crashes.flows import Flow
from tests.proof.crashes.fork_server import kill, running_fork_server
from tests.proof.crashes.points import Plan, cluster_label, netbird_label, plans
from tests.proof.crashes.recording_proxy import recording_proxy
from tests.proof.promises import PromiseChecks

SETTLED_SECONDS: Final = 0.3
"""Seconds without any change after everything is in sync."""

ROUNDS: Final = 2
"""How often a fault may miss its point: requests may be fewer when responses come in another order."""

_LANE: Final = "proof-"


@dataclass(slots=True)
class Report:
    """The result of a flow's runs."""

    points: Counter[str]
    runs: int = 0
    missed: list[Plan] = field(default_factory=list)
    """Faults whose point was not reached in any of their rounds."""
    broken: list[str] = field(default_factory=list)
    tell: Callable[[str], None] | None = None

    def __str__(self) -> str:
        """Return the figures."""
        counts = (
            f"{self.points.total()} points, {self.runs} runs",
            f"{len(self.missed)} missed",
            f"{len(self.broken)} broken",
        )
        return ", ".join(counts)


class Explorer:
    """Runs flows, several at once. Made by `exploring`."""

    def __init__(self, stage: Stage, installations: Sequence[Installation]) -> None:
        """Store the installations. Each serves one run at a time, because it has its own Lease."""
        self._stage = stage
        self._free: asyncio.Queue[Installation] = asyncio.Queue()
        for each in installations:
            self._free.put_nowait(each)
        self._numbers = itertools.count()

    async def explore(self, flow: Flow, *, only: str = "", tell: Callable[[str], None] | None = None) -> Report:
        """Run the flow undisturbed, then once for each point and side.

        Args:
            flow: the flow.
            only: prefixes of the selected faults; by default all.
            tell: receives the result of each run.
        """
        report = Report(Counter(), tell=tell)
        await self._try(flow, None, report)
        if report.broken:
            return report
        chosen = [plan for plan in plans(report.points) if str(plan).startswith(only)]
        for _ in range(ROUNDS):
            report.missed = []
            async with asyncio.TaskGroup() as group:
                for plan in chosen:
                    group.create_task(self._try(flow, plan, report))
            chosen = report.missed
        return report

    def asked(self) -> bytes:
        """Return the requests of all operators so far, from the API server's audit log."""
        return audit_sink(self._stage.plane.audit_log, f"system:serviceaccount:{_LANE}")

    async def _try(self, flow: Flow, plan: Plan | None, report: Report) -> None:
        installation = await self._free.get()
        began = time.monotonic()
        try:
            run = Run(
                kubernetes=self._stage.kubernetes,
                namespace=f"run-{next(self._numbers)}",
                stage=self._stage,
                installation=installation,
                plan=plan,
                leased=flow.leased,
            )
            breaches = await _live_through(flow, run)
        finally:
            self._free.put_nowait(installation)
        report.runs += 1
        if plan is None:
            report.points = run.gate.passed
        elif not run.gate.struck:
            report.missed.append(plan)
        report.broken += [f"{flow}, {plan}: {each}" for each in breaches]
        if report.tell is not None:
            seconds = time.monotonic() - began
            report.tell(f"{seconds:6.1f} s  {plan or 'undisturbed'}  {'; '.join(breaches) or 'kept'}")


async def _live_through(flow: Flow, run: Run) -> list[str]:
    """Run a flow: prepare, apply the fault, and check that everything is in sync at the end."""
    verdict = PromiseChecks(run)
    async with running(run):
        follower = asyncio.create_task(run.follow(verdict.see))
        reviver = asyncio.create_task(run.revive())
        try:
            await flow.prepare(run)
            verdict.begin()
            run.gate.is_open = True
            await flow.act(run)
            await run.until(lambda: run.missing() is None, "everything is in sync")
            await run.rest(SETTLED_SECONDS)
            await verdict.end(flow.writes, slack=0 if run.plan is None else 1)
            await run.stop()
        except StuckError as error:
            verdict.breaches.append(f"L1: {error}")
        finally:
            reviver.cancel()
            follower.cancel()
            await asyncio.gather(reviver, follower, return_exceptions=True)
    return verdict.breaches


@asynccontextmanager
async def running(run: Run, *before: Middleware) -> AsyncIterator[Run]:
    """Create everything but an operator, until the block ends. Remaining operators are killed then.

    The middlewares are between the operator and the proxy before the API server.
    """
    server, tls, token = credentials(run.installation.kubeconfig)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(run.netbird)
        netbird = await stack.enter_async_context(
            recording_proxy(run.netbird.url, run.gate, lambda request: netbird_label(request.method, request.path))
        )
        cluster = await stack.enter_async_context(
            recording_proxy(
                server,
                run.gate,
                lambda request: cluster_label(request.method, request.path, watch="watch" in request.query),
                tls,
                *before,
            )
        )
        run.prepare(netbird, cluster, token)
        await run.arrive()
        try:
            yield run
        finally:
            for pid in run.processes:
                kill(pid)


@asynccontextmanager
async def exploring(plane: ControlPlane, width: int) -> AsyncIterator[Explorer]:
    """Return an explorer of so many concurrent runs."""
    async with staged(plane, _LANE, width) as (stage, installations):
        yield Explorer(stage, installations)


@asynccontextmanager
async def staged(plane: ControlPlane, prefix: str, width: int) -> AsyncIterator[tuple[Stage, list[Installation]]]:
    """Create the shared parts, and installations with their own rights, Lease and fingerprint key."""
    names = [f"{prefix}{lane}" for lane in range(width)]
    installations = [
        await asyncio.to_thread(install, plane, {"fullnameOverride": name}, namespace=name) for name in names
    ]
    async with connect(plane.kubeconfig) as kubernetes, running_fork_server() as kept:
        yield Stage(plane, kubernetes, kept), installations
