"""The operator's processes in a story: how they start, die, are updated, and stand still."""

import random
from functools import partial

from tests.simulation.environment import REPAIRED
from tests.simulation.external_changes import Strangers
from tests.simulation.loop import BEGIN
from tests.simulation.network import WORLD, Process


class Operators(Strangers):
    """Processes, one after another or two at once; another one follows each that dies."""

    @property
    def leader(self) -> Process | None:
        """The one that acts; the newest where several may."""
        able = [each for each in self.world.processes if each.may_act and not each.owner.frozen]
        return able[-1] if able else None

    def lead(self, _name: str) -> None:
        """The operator is installed: two replicas where there is an election."""
        self._start()
        if self.plan.climate.election is not None:
            self.world.loop.call_later(self.draw.uniform(0, 5), self._start, context=WORLD)

    def _start(self) -> None:
        number = len(self.world.processes)
        crashes = dict(self.plan.crashes[number : number + 1]) if self.world.loop.now < BEGIN + REPAIRED else {}
        delay = random.Random((self.plan.seed << 16) + number).uniform(0.5, 20)

        def follow() -> None:
            self.world.loop.call_later(delay, self._start, context=WORLD)

        self.world.start(crashes, follow)

    def roll(self, _name: str) -> None:
        """A rolling update: each old one ends, and a new one begins."""
        for each in self.world.processes:
            if each.owner.alive:
                self.world.loop.call_later(self.draw.uniform(0, 20), self._stop, each, context=WORLD)

    def _stop(self, process: Process) -> None:
        if process.owner.alive:
            self.world.stop(process)

    def crash(self, _name: str) -> None:
        """The leader dies between two steps of its own, wherever it is then."""
        if (old := self.leader) is not None:
            old.owner.burn(self.draw.randint(0, 60), partial(self.world.kill, old))

    def overlap(self, _name: str) -> None:
        """The leader stands still for a while; another one leads by the time that it goes on."""
        old = self.leader
        if old is None:
            return
        self.world.freeze(old)
        if self.plan.climate.election is None:
            old.on_death = lambda: self.world.promises.died(old)
            self.world.loop.call_later(self.draw.uniform(15.5, 25), self._start, context=WORLD)
        self.world.loop.call_later(self.draw.uniform(12, 45), self.world.thaw, old, context=WORLD)
