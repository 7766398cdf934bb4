"""Stories that once broke a promise, as they were shrunk."""

from tests.simulation.chance import Fate, Luck, Occasion, Script
from tests.simulation.plan import Deed, Plan
from tests.simulation.seeds import run_plan


def test_a_frozen_leaders_create_goes_on_while_the_next_leader_waits_for_a_late_commit() -> None:
    plan = Plan(
        seed=16172,
        deeds=(
            Deed(0.0, "create", "r0", 0),
            Deed(7.3, "lead", "", 0),
            Deed(8.8, "overlap", "", 3),
            Deed(84.0, "delete", "r0", 0),
        ),
    )
    late = Luck(Fate.LATE, lateness=0.99)
    result = run_plan(plan, chance=Script({Occasion("p0", "netbird CREATE", 1): late}))
    assert not result.breaches, str(result)


def test_a_create_whose_answer_was_lost_is_not_looked_for_with_another_accounts_token() -> None:
    plan = Plan(
        seed=100597,
        deeds=(
            Deed(0.0, "create", "r0", 0),
            Deed(5.0, "lead", "", 0),
            Deed(40.0, "switch_account", "", 0),
        ),
    )
    lost = Luck(Fate.UNANSWERED)
    result = run_plan(plan, chance=Script({Occasion("p0", "netbird CREATE", 1): lost}))
    assert any("the administrator takes another account's token" in line for line in result.story)
    assert not result.breaches, str(result)
