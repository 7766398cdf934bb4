"""Outages of a whole control plane, while each of its operators has requests in flight."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from netbird_streaming.api.types import GROUP, VERSION
from tests.doubles.netbird.faults import Hang, Slow
from tests.doubles.netbird.wire import Operation
from tests.harness.controlplane import ControlPlane
from tests.proof.cluster.case_runner import CaseRun, Load
from tests.proof.cluster.installations import Installations
from tests.proof.cluster.scenario import LIFE, LONGEST_SECONDS, act, judged
from tests.proof.expectations import Writes
from tools.chart import DEFINITIONS

OURS: Final = f"/apis/{GROUP}/{VERSION}"
DOWN_SECONDS: Final = 10.0
_SLOW: Final = Slow(header=2.0)


@dataclass(frozen=True, slots=True)
class Outage:
    """A fault of the control plane. It works again when `strike` returns."""

    name: str
    strike: Callable[[ControlPlane], None]

    def __str__(self) -> str:
        """The id in pytest."""
        return self.name


@dataclass(frozen=True, slots=True)
class Moment:
    """The state in which it happens. `leased` says that the operator acts only while it holds a Lease."""

    name: str
    begin: Callable[[CaseRun], Awaitable[None]]
    leased: bool = False
    lost_answers: int = 0


async def _act_slowly(trial: CaseRun) -> None:
    """The responses of all requests are on their way."""
    for operation in (Operation.CREATE, Operation.UPDATE, Operation.DELETE):
        trial.fail(operation, _SLOW)
    await act(trial)
    await trial.asked(Operation.CREATE)


async def _act_unheard(trial: CaseRun) -> None:
    """The outcome of the POST stays unknown."""
    trial.fail(Operation.CREATE, Hang())
    await act(trial)
    await trial.asked(Operation.CREATE)


MOMENTS: Final = (
    Moment("something to do", act),
    Moment("something to do, and a Lease", act, leased=True),
    Moment("requests under way", _act_slowly),
    Moment("a POST that is never answered", _act_unheard, lost_answers=1),
    Moment("requests under way, and a Lease", _act_slowly, leased=True, lost_answers=1),
)


def _kill_the_api_server(plane: ControlPlane) -> None:
    plane.restart_apiserver(DOWN_SECONDS)


def _freeze_the_api_server(plane: ControlPlane) -> None:
    plane.pause()
    time.sleep(DOWN_SECONDS)
    plane.resume()


def _kill_etcd(plane: ControlPlane) -> None:
    plane.stop_etcd()
    time.sleep(DOWN_SECONDS)
    plane.start_etcd()


def _freeze_etcd(plane: ControlPlane) -> None:
    plane.pause("etcd")
    time.sleep(DOWN_SECONDS)
    plane.resume("etcd")


OUTAGES: Final = (
    Outage("the API server is killed", _kill_the_api_server),
    Outage("the API server is frozen", _freeze_the_api_server),
    Outage("etcd is killed", _kill_etcd),
    Outage("etcd is frozen", _freeze_etcd),
)


async def outlive(outage: Outage, installations: Installations) -> list[str]:
    """Apply the fault when all operators have requests in flight; return the violations."""
    ready, over = asyncio.Barrier(len(MOMENTS) + 1), asyncio.Event()

    async def try_one(moment: Moment) -> list[str]:
        async def tell(trial: CaseRun) -> None:
            await moment.begin(trial)
            load = Load(trial)
            await ready.wait()
            await over.wait()
            trial.breaches += load.breaches()

        async with installations.trial() as trial:
            trial.leased = moment.leased
            found = await judged(trial, tell, LIFE, slack=moment.lost_answers)
        return [f"{moment.name}: {each}" for each in found]

    async with asyncio.timeout(2 * LONGEST_SECONDS), asyncio.TaskGroup() as group:
        tries = [group.create_task(try_one(each)) for each in MOMENTS]
        await ready.wait()
        try:
            await asyncio.to_thread(outage.strike, installations.stage.plane)
        finally:
            over.set()
    return [each for one in tries for each in one.result()]


async def lose_the_definitions(installations: Installations) -> list[str]:
    """Delete all definitions, and with them all objects, then apply all of it again."""

    async def tell(trial: CaseRun) -> None:
        trial.wanted.clear()
        plane = trial.stage.plane
        await _let_go_of_others(trial)
        await asyncio.to_thread(plane.kubectl, "delete", f"--filename={DEFINITIONS}", "--timeout=60s")
        await trial.until(lambda: not trial.objects, "all objects are gone")
        await asyncio.to_thread(plane.kubectl, "apply", "--server-side", f"--filename={DEFINITIONS}")
        served = ("--for=condition=Established", "--timeout=30s", f"--filename={DEFINITIONS}")
        await asyncio.to_thread(plane.kubectl, "wait", *served)
        await trial.connect()
        for name in ("kept", "doomed"):
            await trial.create(name)

    async with installations.trial() as trial:
        return await judged(trial, tell, Writes(posts=2, deletes=2))


async def _let_go_of_others(trial: CaseRun) -> None:
    """Remove objects of former cases, which have no operator any more and would block the definitions."""
    for plural in ("eventstreamingintegrations", "netbirdconnections"):
        listed = await trial.kubernetes.call("GET", f"{OURS}/{plural}")
        for each in (found["metadata"] for found in listed["items"]):
            if each["namespace"] != trial.namespace:
                path = f"{OURS}/namespaces/{each['namespace']}/{plural}/{each['name']}"
                await trial.kubernetes.call("PATCH", path, {"metadata": {"finalizers": None}}, patch=True)
