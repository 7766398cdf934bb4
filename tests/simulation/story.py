"""From a seed to a story: what users, strangers, the network and the machines do, and when; then a long quiet time."""

from collections.abc import Callable
from functools import partial
from typing import Final

from tests.simulation.climate import ACTIVE, END, REPAIRED, SETTLED
from tests.simulation.network import WORLD, Phase
from tests.simulation.users import Users
from tests.simulation.world import World


class Story(Users):
    """A world with users in it, and what happens there."""

    def run(self) -> World:
        """Let it happen, all of it."""
        world, draw = self.world, self.draw
        world.token("tok-a", "acc-a", self.token)
        self._connect("main")
        for name in self.cast.resources:
            world.at(draw.uniform(0, 20) if draw.random() < 0.7 else 0.0, partial(self.create, name))
        if draw.random() < 0.15:
            world.at(draw.uniform(0, 10), lambda: self.stranger_makes(same=draw.random() < 0.7))
        world.at(draw.uniform(0, 15), self.lead)
        for _ in range(draw.choice((0, 1, 1, 2, 2, 3, 4))):
            self._plan(draw.uniform(10, ACTIVE))
        if draw.random() < 0.12:
            world.at(draw.uniform(5, ACTIVE - 60), self.overlap)
        elif draw.random() < 0.12:
            world.at(draw.uniform(5, ACTIVE), self.roll)
        world.at(REPAIRED, self.repair)
        world.run_until(SETTLED)
        self.quiet_calls -= sum(each.calls for each in world.processes)
        world.run_until(END)
        self.quiet_calls += sum(each.calls for each in world.processes)
        return world

    # The operator.

    def lead(self) -> None:
        """Start a process that leads, with a crash before it if it is to crash."""
        crash_at: dict[int, Phase] = {}
        if self.crashes > 0:
            self.crashes -= 1
            crash_at = {self.draw.randint(1, 30): self.draw.choice(list(Phase))}
        delay = self.draw.uniform(0.5, 20)
        self.leader = self.world.start(crash_at, lambda: self._succeed(delay))

    def _succeed(self, delay: float) -> None:
        self.world.loop.call_later(delay, self._lead_if_none, context=WORLD)

    def _lead_if_none(self) -> None:
        if self.leader is None or not self.leader.owner.alive:
            self.lead()

    def roll(self) -> None:
        """A rolling update: the old one ends, the new one begins."""
        if self.leader is not None and self.leader.owner.alive:
            self.world.stop(self.leader)

    def overlap(self) -> None:
        """The leader freezes; another one leads by the time that it goes on."""
        old = self.leader
        if old is None or not old.owner.alive:
            return
        old.on_death = lambda: self.world.promises.died(old)
        self.world.freeze(old)
        start = self.draw.uniform(15.5, 25)
        self.world.loop.call_later(start, self.lead, context=WORLD)
        self.world.loop.call_later(self.draw.uniform(12, 45), self.world.thaw, old, context=WORLD)

    # What happens.

    def _plan(self, moment: float) -> None:
        draw = self.draw
        name = draw.choice(self.cast.resources)
        happening = draw.choices(_HAPPENINGS, weights=_WEIGHTS)[0]
        self.world.at(moment, lambda: happening(self, name))

    def repair(self) -> None:
        """Most users mend what they broke, in the end; the machines and the network are well from now on."""
        self.world.tell("--- everything works from now on ---")
        self.crashes = 0
        for process in self.world.processes:
            process.crash_at.clear()
        if self.draw.random() < 0.7:
            for name in sorted(self.lost_secrets):
                self.set_value(name)
            for name in self.cast.resources:
                if (found := self.find(name)) is not None and found.spec.suspend:
                    self.suspend(name)


_TABLE: Final[tuple[tuple[Callable[[Users, str], None], int], ...]] = (
    (Users.edit_url, 8),
    (Users.toggle, 6),
    (Users.suspend, 4),
    (Users.set_value, 8),
    (Users.lose_secret, 4),
    (Users.request, 4),
    (Users.touch, 5),
    (Users.delete, 7),
    (Users.recreate, 6),
    (Users.restore, 3),
    (Users.orphan, 3),
    (Users.strip, 2),
    (Users.move, 4),
    (Users.adopt, 4),
    (Users.rotate_token, 3),
    (Users.delete_all, 2),
    (Users.stranger_edits, 6),
    (Users.fight, 2),
    (Users.stranger_deletes, 5),
    (Users.stranger_creates, 4),
)
_HAPPENINGS: Final = [each for each, _ in _TABLE]
_WEIGHTS: Final = [weight for _, weight in _TABLE]
