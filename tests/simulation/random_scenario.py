"""From a seed to a story: what users, strangers, the network and the machines do, and when; then a long quiet time."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

from netbird_streaming.api.types import ConnectionKind
from tests.simulation.environment import ACTIVE, END, REPAIRED, SETTLED, draw_climate, draw_lag
from tests.simulation.hostile_tenant import Tenants
from tests.simulation.plan import Cast, Deed, Plan
from tests.simulation.random_faults import Phase
from tests.simulation.unspecified_behaviour import draw_habits
from tests.simulation.world import World


class Story(Tenants):
    """A world with users in it, and what happens there."""

    def run(self) -> World:
        """Let it happen, all of it."""
        world = self.world
        world.token("tok-acc-a", self.account, self.token)
        self.connect("main")
        for deed in self.plan.deeds:
            world.at(deed.at, partial(self._do, deed))
        world.at(REPAIRED, self._repair)
        world.run_until(SETTLED)
        before = self._calls()
        world.run_until(END)
        self.quiet_calls = self._calls() - before
        return world

    def _calls(self) -> int:
        """Requests so far, but for those about the Lease: they never end."""
        return sum(each.calls - each.renewals for each in self.world.processes)

    def _do(self, deed: Deed) -> None:
        """Each deed draws its details from a seed of its own, so that it is the same whatever else happens."""
        self.draw = random.Random(deed.seed)
        act = ACTS[deed.what]
        self.world.tell(act.words.format(name=deed.name))
        act.do(self, deed.name)

    def _repair(self) -> None:
        """Most users mend what they broke, in the end; the machines and the network are well from now on."""
        self.world.tell("--- everything works from now on ---")
        for process in self.world.processes:
            process.crash_at.clear()
        self.world.hostile.silent = True
        if random.Random(self.plan.seed).random() < 0.7:
            for name in sorted(self.lost_secrets):
                self.set_value(name)
            for name in self.plan.cast.resources:
                if (found := self.find(name)) is not None and found.spec.suspend:
                    self.suspend(name)


class Act(NamedTuple):
    """Something that can happen: how, how often among all that happens by the way, and its line in the story."""

    do: Callable[[Story, str], None]
    weight: int
    words: str


ACTS: Final = {
    each.do.__name__: each
    for each in (
        Act(Story.edit_url, 8, "a user declares another URL in {name}"),
        Act(Story.toggle, 6, "a user switches {name} on or off"),
        Act(Story.suspend, 4, "a user suspends {name}, or lets it go on"),
        Act(Story.set_value, 8, "a user rotates the Secret of {name}"),
        Act(Story.lose_secret, 4, "a user deletes the Secret of {name}"),
        Act(Story.request, 4, "a user asks for a reconcile of {name}"),
        Act(Story.touch, 5, "another controller writes annotations on {name}"),
        Act(Story.delete, 7, "a user deletes {name}"),
        Act(Story.recreate, 6, "a user deletes {name} and creates it anew"),
        Act(Story.rename, 4, "a user gives {name} another name"),
        Act(Story.switch_account, 2, "the administrator takes another account's token"),
        Act(Story.restore, 3, "{name} is lost and comes back from a backup, with its status"),
        Act(Story.orphan, 3, "a user wants the integration of {name} left in NetBird"),
        Act(Story.strip, 2, "kubectl replace takes the finalizers of {name} away"),
        Act(Story.move, 4, "a user moves {name} to another connection"),
        Act(Story.adopt, 4, "a user lets {name} adopt"),
        Act(Story.rotate_token, 3, "the administrator rotates the token"),
        Act(Story.delete_all, 2, "the namespace is deleted whole, Secrets first"),
        Act(Story.stranger_edits, 6, "a stranger edits the integration of {name}"),
        Act(Story.fight, 2, "a stranger's script sets the integration of {name} back again and again"),
        Act(Story.stranger_deletes, 5, "a stranger deletes the integration of {name}"),
        Act(Story.stranger_creates, 4, "a stranger creates an integration"),
        Act(Story.crash, 2, "the operator's process dies in a moment"),
        Act(Story.take_id, 0, "a stranger replaces the integration of {name} by one of their own"),
        Act(Story.blank, 0, "NetBird shows nothing for a while"),
        Act(Story.revert, 0, "NetBird's database is backed up, and restored later"),
        Act(Story.create, 0, "a user creates {name}"),
        Act(Story.lead, 0, "the operator starts"),
        Act(Story.roll, 0, "the operator is updated"),
        Act(Story.overlap, 0, "the operator's machine stands still for a while"),
        Act(Story.tenant_creates, 0, "a tenant creates a resource at a server of its own"),
        Act(Story.tenant_moves, 0, "a tenant moves its resource to another connection"),
        Act(Story.tenant_edits, 0, "a tenant declares another URL"),
        Act(Story.tenant_adopts, 0, "a tenant asks for an integration by its id"),
        Act(Story.tenant_redirects, 0, "a tenant lets its connection lead to another server"),
        Act(Story.tenant_deletes, 0, "a tenant deletes its resource"),
    )
}
HOSTILE: Final = 0.15
"""The part of the stories with a hostile tenant in them."""
_NAMES: Final = list(ACTS)
_WEIGHTS: Final = [each.weight for each in ACTS.values()]


def draw_plan(seed: int) -> Plan:
    """Draw a story: each kind of trouble may be absent from it."""
    draw = random.Random(seed)
    # Of a seed of their own, so that the rest of a story is the same with and without them.
    tenants = random.Random(f"tenants {seed}")
    hostile = tenants.random() < HOSTILE
    climate = draw_climate(draw)
    count = draw.choice((1, 1, 2, 2, 3))
    cast = Cast(
        resources=tuple(f"r{number}" for number in range(count)),
        kind=ConnectionKind.CLUSTER if draw.random() < 0.25 or hostile else ConnectionKind.NAMESPACED,
        twins=draw.random() < 0.15,
        datadog=seed % 2 == 1,
        allow_adoption=draw.random() < 0.8,
        hostile=hostile,
    )
    crashes = [(draw.randint(1, 30), draw.choice(list(Phase))) for _ in range(draw.choice((0, 0, 0, 1, 1, 2)))]
    deeds = _draw_deeds(draw, cast, elects=climate.election is not None)
    if hostile:
        deeds += _draw_tenant(tenants)
    climate = replace(draw_lag(draw, climate), token_expiry=seed % 3 == 0)
    climate, habits = draw_habits(seed, climate, cast.resources)
    return Plan(seed, cast, climate, (*deeds, *habits), tuple(crashes))


def _draw_tenant(draw: random.Random) -> list[Deed]:
    """What a hostile tenant does: it creates, and then moves, edits and deletes at any time."""
    names = [name for name in ACTS if name.startswith("tenant_")]
    weights = [3 if name == "tenant_moves" else 1 for name in names]
    stranger = Deed(draw.uniform(0, 20), "stranger_creates", "r0", draw.getrandbits(32))
    chosen = ["tenant_creates", *draw.choices(names, weights, k=draw.randint(2, 8))]
    moments = [draw.uniform(0, 20), *(draw.uniform(5, ACTIVE) for _ in chosen[1:])]
    return [stranger] + [Deed(at, what, "", draw.getrandbits(32)) for at, what in zip(moments, chosen, strict=True)]


def _draw_deeds(draw: random.Random, cast: Cast, *, elects: bool) -> list[Deed]:
    def deed(at: float, what: str, name: str = "") -> Deed:
        return Deed(at, what, name, draw.getrandbits(32))

    deeds = [deed(draw.uniform(0, 20) if draw.random() < 0.7 else 0.0, "create", name) for name in cast.resources]
    if draw.random() < 0.15:
        deeds.append(deed(draw.uniform(0, 10), "stranger_creates", "r0"))
    deeds.append(deed(draw.uniform(0, 15), "lead"))
    for _ in range(draw.choice((0, 1, 1, 2, 2, 3, 4))):
        moment, name = draw.uniform(10, ACTIVE), draw.choice(cast.resources)
        deeds.append(deed(moment, draw.choices(_NAMES, weights=_WEIGHTS)[0], name))
    if draw.random() < (0.5 if elects else 0.12):
        deeds.append(deed(draw.uniform(5, ACTIVE - 60), "overlap"))
    elif draw.random() < (0.4 if elects else 0.12):
        deeds.append(deed(draw.uniform(5, ACTIVE), "roll"))
    return deeds
