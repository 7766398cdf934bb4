"""Many resources at rest: what a restart, a sweep and one more creation cost beside them."""

import asyncio
import time

from benchmarks.burst import create_and_wait
from benchmarks.rig import TEAM, Creation, Rig, usage
from tests.support.netbird.faults import Fault, Hang, Moment
from tests.support.netbird.wire import Operation

SINGLES = 30


async def rest(rig: Rig, count: int) -> None:
    """Fill the cluster, start the operator anew, and look at it for a while."""
    print(f"--- {count} resources at rest")
    with rig.operator():
        creation = Creation(count)
        await create_and_wait(rig, creation, "rest")
        print(f"created at {count / creation.seconds:.0f} resources/s")
    rig.control.clear_journal()
    position = rig.plane.audit_position()
    started = time.monotonic()
    with rig.operator() as operator:
        while not rig.calls().get("list"):
            await asyncio.sleep(0.05)
        quiet = usage(operator.pid).cpu
        while True:
            await asyncio.sleep(0.5)
            now = usage(operator.pid).cpu
            if now - quiet < 0.02:
                break
            quiet = now
        seconds = time.monotonic() - started - 0.5
        print(f"restart: quiet again {seconds:.1f} s after its start; NetBird calls {rig.calls()}")
        before = usage(operator.pid)
        await asyncio.sleep(60)
        after = usage(operator.pid)
        writes = [each for each in rig.plane.audit(position) if each.verb == "patch" and "serviceaccount" in each.user]
        print(
            f"a minute at rest: CPU {after.cpu - before.cpu:.2f} s; RSS {after.rss:.0f} MiB, peak {after.peak:.0f} MiB"
        )
        print(f"  writes since the restart {len(writes)}; NetBird calls {rig.calls()}")
        await singles(rig)
    await rig.wipe()


async def singles(rig: Rig) -> None:
    """One creation at a time, and then beside an answer that takes long."""
    waits: list[float] = []
    for number in range(SINGLES):
        one = Creation(1)
        await create_and_wait(rig, one, f"single{number}")
        waits.append(one.seconds)
    waits.sort()
    print(f"one creation at a time: p50 {waits[len(waits) // 2] * 1000:.0f} ms, worst {waits[-1] * 1000:.0f} ms")
    rig.control.add_fault(Fault(Hang(), Moment.BEFORE, Operation.CREATE))
    stuck = asyncio.create_task(rig.create(["stuck"]))
    await asyncio.sleep(0.5)
    beside = Creation(1)
    await create_and_wait(rig, beside, "beside")
    await stuck
    print(f"beside a create in {TEAM} that is not answered: {beside.seconds * 1000:.0f} ms")
    rig.control.clear_faults()
