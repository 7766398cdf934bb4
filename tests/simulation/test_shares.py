"""The share of the scenarios in which each unspecified behaviour of the servers is drawn."""

from collections import Counter

import pytest

from tests.doubles.netbird.behaviour import Form
from tests.simulation.random_scenario import draw_plan
from tests.simulation.unspecified_behaviour import HABITS

SEEDS = 1_000


@pytest.fixture(scope="module")
def shares() -> Counter[str]:
    """Count the scenarios with each behaviour. Drawing a plan runs nothing."""
    counts: Counter[str] = Counter()
    for seed in range(SEEDS):
        plan = draw_plan(seed)
        behaviour = plan.environment.behaviour
        planned = {each.what for each in plan.planned_actions}
        drawn = {
            "form": behaviour.form is not Form.AS_SENT,
            "ids": behaviour.reuse_ids,
            "stamps": behaviour.stamps,
            "immutable": bool(behaviour.immutable),
            "lag": behaviour.get_lag,
            "cut": behaviour.list_limit is not None,
            "blank": "blank" in planned,
            "revert": "revert" in planned,
            "hang": bool(behaviour.hanging_hosts),
            "etcd": "restore_etcd" in planned,
            "database clock": behaviour.database_skew != 0,
            "strange items": behaviour.strange_items,
        }
        counts.update(name for name, is_drawn in drawn.items() if is_drawn)
        counts["any"] += any(drawn.values())
    return counts


def test_a_tenth_of_the_scenarios_has_unspecified_behaviour(shares: Counter[str]) -> None:
    assert shares["any"] >= SEEDS / 10


@pytest.mark.parametrize("name", [*HABITS, "etcd", "database clock", "strange items"])
def test_each_behaviour_is_drawn_in_at_least_one_scenario_of_a_hundred(shares: Counter[str], name: str) -> None:
    assert shares[name] >= SEEDS / 100
