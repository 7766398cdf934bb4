"""Many resources created at once: the operator and bare clients on the same servers, in the same run."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, Final

from benchmarks.bare import Writes
from benchmarks.report import Report
from benchmarks.rig import DEFAULT, TEAM, TOKEN, Creation, Rig, usage
from netbird_streaming.cluster.merge_patch import merge_patch

LEAST: Final = (
    {"metadata": {"finalizers": ["example.com/bare"]}},
    {
        "status": {
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Synced",
                    "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
            ]
        }
    },
)
"""The smallest status of a resource that is Ready."""
AS_OURS: Final = "fieldManager=bare&fieldValidation=Strict"
EDITED: Final = 100
"""The number of created resources that are then updated and deleted, to count the requests."""


async def burst(rig: Rig, count: int, report: Report) -> None:
    """Measure operator and bare clients in turn."""
    print(f"--- {count} resources created at once (generic HTTP, a URL each)")
    ours, patches = await operator_burst(rig, count, report)
    await rig.wipe()
    same = await bare_burst(rig, count, "httpx", Writes(patches, AS_OURS))
    await rig.wipe()
    least = await bare_burst(rig, count, "aiohttp", Writes(LEAST, ""))
    await rig.wipe()
    report.least("share of a bare client with the same three writes", ours / same, 0.7)
    report.speed = least
    report.least("share of a bare aiohttp client with two writes", ours / least, 0.4)


async def operator_burst(rig: Rig, count: int, report: Report) -> tuple[float, Sequence[Any]]:
    """Measure the resources a second that become Ready, and the writes for one of them."""
    with rig.operator() as operator:
        warm = Creation(1)
        await rig.ready(warm, "warm")
        rig.control.clear_journal()
        position, before = rig.plane.audit_position(), usage(operator.pid)
        creation = Creation(count)
        await rig.ready(creation, "op")
        after = usage(operator.pid)
        await asyncio.sleep(5)
        rest = usage(operator.pid)
        report.most(f"{count} at once, until one is Ready: p50", creation.quantile(0.5), 4, "s")
        report.most(f"{count} at once, until one is Ready: p99", creation.quantile(0.99), 8, "s")
        report.most(f"CPU to create {count}", after.cpu - before.cpu, 8, "s")
        report.most(f"RSS at rest with {count}", rest.rss, 80, "MiB")
        report.most("Kubernetes writes a create", rig.writes(position) / count, 3)
        report.most("NetBird writes a create", changes(rig) / count, 1)
        print(f"RSS peak {rest.peak:.0f} MiB; NetBird calls {dict(rig.calls())}")
        await edit(rig, [f"op-{number}" for number in range(EDITED)], report)
    rate = count / creation.seconds
    print(f"operator: {rate:.0f} resources/s")
    return rate, [patch(*versions) for versions in pairwise(warm.versions)]


def patch(before: Any, after: Any) -> Any:
    """Return the write between two versions of a resource."""
    if before["metadata"].get("finalizers") != after["metadata"].get("finalizers"):
        return {"metadata": {"finalizers": after["metadata"]["finalizers"]}}
    return {"status": merge_patch(before.get("status", {}), after["status"])}


async def edit(rig: Rig, names: list[str], report: Report) -> None:
    """Change some resources and then delete them."""
    rig.control.clear_journal()
    await rig.change(names)
    await rig.until(lambda: rig.calls()["update"] >= len(names), "all are updated")
    await asyncio.sleep(1)
    report.most("NetBird writes an update", changes(rig) / len(names), 1)
    rig.control.clear_journal()
    left = len(rig.control.integrations()) - len(names)
    await rig.delete(names)
    await rig.until(lambda: len(rig.control.integrations()) <= left, "all are deleted")
    report.most("NetBird writes a delete", changes(rig) / len(names), 1)


def changes(rig: Rig) -> int:
    """Count the requests to NetBird other than lists since the journal was cleared."""
    calls = rig.calls()
    return calls.total() - calls["list"]


async def bare_burst(rig: Rig, count: int, netbird: str, writes: Writes) -> float:
    """Measure the same with a bare client."""
    creation = Creation(count)
    async with _bare(rig, netbird, writes) as process:
        creation.feed = process.stdin
        await rig.ready(creation, f"bare{len(writes.patches)}")
    rate = count / creation.seconds
    what = f"bare client ({netbird}, {len(writes.patches)} writes)"
    print(f"{what}: {rate:.0f} resources/s, p99 {creation.quantile(0.99):.2f} s")
    return rate


@asynccontextmanager
async def _bare(rig: Rig, netbird: str, writes: Writes) -> AsyncIterator[asyncio.subprocess.Process]:
    arguments = [f"--kubeconfig={rig.plane.kubeconfig}", f"--namespace={TEAM}", f"--url={rig.netbird.url}"]
    arguments += [f"--token={TOKEN}_{DEFAULT}", f"--netbird={netbird}", f"--query={writes.query}"]
    arguments.append(f"--patches={json.dumps(writes.patches)}")
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
