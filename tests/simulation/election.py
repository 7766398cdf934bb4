"""A cluster with nothing but a Lease: leader election under failures of machines, network and users.

The shipped elector runs unchanged, on its own clock for each process. The leader is a worker that asks the guard before
each action, as the clients do before each request.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from netbird_streaming.cluster.leader_election.elector import LeaderElector
from netbird_streaming.cluster.leader_election.record import LeaseTiming
from netbird_streaming.errors import LeaseLostError
from tests.harness.cases import LEASE_TIMING
from tests.simulation.host import EPOCH
from tests.simulation.lease import DRIFT, LeaseApi, LeaseServer, elector_of
from tests.simulation.loop import BEGIN, VirtualLoop
from tests.simulation.network import WORLD, Network, Process
from tests.simulation.random_faults import NetworkFaults, RandomFaults, RequestFault

LATEST: Final = 20.0
"""Seconds after which a write to the API server is applied or never will be."""
HUNG: Final = NetworkFaults(1.0, float("inf"), (RequestFault.DROPPED, RequestFault.UNANSWERED, RequestFault.LATE))


@dataclass(slots=True, eq=False)
class Replica:
    """A run of the operator's process."""

    process: Process
    line: Network
    elector: LeaderElector
    identity: str
    terms: int = 0

    @property
    def may_act(self) -> bool:
        """Return whether the guard would let it act now, if it were not frozen."""
        return self.process.owner.alive and self.elector.is_leader


@dataclass(slots=True)
class Election:
    """Some replicas and their Lease. Violations of "at most one replica acts" are in `breaches`."""

    random: random.Random
    network_faults: NetworkFaults = field(default_factory=NetworkFaults)
    loop: VirtualLoop = field(default_factory=VirtualLoop)
    server: LeaseServer = field(default_factory=LeaseServer)
    replicas: list[Replica] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    acts: list[tuple[float, str]] = field(default_factory=list)
    fault_source: RandomFaults = field(init=False)

    def __post_init__(self) -> None:
        self.fault_source = RandomFaults(self.random.getrandbits(32))

    @property
    def now(self) -> float:
        """Return the seconds since the beginning."""
        return self.loop.now - BEGIN

    @property
    def alive(self) -> list[Replica]:
        """Return the running processes, including frozen ones."""
        return [each for each in self.replicas if each.process.owner.alive]

    @property
    def leaders(self) -> list[Replica]:
        """Return the processes that may act."""
        return [each for each in self.replicas if each.may_act]

    def tell(self, line: str) -> None:
        """Add one line to the log of the scenario."""
        self.log.append(f"{self.now:9.3f}  {line}")

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Schedule an external event so many seconds after the beginning."""
        self.loop.call_at(BEGIN + moment, action, context=WORLD)

    def run_until(self, moment: float) -> None:
        """Run until that many seconds after the beginning."""
        self.loop.run_until(BEGIN + moment)

    def dispose(self) -> None:
        """Drop all tasks."""
        self.loop.dispose()

    def start(self, timing: LeaseTiming = LEASE_TIMING) -> Replica:
        name = f"p{len(self.replicas)}"
        process = Process(name=name, loop=self.loop)
        line = Network(self.loop, self.fault_source, self.network_faults, self.tell, LATEST)
        process.monotonic_base = self.random.uniform(0, 10_000)
        process.rate = 1 + self.random.uniform(-DRIFT, DRIFT)
        # A wall clock that jumps: nothing may depend on it.
        wall = lambda: EPOCH + timedelta(seconds=self.random.uniform(-1e9, 1e9))  # noqa: E731  # said in one line
        elector = elector_of(LeaseApi(self.server, line, process), process, wall, timing)
        replica = Replica(process, line, elector, name)
        self.replicas.append(replica)
        self.tell(f"{name} starts")
        process.task = process.context.run(self._spawn, replica)
        return replica

    def stop(self, replica: Replica) -> None:
        """SIGTERM."""
        self.tell(f"{replica.identity} is asked to stop")
        assert replica.process.task is not None
        replica.process.task.cancel()
        replica.process.task.add_done_callback(lambda _: self._gone(replica), context=WORLD)

    def kill(self, replica: Replica) -> None:
        """SIGKILL."""
        self.tell(f"{replica.identity} is killed")
        replica.line.kill(replica.process)

    def freeze(self, replica: Replica) -> None:
        """SIGSTOP."""
        self.tell(f"{replica.identity} freezes")
        replica.process.owner.frozen = True

    def thaw(self, replica: Replica) -> None:
        """SIGCONT."""
        if replica.process.owner.alive and replica.process.owner.frozen:
            self.tell(f"{replica.identity} continues")
            self.loop.thaw(replica.process.owner)

    def hang(self, replica: Replica) -> None:
        """Let the API server stop responding to this process."""
        self.tell(f"{replica.identity} gets no answers")
        replica.line.network_faults = HUNG

    def reconnect(self, replica: Replica) -> None:
        """Let the API server respond to this process again."""
        self.tell(f"{replica.identity} gets answers")
        replica.line.network_faults = self.network_faults

    def delete(self) -> None:
        """A user deletes the Lease."""
        self.tell("a user deletes the Lease")
        self.server.stored = None

    def edit(self, **spec: object) -> None:
        """A user edits the Lease."""
        self.tell(f"a user edits the Lease: {spec}")
        self.server.edit(**spec)

    def _spawn(self, replica: Replica) -> Any:
        return self.loop.create_task(replica.elector.run(lambda: self._lead(replica)), name=replica.identity)

    async def _lead(self, replica: Replica) -> None:
        """Act as often as the guard allows, and for a while after a cancellation."""
        replica.terms += 1
        self.tell(f"{replica.identity} leads")
        try:
            while True:
                self._act(replica)
                await asyncio.sleep(self.random.random())
        finally:
            for _ in range(int(self.random.random() * 4)):
                self._act(replica)
                await asyncio.sleep(self.random.random())
            self.tell(f"{replica.identity} leads no more")

    def _act(self, replica: Replica) -> None:
        try:
            replica.elector.ensure_leading()
        except LeaseLostError:
            return
        self.acts.append((self.now, replica.identity))
        if len(self.leaders) > 1:
            both = ", ".join(each.identity for each in self.leaders)
            self.breaches.append(f"{self.now:.3f} {replica.identity} acts while {both} may")
            self.tell("!!! " + self.breaches[-1])

    def _gone(self, replica: Replica) -> None:
        replica.process.owner.alive = False
        self.tell(f"{replica.identity} has stopped")
