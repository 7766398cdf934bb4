"""A seed that breaks a promise is replayed exactly, and shrunk to a readable scenario."""

from collections.abc import Sequence

import pytest

from tests.simulation import broken_controllers
from tests.simulation.loop import BEGIN
from tests.simulation.plan import PlannedAction
from tests.simulation.random_faults import Occasion, RandomFaults, RecordedFaults, ScriptedFaults
from tests.simulation.random_scenario import ACTS, draw_plan
from tests.simulation.seeds import run_plan, run_seed
from tests.simulation.shrink import FaultPart, shrink, shrink_seed
from tests.simulation.world import MakeController

MOST_SEEDS = 400
MOST_PARTS = 10

WRONG: tuple[tuple[str, str, MakeController], ...] = (
    ("an unanswered POST repeated", "S1", broken_controllers.with_netbird(broken_controllers.PostsAgain)),
    ("no wait for a late commit", "S2", broken_controllers.without_late_commit_wait),
    ("another client's integration deleted", "S3", broken_controllers.with_netbird(broken_controllers.DeletesTheFirst)),
    ("PUT again and again", "S5", broken_controllers.with_netbird(broken_controllers.PutsTwice)),
    ("a DELETE that is not sent", "S8", broken_controllers.with_netbird(broken_controllers.DeletesNothing)),
    ("blind to what is there", "L1", broken_controllers.with_netbird(broken_controllers.ListsNothing)),
)


def first_broken(promise: str, make: MakeController) -> int:
    """Return the first seed in which that promise is the first to break."""
    return next(seed for seed in range(MOST_SEEDS) if [*run_seed(seed, make).breaches, "none"][0].split()[0] == promise)


@pytest.mark.parametrize("seed", [0, 3, 7, 16, 47, 92])
def test_scenario_with_recorded_faults_equals_the_drawn_one(seed: int) -> None:
    plan = draw_plan(seed)
    record = RecordedFaults(RandomFaults(seed + 1))
    replayed = run_plan(plan, fault_source=record)
    assert replayed.log == run_seed(seed).log
    assert run_plan(plan, fault_source=ScriptedFaults(record.kept)).log == replayed.log


@pytest.mark.parametrize(("promise", "make"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG])
def test_broken_promise_is_shrunk_to_a_few_parts_that_break_the_same(promise: str, make: MakeController) -> None:
    shrunk = shrink_seed(first_broken(promise, make), make)
    assert shrunk.result.breaches[0].split()[0] == promise
    assert 1 <= len(shrunk.parts) <= MOST_PARTS
    text = str(shrunk)
    assert f"seed {shrunk.plan.seed} in {len(shrunk.parts)} parts:" in text
    assert f"broken: {promise}" in text


def test_shrunk_scenario_describes_actions_times_and_faults() -> None:
    make = broken_controllers.with_netbird(broken_controllers.PostsAgain)
    shrunk = shrink_seed(first_broken("S1", make), make)
    planned_actions = [each for each in shrunk.parts if isinstance(each, PlannedAction)]
    creates = [each for each in shrunk.parts if isinstance(each, FaultPart) and each.occasion.what == "netbird CREATE"]
    lines = str(shrunk).splitlines()
    for planned in planned_actions:
        assert f"{planned.at:9.3f}  {ACTS[planned.what].words.format(name=planned.name)}" in lines
    assert creates
    for (who, what, number), _ in creates:
        at = shrunk.moments[Occasion(who, what, number)] - BEGIN
        assert any(line.startswith(f"{at:9.3f}  {who}: netbird CREATE (no. {number}) ") for line in lines)


def test_shrunk_parts_break_the_promise_and_none_can_be_left_out() -> None:
    def breaks(parts: Sequence[int]) -> bool:
        return {3, 70} <= set(parts) and (11 in parts or 12 in parts)

    left = shrink(tuple(range(100)), breaks)
    assert breaks(left)
    assert left == (3, 11, 70)


def test_seed_without_violation_is_not_shrunk() -> None:
    with pytest.raises(ValueError, match="seed 3 breaks no promise"):
        shrink_seed(3)
