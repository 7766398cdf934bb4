"""Stories that once broke a promise, as they were shrunk."""

from dataclasses import replace

import pytest

from netbird_streaming.reasons import Reason
from tests.doubles.netbird.behaviour import Behaviour
from tests.simulation.plan import Cast, Deed, Plan
from tests.simulation.random_faults import Fate, Luck, Occasion, Phase, Script
from tests.simulation.seeds import run_plan
from tests.simulation.shrink import CALM, EVEN
from tests.simulation.world import Climate


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


def test_what_the_former_token_shows_is_not_taken_for_a_create_of_another_accounts_token() -> None:
    plan = Plan(
        seed=14504,
        climate=Climate(behaviour=Behaviour(date_header=False), reads_accounts=False),
        deeds=(
            Deed(1.0, "stranger_creates", "r0", 1),
            Deed(5.0, "create", "r0", 3),
            Deed(10.0, "lead", "", 0),
            Deed(40.0, "switch_account", "", 1),
        ),
    )
    lost = Luck(Fate.UNANSWERED)
    result = run_plan(plan, chance=Script({Occasion("p0", "netbird CREATE", 1): lost}))
    assert any(f"Ready=False/{Reason.ACCOUNT_UNCONFIRMED}" in line for line in result.story)
    assert not result.breaches, str(result)


def test_a_token_that_changes_after_the_intent_is_not_what_the_post_is_sent_with() -> None:
    plan = Plan(
        seed=14504,
        deeds=(
            Deed(5.0, "create", "r0", 3),
            Deed(10.0, "lead", "", 0),
            Deed(10.3, "switch_account", "", 1),
        ),
    )
    slow, lost = Luck(back=50.0), Luck(Fate.UNANSWERED)
    script = {Occasion("p0", "k8s WRITE STATUS team/r0", 1): slow, Occasion("p0", "netbird CREATE", 1): lost}
    result = run_plan(plan, chance=Script(script))
    assert sum("intent#1 Ready=False/Progressing" in line for line in result.story) == 2
    assert not result.breaches, str(result)


def test_a_resource_that_goes_while_its_status_is_written_is_not_taken_back() -> None:
    plan = Plan(
        seed=16103,
        cast=Cast(resources=("r0", "r1"), twins=True),
        deeds=(
            Deed(0.0, "create", "r0", 3),
            Deed(5.0, "lead", "", 0),
            Deed(10.0, "create", "r1", 3),
            Deed(10.3, "delete", "r1", 0),
            Deed(20.0, "rotate_token", "", 0),
        ),
    )
    slow = Luck(back=50.0)
    result = run_plan(plan, chance=Script({Occasion("p0", "k8s WRITE STATUS team/r1", 1): slow}))
    gone = f"gone by user: v114 g1 id=None Ready=False/{Reason.OWNERSHIP_CONFLICT} -"
    assert any(gone in line for line in result.story)
    assert not result.breaches, str(result)


@pytest.mark.parametrize("phase", [None, Phase.UNDERWAY], ids=["unanswered", "of a process that died"])
def test_an_update_that_lands_after_the_one_that_followed_it_is_set_right(phase: Phase | None) -> None:
    plan = Plan(
        seed=20021,
        deeds=(
            Deed(0.0, "create", "r0", 5),
            Deed(5.0, "lead", "", 0),
            Deed(10.0, "edit_url", "r0", 0),
            Deed(60.0, "set_value", "r0", 0),
        ),
    )
    late = Luck(Fate.LATE, phase, lateness=0.9)
    result = run_plan(plan, chance=Script({Occasion("p0", "netbird UPDATE 9007199254740993", 1): late}))
    assert any("carries out UPDATE LATE" in line for line in result.story)
    assert any("event team/r0: Corrected" in line for line in result.story)
    assert not result.breaches, str(result)


def test_an_update_that_lands_between_two_looks_at_what_a_server_keeps_in_its_own_form_is_set_right() -> None:
    plan = Plan(
        seed=217927,
        climate=Climate(behaviour=replace(EVEN, normalise_urls=True), watch=CALM),
        deeds=(
            Deed(0.0, "create", "r0", 0),
            Deed(5.0, "lead", "", 0),
            Deed(10.0, "toggle", "r0", 0),
            Deed(50.0, "set_value", "r0", 0),
            Deed(70.0, "set_value", "r0", 0),
        ),
    )
    late = Luck(Fate.LATE, lateness=0.15)
    result = run_plan(plan, chance=Script({Occasion("p0", "netbird UPDATE 9007199254740993", 2): late}))
    assert any("carries out UPDATE LATE" in line for line in result.story)
    assert not result.breaches, str(result)


def test_a_strangers_write_is_undone_once_where_the_list_shows_that_late() -> None:
    plan = Plan(
        seed=163,
        climate=Climate(behaviour=replace(EVEN, list_lag=0.3), watch=CALM),
        deeds=(
            Deed(0.0, "create", "r0", 455939334),
            Deed(14.9, "lead", "", 3284460958),
            Deed(48.9, "stranger_edits", "r0", 0),
        ),
    )
    result = run_plan(plan, chance=Script({}))
    assert sum("netbird carries out UPDATE" in line for line in result.story) == 1
    assert not result.breaches, str(result)


def test_an_intent_that_was_written_unanswered_is_known_though_the_next_one_does_not_arrive() -> None:
    plan = Plan(seed=58410, deeds=(Deed(0.0, "create", "r0", 3), Deed(5.0, "lead", "", 0)))
    script = {
        Occasion("p0", "k8s WRITE STATUS team/r0", 1): Luck(Fate.UNANSWERED, patience=3.0),
        Occasion("p0", "k8s WRITE STATUS team/r0", 2): Luck(Fate.DROPPED),
    }
    result = run_plan(plan, chance=Script(script))
    assert not any(Reason.CREATE_OUTCOME_UNKNOWN in line for line in result.story)
    assert not result.breaches, str(result)
