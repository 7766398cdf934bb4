"""Draw a scenario from a seed: the actions of users, other clients, network and processes, then a long idle time."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

from netbird_streaming.api.types import ConnectionKind
from tests.simulation.environment import ACTIVE, END, REPAIRED, SETTLED, draw_environment, draw_lag
from tests.simulation.hostile_tenant import HostileTenant
from tests.simulation.plan import Participants, Plan, PlannedAction
from tests.simulation.random_faults import Phase
from tests.simulation.unspecified_behaviour import draw_unspecified_behaviour
from tests.simulation.world import World


class RandomScenario(HostileTenant):
    """A simulated world with users and scheduled actions."""

    def run(self) -> World:
        """Run the whole scenario."""
        world = self.world
        world.token("tok-acc-a", self.account, self.token)
        self.connect("main")
        for planned in self.plan.planned_actions:
            world.at(planned.at, partial(self._do, planned))
        world.at(REPAIRED, self._repair)
        world.run_until(SETTLED)
        before = self._calls()
        world.run_until(END)
        self.quiet_calls = self._calls() - before
        return world

    def _calls(self) -> int:
        """Return the number of requests so far, except those for the Lease, which never end."""
        return sum(each.calls - each.renewals for each in self.world.processes)

    def _do(self, planned: PlannedAction) -> None:
        """Draw the details of each action from its own seed, so that they do not depend on other actions."""
        self.draw = random.Random(planned.seed)
        act = ACTS[planned.what]
        self.world.tell(act.words.format(name=planned.name))
        act.do(self, planned.name)

    def _repair(self) -> None:
        """Let most users fix their errors. Processes and network have no faults from now on."""
        self.world.tell("--- everything works from now on ---")
        for process in self.world.processes:
            process.crash_at.clear()
        self.world.hostile.silent = True
        if random.Random(self.plan.seed).random() < 0.7:
            for name in sorted(self.lost_secrets):
                self.set_value(name)
            for name in self.plan.participants.resources:
                if (found := self.find(name)) is not None and found.spec.suspend:
                    self.suspend(name)


class Act(NamedTuple):
    """A possible action: its method, its weight, and its line in the log."""

    do: Callable[[RandomScenario, str], None]
    weight: int
    words: str


ACTS: Final = {
    each.do.__name__: each
    for each in (
        Act(RandomScenario.edit_url, 8, "a user declares another URL in {name}"),
        Act(RandomScenario.toggle, 6, "a user switches {name} on or off"),
        Act(RandomScenario.suspend, 4, "a user suspends or resumes {name}"),
        Act(RandomScenario.set_value, 8, "a user rotates the Secret of {name}"),
        Act(RandomScenario.lose_secret, 4, "a user deletes the Secret of {name}"),
        Act(RandomScenario.request, 4, "a user asks for a reconcile of {name}"),
        Act(RandomScenario.touch, 5, "another controller writes annotations on {name}"),
        Act(RandomScenario.delete, 7, "a user deletes {name}"),
        Act(RandomScenario.recreate, 6, "a user deletes {name} and re-creates it"),
        Act(RandomScenario.rename, 4, "a user gives {name} another name"),
        Act(RandomScenario.switch_account, 2, "the administrator takes another account's token"),
        Act(RandomScenario.restore, 3, "{name} is deleted and restored from a backup, with its status"),
        Act(RandomScenario.orphan, 3, "a user orphans the integration of {name}"),
        Act(RandomScenario.strip, 2, "kubectl replace takes the finalizers of {name} away"),
        Act(RandomScenario.move, 4, "a user moves {name} to another connection"),
        Act(RandomScenario.adopt, 4, "a user lets {name} adopt"),
        Act(RandomScenario.rotate_token, 3, "the administrator rotates the token"),
        Act(RandomScenario.delete_all, 2, "the namespace is deleted whole, Secrets first"),
        Act(RandomScenario.dashboard_edits, 6, "another client edits the integration of {name}"),
        Act(
            RandomScenario.restore_repeatedly,
            2,
            "another client's script restores the integration of {name} repeatedly",
        ),
        Act(RandomScenario.dashboard_deletes, 5, "another client deletes the integration of {name}"),
        Act(RandomScenario.dashboard_creates, 4, "another client creates an integration"),
        Act(RandomScenario.crash, 2, "the operator's process is killed"),
        Act(RandomScenario.take_id, 0, "another client replaces the integration of {name} by its own"),
        Act(RandomScenario.blank, 0, "NetBird shows nothing for a while"),
        Act(RandomScenario.revert, 0, "NetBird's database is backed up, and restored later"),
        Act(RandomScenario.restore_etcd, 0, "etcd is backed up, and restored in place later"),
        Act(RandomScenario.create, 0, "a user creates {name}"),
        Act(RandomScenario.lead, 0, "the operator starts"),
        Act(RandomScenario.roll, 0, "the operator is updated"),
        Act(RandomScenario.overlap, 0, "the operator's machine is frozen for a while"),
        Act(RandomScenario.tenant_creates, 0, "a tenant creates a resource at a server of its own"),
        Act(RandomScenario.tenant_moves, 0, "a tenant moves its resource to another connection"),
        Act(RandomScenario.tenant_edits, 0, "a tenant declares another URL"),
        Act(RandomScenario.tenant_adopts, 0, "a tenant declares the adoption of an id"),
        Act(RandomScenario.tenant_redirects, 0, "a tenant points its connection to another server"),
        Act(RandomScenario.tenant_deletes, 0, "a tenant deletes its resource"),
    )
}
HOSTILE: Final = 0.15
"""The share of scenarios with a hostile tenant."""
RESTORED: Final = 0.08
"""The share in which a backup of etcd is restored in place, of the scenarios without unspecified behaviour."""
_NAMES: Final = list(ACTS)
_WEIGHTS: Final = [each.weight for each in ACTS.values()]


def draw_plan(seed: int) -> Plan:
    """Draw a plan. Each kind of fault may be absent from it."""
    draw = random.Random(seed)
    # Drawn from another seed, so that the rest of the scenario is the same with and without it.
    tenants = random.Random(f"tenants {seed}")
    hostile = tenants.random() < HOSTILE
    environment = draw_environment(draw)
    count = draw.choice((1, 1, 2, 2, 3))
    participants = Participants(
        resources=tuple(f"r{number}" for number in range(count)),
        kind=ConnectionKind.CLUSTER if draw.random() < 0.25 or hostile else ConnectionKind.NAMESPACED,
        identical=draw.random() < 0.15,
        datadog=seed % 2 == 1,
        allow_adoption=draw.random() < 0.8,
        hostile=hostile,
    )
    crashes = [(draw.randint(1, 30), draw.choice(list(Phase))) for _ in range(draw.choice((0, 0, 0, 1, 1, 2)))]
    planned_actions = _draw_actions(draw, participants, elects=environment.election is not None)
    if hostile:
        planned_actions += _draw_tenant(tenants)
    environment = replace(draw_lag(draw, environment), token_expiry=seed % 3 == 0)
    usual = environment
    environment, special = draw_unspecified_behaviour(seed, environment, participants.resources)
    if environment == usual and not special:
        special += _draw_restore(random.Random(f"etcd {seed}"))
    return Plan(seed, participants, environment, (*planned_actions, *special), tuple(crashes))


def _draw_restore(draw: random.Random) -> list[PlannedAction]:
    """Draw the restore of an etcd backup, in some scenarios without unspecified behaviour of NetBird."""
    if draw.random() >= RESTORED:
        return []
    return [PlannedAction(draw.uniform(5, ACTIVE - 60), "restore_etcd", "", draw.getrandbits(32))]


def _draw_tenant(draw: random.Random) -> list[PlannedAction]:
    """Draw the actions of a hostile tenant: it creates, and then moves, edits and deletes at any time."""
    names = [name for name in ACTS if name.startswith("tenant_")]
    weights = [3 if name == "tenant_moves" else 1 for name in names]
    foreign = PlannedAction(draw.uniform(0, 20), "dashboard_creates", "r0", draw.getrandbits(32))
    chosen = ["tenant_creates", *draw.choices(names, weights, k=draw.randint(2, 8))]
    moments = [draw.uniform(0, 20), *(draw.uniform(5, ACTIVE) for _ in chosen[1:])]
    return [foreign] + [
        PlannedAction(at, what, "", draw.getrandbits(32)) for at, what in zip(moments, chosen, strict=True)
    ]


def _draw_actions(draw: random.Random, participants: Participants, *, elects: bool) -> list[PlannedAction]:
    def planned(at: float, what: str, name: str = "") -> PlannedAction:
        return PlannedAction(at, what, name, draw.getrandbits(32))

    planned_actions = [
        planned(draw.uniform(0, 20) if draw.random() < 0.7 else 0.0, "create", name) for name in participants.resources
    ]
    if draw.random() < 0.15:
        planned_actions.append(planned(draw.uniform(0, 10), "dashboard_creates", "r0"))
    planned_actions.append(planned(draw.uniform(0, 15), "lead"))
    for _ in range(draw.choice((0, 1, 1, 2, 2, 3, 4))):
        moment, name = draw.uniform(10, ACTIVE), draw.choice(participants.resources)
        planned_actions.append(planned(moment, draw.choices(_NAMES, weights=_WEIGHTS)[0], name))
    if draw.random() < (0.5 if elects else 0.12):
        planned_actions.append(planned(draw.uniform(5, ACTIVE - 60), "overlap"))
    elif draw.random() < (0.4 if elects else 0.12):
        planned_actions.append(planned(draw.uniform(5, ACTIVE), "roll"))
    return planned_actions
