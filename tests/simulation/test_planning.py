"""Scenarios of plans: the next reconcile of each resource does what the plan said, and the plan wrote nothing."""

import os
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import pytest

from netbird_streaming.api.types import Adoption, AdoptionPolicy, ObjectKey, Resource
from netbird_streaming.core.actions import Action
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.plan import PlanEntry, PlannedAction, entry_for, entry_for_problem
from netbird_streaming.errors import OperatorError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.controller import Controller
from netbird_streaming.reconciler.planner import Planner
from netbird_streaming.reconciler.ports import ControllerSettings, Outcome, Ports
from tests.doubles.netbird.records import Draft
from tests.simulation.environment import ACTIVE
from tests.simulation.random_faults import NetworkFaults
from tests.simulation.random_scenario import RandomScenario, draw_plan
from tests.simulation.scene import Scene
from tests.simulation.watches import Watch
from tests.simulation.world import INSTALLATION

SEEDS: Final = int(os.environ.get("SEEDS", "1000"))
CHUNK: Final = 250
READS: Final = {"LIST", "GET", "ACCOUNTS", "USER", "TOKENS"}
QUIET_SECONDS: Final = 200.0
"""No request is in flight after this time, and no LIST lags."""
ENOUGH_SECONDS: Final = 900.0
"""The first reconcile of each resource has ended by then, including its waits."""


class Planning:
    """A process that plans and then does nothing."""

    def __init__(self, ports: Ports, settings: ControllerSettings) -> None:
        self.planner = Planner(ports, settings)
        self.entries: tuple[PlanEntry, ...] | None = None

    async def run(self) -> None:
        self.entries = await self.planner.plan()

    def apply_event(self, resource: Resource) -> None:
        pass

    def forget(self, key: ObjectKey, uid: str) -> None:
        pass

    def secret_changed(self, namespace: str, name: str) -> None:
        pass

    def relist(self, kind: str) -> None:
        pass


class Observer:
    """Recorder of what the first reconcile of each resource does; `is_over` is called at the end of each."""

    def __init__(self, is_over: Callable[[], None]) -> None:
        self.entries: dict[ObjectKey, PlanEntry] = {}
        self.over: set[ObjectKey] = set()
        self._is_over = is_over

    def decided(self, key: ObjectKey, inputs: DecisionInput, action: Action) -> None:
        entry = entry_for(key, inputs, action)
        if entry is not None and key not in self.over:
            self.entries[key] = entry
            if entry.action in WRITES:
                self.over.add(key)

    def ended(self, key: ObjectKey, outcome: Outcome, problem: OperatorError | None) -> None:
        if outcome is Outcome.WAITING or key in self.over:
            return
        if problem is not None:
            self.entries[key] = entry_for_problem(key, problem)
        self.over.add(key)
        self._is_over()


SENT: Final = {
    PlannedAction.CREATE: "CREATE",
    PlannedAction.UPDATE: "UPDATE {}",
    PlannedAction.ADOPT: "UPDATE {}",
    PlannedAction.DELETE: "DELETE {}",
}
"""The request that NetBird receives for an action."""
WRITES: Final = {
    PlannedAction.CREATE,
    PlannedAction.UPDATE,
    PlannedAction.ADOPT,
    PlannedAction.DELETE,
    PlannedAction.RELEASE,
}


