"""Many resources at rest: the cost of a restart, a resync and another create next to them."""

import asyncio
import time
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.report import Report
from benchmarks.rig import OTHER, Creation, Rig, usage
from netbird_streaming.reconciler.connection.resync import JITTER
from tests.doubles.netbird.faults import Fault, Hang, Moment
from tests.doubles.netbird.wire import Operation
from tests.harness.operator import Operator

SINGLES: Final = 200
SWEEPS: Final = 2
SWEEP_SECONDS: Final = 60
"""The rig's resync interval."""


async def rest(rig: Rig, count: int, report: Report) -> None:
    """Fill the cluster, start the operator again, and observe it for a while."""
    print(f"--- {count} resources at rest")
    with rig.operator() as operator:
        creation = Creation(count)
        await rig.ready(creation, "rest")
        peak = usage(operator.pid).peak
        print(f"created at {count / creation.seconds:.0f} resources/s, RSS peak {peak:.0f} MiB")
    rig.control.clear_journal()
    position, begun = rig.plane.audit_position(), time.monotonic()
    with rig.operator() as operator:
        await rig.until(lambda: known(operator, count), "all are known", every=0.25)  # it counts all of them each time
        seconds, cpu = time.monotonic() - begun, usage(operator.pid).cpu
        report.most(f"from start until {count} unchanged are known", seconds, 5, "s")
        print(f"CPU of that {cpu:.1f} s")
        report.most("NetBird calls of that, for two accounts", rig.calls().total(), 2)
        await asyncio.sleep(SWEEP_SECONDS)
        rig.control.clear_journal()
        before = usage(operator.pid)
        await asyncio.sleep(SWEEP_SECONDS * (1 - JITTER))
        report.most(f"NetBird calls of a resync with {count}, for two accounts", rig.calls().total(), 2)
        await asyncio.sleep(SWEEP_SECONDS * JITTER)
        after = usage(operator.pid)
        report.most("writes of a restart and two resyncs", rig.writes(position), 0)
        report.most(f"CPU of a minute at rest with {count}", after.cpu - before.cpu, 0.3, "s")
        report.most(f"RSS at rest with {count}", after.rss, 92, "MiB")
        report.most("RSS peak since the start", after.peak, 130, "MiB")
        await singles(rig, count, report)
        await beside_a_hanging_one(rig, report)


def known(operator: Operator, count: int) -> bool:
    """Return whether so many resources are Ready by the operator's own metrics, and none waits for its reconcile."""
    samples = [each for family in text_string_to_metric_families(operator.metrics()) for each in family.samples]
    ready = sum(
        each.value
        for each in samples
        if each.name == "netbird_streaming_resources" and each.labels["ready"] == "true"
        if each.labels["kind"] == "EventStreamingIntegration"
    )
    waiting = sum(each.value for each in samples if each.name == "netbird_streaming_queue_depth")
    return ready >= count and waiting == 0


async def singles(rig: Rig, count: int, report: Report) -> None:
    """Create one resource at a time in another account, for as long as two resyncs of the first take."""
    waits: list[float] = []
    until = time.monotonic() + SWEEPS * SWEEP_SECONDS
    while len(waits) < SINGLES or time.monotonic() < until:
        one = Creation(1, OTHER)
        await rig.ready(one, f"single{len(waits)}")
        waits.append(one.seconds)
    waits.sort()
    p50, p99, worst = (waits[int(len(waits) * share)] * 1000 for share in (0.5, 0.99, 1 - 1 / len(waits)))
    print(f"{len(waits)} creations one by one: p50 {p50:.0f} ms, worst {worst:.0f} ms")
    report.most(f"one creation beside {count} that are resynced: p99", p99, 60, "ms")
    beside = Creation(1)
    await rig.ready(beside, "beside-all")
    print(f"one creation in the account of the {count}, which are listed for it: {beside.seconds * 1000:.0f} ms")


async def beside_a_hanging_one(rig: Rig, report: Report) -> None:
    """Measure a create next to one that NetBird does not answer."""
    rig.control.add_fault(Fault(Hang(), Moment.BEFORE, Operation.CREATE))
    await rig.create(["stuck"])
    await asyncio.sleep(0.5)
    beside = Creation(1, OTHER)
    await rig.ready(beside, "beside")
    report.most("one creation beside an answer that never comes", beside.seconds * 1000, 60, "ms")
    rig.control.clear_faults()
