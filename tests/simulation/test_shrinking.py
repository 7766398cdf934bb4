"""A seed that breaks a promise is told again exactly, and shrunk to a story that a person can read."""

from collections.abc import Sequence

import pytest

from tests.simulation import broken_controllers
from tests.simulation.loop import BEGIN
from tests.simulation.plan import Deed
from tests.simulation.random_faults import Dice, Occasion, Record, Script
from tests.simulation.random_scenario import ACTS, draw_plan
from tests.simulation.seeds import run_plan, run_seed
from tests.simulation.shrink import Struck, shrink, shrink_seed
from tests.simulation.world import MakeController

MOST_SEEDS = 400
MOST_PARTS = 10

WRONG: tuple[tuple[str, str, MakeController], ...] = (
    ("an unanswered POST repeated", "S1", broken_controllers.with_netbird(broken_controllers.PostsAgain)),
    ("no wait for a late commit", "S2", broken_controllers.impatient),
    ("a stranger's integration deleted", "S3", broken_controllers.with_netbird(broken_controllers.DeletesTheFirst)),
    ("PUT again and again", "S5", broken_controllers.with_netbird(broken_controllers.PutsTwice)),
    ("a DELETE that is not sent", "S8", broken_controllers.with_netbird(broken_controllers.DeletesNothing)),
    ("blind to what is there", "L1", broken_controllers.with_netbird(broken_controllers.SeesNothing)),
)


def first_broken(promise: str, make: MakeController) -> int:
    """The first seed in which that promise is the first to break."""
    return next(seed for seed in range(MOST_SEEDS) if [*run_seed(seed, make).breaches, "none"][0].split()[0] == promise)


@pytest.mark.parametrize("seed", [0, 3, 7, 16, 47, 92])
def test_a_story_whose_luck_is_given_is_the_one_whose_luck_was_drawn(seed: int) -> None:
    plan = draw_plan(seed)
    record = Record(Dice(seed + 1))
    told = run_plan(plan, chance=record)
    assert told.story == run_seed(seed).story
    assert run_plan(plan, chance=Script(record.kept)).story == told.story


@pytest.mark.parametrize(("promise", "make"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG])
def test_a_broken_promise_is_shrunk_to_a_few_parts_that_break_the_same(promise: str, make: MakeController) -> None:
    shrunk = shrink_seed(first_broken(promise, make), make)
    assert shrunk.result.breaches[0].split()[0] == promise
    assert 1 <= len(shrunk.parts) <= MOST_PARTS
    told = str(shrunk)
    assert f"seed {shrunk.plan.seed} in {len(shrunk.parts)} parts:" in told
    assert f"broken: {promise}" in told


def test_a_shrunk_story_says_in_words_who_did_what_when_and_what_befell_which_request() -> None:
    make = broken_controllers.with_netbird(broken_controllers.PostsAgain)
    shrunk = shrink_seed(first_broken("S1", make), make)
    deeds = [each for each in shrunk.parts if isinstance(each, Deed)]
    creates = [each for each in shrunk.parts if isinstance(each, Struck) and each.occasion.what == "netbird CREATE"]
    lines = str(shrunk).splitlines()
    for deed in deeds:
        assert f"{deed.at:9.3f}  {ACTS[deed.what].words.format(name=deed.name)}" in lines
    assert creates
    for (who, what, number), _ in creates:
        at = shrunk.moments[Occasion(who, what, number)] - BEGIN
        assert any(line.startswith(f"{at:9.3f}  {who}: netbird CREATE (no. {number}) ") for line in lines)


def test_what_is_left_breaks_and_nothing_in_it_can_be_left_out() -> None:
    def breaks(parts: Sequence[int]) -> bool:
        return {3, 70} <= set(parts) and (11 in parts or 12 in parts)

    left = shrink(tuple(range(100)), breaks)
    assert breaks(left)
    assert left == (3, 11, 70)


def test_a_seed_that_breaks_nothing_is_not_shrunk() -> None:
    with pytest.raises(ValueError, match="seed 3 breaks no promise"):
        shrink_seed(3)