class Cut:
    """A scenario that stops at any point. From then on nothing fails, and no user acts."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.observer = Observer(self._first_is_over)
        self.received_at_first: set[str] = set()
        """The requests that NetBird received until the first reconcile of each resource was over."""
        self.planning: Planning | None = None
        self.scenario = RandomScenario(draw_plan(seed), Controller)
        self.world = self.scenario.world

    def run(self) -> tuple[dict[ObjectKey, PlanEntry], dict[ObjectKey, PlanEntry]]:
        """Return the plan, and the actions of the next process."""
        self._run_scenario()
        planned = self._plan()
        self._follow()
        self._check_requests(planned)
        return planned, {key: each for key, each in self.observer.entries.items() if key in planned}

    def _check_requests(self, planned: dict[ObjectKey, PlanEntry]) -> None:
        """Check the plan against what NetBird received, and not against decisions."""
        received = set(self.world.clients[-1].calls)
        for each in planned.values():
            if each.action in SENT:
                assert SENT[each.action].format(each.integration) in received, each
        if all(each.action is PlannedAction.NOTHING for each in planned.values()):
            # A later resync may see what no LIST has shown so far.
            assert {each.split()[0] for each in self.received_at_first} <= READS, planned

    def _run_scenario(self) -> None:
        world, scenario = self.world, self.scenario
        world.token("tok-acc-a", scenario.account, scenario.token)
        scenario.connect("main")
        for planned in scenario.plan.planned_actions:
            world.at(planned.at, partial(scenario._do, planned))
        draw = random.Random(f"cut {self.seed}")
        cut = draw.uniform(5, ACTIVE)
        world.run_until(cut)
        self._kill_all()
        # Users and other clients continue for a while without an operator.
        world.loop.run_until(world.loop.now + draw.uniform(0, ACTIVE / 2))
        self._kill_all()
        world.loop._timers.clear()
        world.environment = replace(world.environment, watch=Watch(), election=None)
        for network in (world.to_cluster, world.to_netbird):
            network.network_faults = NetworkFaults()
            network.injected_faults.clear()
        world.hostile.silent = True
        world.loop.now += QUIET_SECONDS

    def _kill_all(self) -> None:
        for process in self.world.processes:
            process.on_death = partial(self.world.promises.died, process)
            self.world.kill(process)

    def _plan(self) -> dict[ObjectKey, PlanEntry]:
        before = self.world.api.version
        self.world.make = self._planning
        process = self.world.start()
        process.lease_until = float("inf")
        self._pass_time()
        assert self.planning is not None
        assert self.planning.entries is not None, "the plan is not complete"
        assert self.world.clusters[-1].writes == []
        assert {each.split()[0] for each in self.world.clients[-1].calls} <= READS
        assert self.world.clients[-1].held_back == []
        assert self.world.api.version == before
        if process.owner.alive:
            self.world.kill(process)
        self.world.loop._timers.clear()
        return {ObjectKey(each.kind, each.namespace, each.name): each for each in self.planning.entries}

    def _follow(self) -> None:
        self.world.make = self._observed
        self.world.start()
        self._pass_time()

    def _first_is_over(self) -> None:
        self.received_at_first = set(self.world.clients[-1].calls)

    def _pass_time(self) -> None:
        self.world.loop.run_until(self.world.loop.now + ENOUGH_SECONDS)

    def _planning(self, ports: Ports, settings: ControllerSettings) -> Planning:
        self.planning = Planning(ports, settings)
        return self.planning

    def _observed(self, ports: Ports, settings: ControllerSettings) -> Controller:
        return Controller(replace(ports, observer=self.observer), settings)


def compare(seed: int) -> tuple[list[str], list[PlannedAction]]:
    """Return the differences for a seed, and the planned actions."""
    cut = Cut(seed)
    try:
        planned, done = cut.run()
        pairs = [(each, done.get(key)) for key, each in planned.items()]
        wrong = [f"{seed}: {each} but {other}" for each, other in pairs if _essence(each) != _essence(other)]
        return wrong, [each.action for each in planned.values()]
    finally:
        cut.world.loop.dispose()


def _essence(entry: PlanEntry | None) -> PlanEntry | None:
    """Return an entry without the name of a conflicting owner: it depends on the order of reconciles."""
    if entry is None or entry.reason is not Reason.OWNERSHIP_CONFLICT:
        return entry
    return replace(entry, message="")


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_next_reconcile_follows_the_plan(first: int) -> None:
    wrong: list[str] = []
    actions: set[PlannedAction] = set()
    for seed in range(first, first + CHUNK):
        differs, planned = compare(seed)
        wrong += differs
        actions.update(planned)
    assert wrong == []
    assert actions >= set(PlannedAction) - {PlannedAction.RELEASE, PlannedAction.ADOPT}


def test_refused_list_is_named() -> None:
    scene = Scene()
    scene.create()
    planning: list[Planning] = []

    def make(ports: Ports, settings: ControllerSettings) -> Planning:
        planning.append(Planning(ports, settings))
        return planning[-1]

    scene.world.make = make
    scene.world.api.refused_kinds.add("ClusterNetBirdConnection")
    scene.lead()
    scene.wait(30)
    assert [entry.action for entry in planning[0].entries or ()] == [PlannedAction.CREATE]
    (problem,) = planning[0].planner.refusals
    assert problem.reason is Reason.KUBERNETES_REFUSED


def test_plan_names_another_installation_of_the_resources() -> None:
    scene = Scene()
    scene.lead()
    scene.create()
    scene.wait(30)
    planning: list[Planning] = []

    def make(ports: Ports, settings: ControllerSettings) -> Planning:
        planning.append(Planning(ports, settings))
        return planning[-1]

    scene.world.make = make
    scene.world.api.leases[INSTALLATION] = "7"
    scene.world.start(installation="elsewhere/lease")
    scene.wait(30)
    (entry,) = planning[0].entries or ()
    assert (entry.action, entry.reason) == (PlannedAction.CONFLICT, Reason.OTHER_INSTALLATION)
    assert INSTALLATION in entry.message


def test_planned_adoption_is_the_next_request() -> None:
    scene = Scene()
    draft = Draft("datadog", {"api_url": "https://theirs.example/", "api_key": "CANARY-stranger-v1"})
    found = scene.world.dashboard_creates("acc-a", draft)
    scene.create(adoption=Adoption(policy=AdoptionPolicy.OVERRIDE, id=found))
    manage, planning = scene.world.make, list[Planning]()

    def make(ports: Ports, settings: ControllerSettings) -> Planning:
        planning.append(Planning(ports, settings))
        return planning[-1]

    scene.world.make = make
    scene.lead()
    scene.wait(30)
    (entry,) = planning[0].entries or ()
    assert (entry.action, entry.integration, entry.fields) == (PlannedAction.ADOPT, found, ("api_url",))
    scene.world.make = manage
    scene.world.start()
    scene.wait(30)
    assert scene.find().status.id == found
    assert f"UPDATE {found}" in scene.world.clients[-1].calls
