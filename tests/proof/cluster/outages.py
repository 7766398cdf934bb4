"""What befalls all operators of a control plane at once, while each of them has something under way."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from netbird_streaming.api.types import GROUP, VERSION
from tests.doubles.netbird.faults import Hang, Slow
from tests.doubles.netbird.wire import Operation
from tests.harness.controlplane import ControlPlane
from tests.proof.cluster.case_runner import Load, Trial
from tests.proof.cluster.installations import Lanes
from tests.proof.cluster.scenario import LIFE, LONGEST_SECONDS, act, judged
from tests.proof.expectations import Writes
from tools.chart import DEFINITIONS

OURS: Final = f"/apis/{GROUP}/{VERSION}"
DOWN_SECONDS: Final = 10.0
_SLOW: Final = Slow(header=2.0)


@dataclass(frozen=True, slots=True)
class Outage:
    """What is done to the control plane; it works again when `strike` returns."""

    name: str
    strike: Callable[[ControlPlane], None]

    def __str__(self) -> str:
        """How pytest names it."""
        return self.name


@dataclass(frozen=True, slots=True)
class Moment:
    """What is under way when it strikes. `leased` says that the operator acts only while it holds a Lease."""

    name: str
    begin: Callable[[Trial], Awaitable[None]]
    leased: bool = False
    lost_answers: int = 0


async def _act_slowly(trial: Trial) -> None:
    """The answers of all requests are on their way when it strikes."""
    for operation in (Operation.CREATE, Operation.UPDATE, Operation.DELETE):
        trial.fail(operation, _SLOW)
    await act(trial)
    await trial.asked(Operation.CREATE)


async def _act_unheard(trial: Trial) -> None:
    """Nobody will ever hear what came of the POST."""
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


async def outlive(outage: Outage, lanes: Lanes) -> list[str]:
    """Strike when all operators have something under way; answers which promises were broken."""
    ready, over = asyncio.Barrier(len(MOMENTS) + 1), asyncio.Event()

    async def try_one(moment: Moment) -> list[str]:
        async def tell(trial: Trial) -> None:
            await moment.begin(trial)
            load = Load(trial)
            await ready.wait()
            await over.wait()
            trial.breaches += load.breaches()

        async with lanes.trial() as trial:
            trial.leased = moment.leased
            found = await judged(trial, tell, LIFE, slack=moment.lost_answers)
        return [f"{moment.name}: {each}" for each in found]

    async with asyncio.timeout(2 * LONGEST_SECONDS), asyncio.TaskGroup() as group:
        tries = [group.create_task(try_one(each)) for each in MOMENTS]
        await ready.wait()
        try:
            await asyncio.to_thread(outage.strike, lanes.stage.plane)
        finally:
            over.set()
    return [each for one in tries for each in one.result()]


async def lose_the_definitions(lanes: Lanes) -> list[str]:
    """All definitions are deleted, and with them all objects; then all of it is applied again."""

    async def tell(trial: Trial) -> None:
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

    async with lanes.trial() as trial:
        return await judged(trial, tell, Writes(posts=2, deletes=2))


async def _let_go_of_others(trial: Trial) -> None:
    """What former cases have left has no operator any more, and would hold the definitions for ever."""
    for plural in ("eventstreamingintegrations", "netbirdconnections"):
        listed = await trial.kubernetes.call("GET", f"{OURS}/{plural}")
        for each in (found["metadata"] for found in listed["items"]):
            if each["namespace"] != trial.namespace:
                path = f"{OURS}/namespaces/{each['namespace']}/{plural}/{each['name']}"
                await trial.kubernetes.call("PATCH", path, {"metadata": {"finalizers": None}}, patch=True)
