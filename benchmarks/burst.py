"""Many resources created at once: the operator beside bare clients on the same servers, in the same run."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.rig import TEAM, TOKEN, Creation, Rig, usage


async def operator_burst(rig: Rig, count: int) -> float:
    """Resources a second that the operator brings to Ready; prints what it cost."""
    with rig.operator() as operator:
        warm = Creation(1)
        await create_and_wait(rig, warm, "warm")
        rig.control.clear_journal()
        position, before = rig.plane.audit_position(), usage(operator.pid)
        creation = Creation(count)
        await create_and_wait(rig, creation, "op")
        after = usage(operator.pid)
        await asyncio.sleep(5)
        rest = usage(operator.pid)
        writes = [
            event
            for event in rig.plane.audit(position)
            if event.verb == "patch"
            and event.resource == "eventstreamingintegrations"
            and "system:serviceaccount" in event.user
        ]
    rate = count / creation.seconds
    print(f"operator: {rate:.0f} resources/s, p50 {creation.quantile(0.5):.2f} s, p99 {creation.quantile(0.99):.2f} s")
    print(f"  CPU {after.cpu - before.cpu:.1f} s; RSS at rest {rest.rss:.0f} MiB, peak {rest.peak:.0f} MiB")
    print(f"  Kubernetes writes {len(writes) / count:.2f} a resource; NetBird calls {rig.calls()}")
    return rate


async def bare_burst(rig: Rig, count: int, netbird: str, writes: int) -> float:
    """The same by a bare client."""
    creation = Creation(count)
    async with _bare(rig, netbird, writes) as process:
        creation.feed = process.stdin
        await create_and_wait(rig, creation, f"bare{writes}")
    rate = count / creation.seconds
    print(f"bare client ({netbird}, {writes} writes): {rate:.0f} resources/s, p99 {creation.quantile(0.99):.2f} s")
    return rate


async def create_and_wait(rig: Rig, creation: Creation, prefix: str) -> None:
    """Create as many resources as the creation counts, and wait until all of them are Ready."""
    names = [f"{prefix}-{number}" for number in range(creation.total)]
    watching = asyncio.create_task(creation.watch(rig.kubernetes))
    await asyncio.sleep(0.2)
    await rig.create(names, created=creation)
    await watching


@asynccontextmanager
async def _bare(rig: Rig, netbird: str, writes: int) -> AsyncIterator[asyncio.subprocess.Process]:
    arguments = [f"--kubeconfig={rig.plane.kubeconfig}", f"--namespace={TEAM}", f"--url={rig.netbird.url}"]
    arguments += [f"--token={TOKEN}", f"--netbird={netbird}", f"--writes={writes}"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.bare", *arguments, stdin=asyncio.subprocess.PIPE
    )
    try:
        await asyncio.sleep(1)
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


async def burst(rig: Rig, count: int) -> None:
    """Operator and bare clients in turn."""
    print(f"--- {count} resources created at once (generic HTTP, a URL each)")
    ours = await operator_burst(rig, count)
    await rig.wipe()
    same = await bare_burst(rig, count, "httpx", 3)
    await rig.wipe()
    least = await bare_burst(rig, count, "aiohttp", 2)
    await rig.wipe()
    print(f"ratio to a bare client with the same three writes: {ours / same:.2f} (0.7 is asked for)")
    print(f"ratio to a bare aiohttp client with two: {ours / least:.2f} (0.4 is asked for)")
