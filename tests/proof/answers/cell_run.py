"""The run of a cell: everything works, then NetBird responds wrongly, then it works again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.doubles.netbird.faults import Fault
from tests.doubles.netbird.wire import Operation
from tests.harness.kubernetes_client import Kubernetes
from tests.proof.answers.answers import WRITES
from tests.proof.answers.cells import Cell, Seen, stable_message
from tests.proof.answers.faulty_user import Barrier, FaultyUser
from tests.proof.api_user import StuckError
from tests.proof.promises import PromiseChecks

FAULT_SECONDS: Final = 3.0
"""Seconds of a fault after it was reported."""
MOST_REQUESTS: Final = 40
"""The bound during the few seconds of a fault: a read is repeated twice, by two paths, for each of a few retries."""
MOST_TO_HEAL: Final = 12
"""The bound after its end: each write needs a recent list, and an absence is observed twice."""
_REST_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Stage:
    """The shared parts of all cells: an API server with an operator, and URLs without a NetBird."""

    kubernetes: Kubernetes
    places: dict[str, str]
    restart: Barrier
    log: Path


@dataclass(slots=True)
class CellRun:
    """The result of a cell."""

    seen: Seen | None = None
    requests: int = 0
    """Seconds from the fault's end until everything was in sync."""
    breaches: list[str] = field(default_factory=list)


async def live(cell: Cell, namespace: str, stage: Stage) -> CellRun:
    """Run a cell. Any failure is a violation."""
    life = CellRun()
    tenant = FaultyUser(
        kubernetes=stage.kubernetes,
        namespace=namespace,
        restart=stage.restart,
        about=cell.flow.about,
        expected=cell.flow.expected,
        log=stage.log,
    )
    verdict = PromiseChecks(tenant, life.breaches)
    try:
        async with _there(tenant, verdict):
            try:
                await cell.flow.prepare(tenant)
                verdict.begin()
                await _suffer(cell, tenant, stage, life)
                await _heal(cell, tenant, life)
                await verdict.end(cell.flow.writes, slack=_unheard(tenant))
                await _leave(tenant)
            except StuckError as error:
                life.breaches.append(f"L1: {error}")
    finally:
        stage.restart.excuse(namespace)
    return life


@asynccontextmanager
async def _there(tenant: FaultyUser, verdict: PromiseChecks) -> AsyncIterator[None]:
    def see(kind: str, found: dict[str, Any]) -> None:
        verdict.see(kind, found)
        if tenant.about == "integration" and kind != "DELETED":
            tenant.hear(found)

    async with tenant.netbird, asyncio.TaskGroup() as group:
        tenant.netbird_url = tenant.netbird.url
        await tenant.arrive()
        followers = [group.create_task(each) for each in (tenant.follow(see), tenant.follow_connections())]
        try:
            yield
        finally:
            for each in followers:
                each.cancel()


async def _suffer(cell: Cell, tenant: FaultyUser, stage: Stage, life: CellRun) -> None:
    """Begin the fault and the flow, and read the user's conditions if the fault is observable."""
    tenant.listen()
    await _begin(cell, tenant, stage)
    await cell.flow.act(tenant)
    for seconds in (FAULT_SECONDS, 0):
        await tenant.until(
            lambda: bool(tenant.reported) or _spins(tenant) or _is_unnoticed(cell, tenant),
            "the fault is reported, or over",
        )
        await asyncio.sleep(seconds)
    if _spins(tenant):
        life.breaches.append(f"L4: NetBird was asked {len(tenant.asked())} times while it failed")
    if not tenant.reported and not _is_unnoticed(cell, tenant):
        life.breaches.append("L3: nothing is said of what is wrong")
    if not _has_struck(cell, tenant):
        life.breaches.append("nothing was struck")


async def _begin(cell: Cell, tenant: FaultyUser, stage: Stage) -> None:
    answer = cell.answer
    if answer.place is not None:
        tenant.misleading = {"url": stage.places[answer.place]}
        if tenant.connections:
            await tenant.reconnect(**tenant.misleading)
        return
    failure = answer.make(cell.call or Operation.LIST, tenant.netbird.now())
    tenant.netbird.exchange.faults.add(Fault(failure, answer.moment, cell.call, times=None, late=answer.late))


async def _heal(cell: Cell, tenant: FaultyUser, life: CellRun) -> None:
    """End the fault, and wait until everything is in sync without help."""
    before = len(tenant.asked())
    tenant.netbird.exchange.faults.clear()
    if cell.answer.place is not None:
        await tenant.reconnect(url=tenant.netbird_url)
    if cell.answer.is_pause:
        await tenant.replace_token()
    await tenant.until(tenant.is_settled, "everything is in sync")
    life.requests = len(tenant.asked()) - before
    if life.requests > MOST_TO_HEAL:
        life.breaches.append(f"L4: {life.requests} requests until everything was in sync")
    await tenant.rest(_REST_SECONDS)
    life.seen = _seen(cell, tenant)


def _seen(cell: Cell, tenant: FaultyUser) -> Seen:
    if not tenant.reported:
        return Seen("", "", "", "")
    first = tenant.reported[0]
    message = stable_message(first.message, cell, tenant.namespace)
    return Seen(first.reason, message, first.state, _ended(cell, tenant))


def _ended(cell: Cell, tenant: FaultyUser) -> str:
    """Return the resolution of a failed write. A read is only repeated."""
    if any(each.get("status", {}).get("origin") == "Inferred" for each in tenant.objects.values()):
        return "found in the list"
    if cell.call not in WRITES:
        return ""
    again = [each for each in tenant.asked() if each.operation is cell.call and each.fault is None]
    return "sent again" if any(each.applied for each in again) else "seen to be done"


def _unheard(tenant: FaultyUser) -> int:
    """Return how many PUTs were or may be applied without a proper response."""
    puts = [each for each in tenant.asked() if each.operation is Operation.UPDATE and each.fault is not None]
    return sum(each.applied or each.late is not None for each in puts)


def _is_unnoticed(cell: Cell, tenant: FaultyUser) -> bool:
    return _has_struck(cell, tenant) and tenant.is_settled() and tenant.is_quiet()


def _has_struck(cell: Cell, tenant: FaultyUser) -> bool:
    return cell.answer.place is not None or any(each.fault is not None for each in tenant.asked())


def _spins(tenant: FaultyUser) -> bool:
    return len(tenant.asked()) > MOST_REQUESTS


async def _leave(tenant: FaultyUser) -> None:
    """Check that nothing is lost: every created integration can be deleted, and no other is gone."""
    for name in list(tenant.objects):
        await tenant.delete(name)
    await tenant.until(lambda: tenant.missing() is None, "all that was made is deleted")
    await tenant.disconnect()
