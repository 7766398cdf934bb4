"""The operator's processes in a scenario: start, crash, update and pause."""

import random
from functools import partial
from typing import Final

from tests.simulation.environment import REPAIRED
from tests.simulation.external_changes import ExternalChanges
from tests.simulation.loop import BEGIN
from tests.simulation.network import WORLD, Process
from tests.simulation.world import TEAM

OUTAGES: Final = (0.1, 7.0, 20.0)
"""Seconds for which the API server is away while a backup is restored."""


class Operators(ExternalChanges):
    """The processes, one at a time or two at once. A new one follows each that dies."""

    @property
    def leader(self) -> Process | None:
        """Return the process that leads; the newest if several may."""
        able = [each for each in self.world.processes if each.may_act and not each.owner.frozen]
        return able[-1] if able else None

    def lead(self, _name: str) -> None:
        """Install the operator: two replicas if there is an election."""
        self._start()
        if self.plan.environment.election is not None:
            self.world.loop.call_later(self.draw.uniform(0, 5), self._start, context=WORLD)

    def _start(self) -> None:
        number = len(self.world.processes)
        crashes = dict(self.plan.crashes[number : number + 1]) if self.world.loop.now < BEGIN + REPAIRED else {}
        delay = random.Random((self.plan.seed << 16) + number).uniform(0.5, 20)

        def follow() -> None:
            self.world.loop.call_later(delay, self._start, context=WORLD)

        self.world.start(crashes, follow)

    def roll(self, _name: str) -> None:
        """Roll out an update: each old process ends and a new one starts."""
        for each in self.world.processes:
            if each.owner.alive:
                self.world.loop.call_later(self.draw.uniform(0, 20), self._stop, each, context=WORLD)

    def _stop(self, process: Process) -> None:
        if process.owner.alive:
            self.world.stop(process)

    def crash(self, _name: str) -> None:
        """Kill the leader between two of its steps."""
        if (old := self.leader) is not None:
            old.owner.burn(self.draw.randint(0, 60), partial(self.world.kill, old))

    def restore_etcd(self, _name: str) -> None:
        """A backup of etcd is made, and restored in place after a while."""
        backup = self.world.api.snapshot()
        jump = self.draw.choice((None, 1_000_000_000))
        outage, deaf = self.draw.choice(OUTAGES), jump is None and self.draw.random() < 0.5

        def restore() -> None:
            self.world.restore(backup, jump=jump, outage=outage, deaf=deaf)
            names = self.plan.participants.resources
            self.lost_secrets = {each for each in names if (TEAM, f"secret-{each}") not in self.world.api.secrets}
            if any(name == "token-main" for _, name in self.world.api.secrets):
                # A token that was replaced after the backup is not valid any more.
                self.later(outage + 2.0, self._put_token)

        self.later(self.draw.uniform(5, 60), restore)

    def overlap(self, _name: str) -> None:
        """Freeze the leader for a while. Another process leads when it continues."""
        old = self.leader
        if old is None:
            return
        self.world.freeze(old)
        if self.plan.environment.election is None:
            old.on_death = lambda: self.world.promises.died(old)
            self.world.loop.call_later(self.draw.uniform(15.5, 25), self._start, context=WORLD)
        self.world.loop.call_later(self.draw.uniform(12, 45), self.world.thaw, old, context=WORLD)
