"""Seconds without a leader, for each end of a leader, with the timing of the chart."""

import json
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from statistics import median
from typing import Final

from benchmarks.rig import Rig
from tests.controlplane.replicas import Replica, Replicas, replicas_of
from tests.harness.end_to_end import eventually
from tests.harness.operator import Operator

PATIENCE: Final = 120.0
LONGEST_LOOK: Final = 2.0
"""Seconds between two polls of a follower, over which the leader's end is spread."""


async def failover(rig: Rig, rounds: int) -> None:
    """End leaders in each way so many times. Each is followed by a process that is ready."""
    print(f"--- {rounds} leaders gone in each way")
    await rig.create(["failover"])
    with replicas_of(rig.installation, rig.netbird.url) as replicas:
        patch = json.dumps({"spec": {"url": replicas.netbird}})
        rig.plane.kubectl("patch", "clusternetbirdconnection", "default", "--type=merge", f"--patch={patch}")
        leader = replicas.start().leading()
        for name, go in _ways(replicas).items():
            waits: list[tuple[float, float]] = []
            for _ in range(rounds):
                follower = replicas.start()
                waits.append(_seconds(replicas, partial(go, leader), follower))
                leader.kill()
                leader = follower
            taken, acted = sorted(each[0] for each in waits), sorted(each[1] for each in waits)
            print(
                f"{name}: the Lease is taken after {median(taken):.1f} s ({taken[0]:.1f} to {taken[-1]:.1f}), "
                f"NetBird hears of the next leader after {median(acted):.1f} s ({acted[0]:.1f} to {acted[-1]:.1f})"
            )
        replicas.one_at_a_time()
    await rig.wipe()


def _ways(replicas: Replicas) -> Mapping[str, Callable[[Replica], None]]:
    def cut(leader: Replica) -> None:
        replicas.barred.add(leader.pid)
        replicas.cut(leader)

    return {"SIGTERM": Operator.terminate, "SIGKILL": Operator.kill, "SIGSTOP": Replica.freeze, "network cut": cut}


def _seconds(replicas: Replicas, go: Callable[[], None], follower: Replica) -> tuple[float, float]:
    """Measure the time from the leader's end until the next one has the Lease, and until its first request."""
    time.sleep(random.uniform(0, LONGEST_LOOK))  # noqa: S311 # no secret
    begun = datetime.now(UTC)
    go()
    first = eventually(
        lambda: next((each for each in replicas.requests() if each.who == follower.number), None),
        "the next leader acts",
        PATIENCE,
    )
    taken = replicas.terms()[-1]
    return (taken.begin - begun).total_seconds(), (first.at - begun).total_seconds()
