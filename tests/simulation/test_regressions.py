"""ShrunkScenario scenarios that once broke a promise."""

from dataclasses import replace

import pytest

from netbird_streaming.reasons import Reason
from tests.doubles.netbird.behaviour import Behaviour
from tests.simulation.plan import Participants, Plan, PlannedAction
from tests.simulation.random_faults import Occasion, Phase, RequestDraw, RequestFault, ScriptedFaults
from tests.simulation.seeds import run_plan
from tests.simulation.shrink import CALM, EVEN
from tests.simulation.world import Environment


def test_create_of_a_frozen_leader_continues_while_the_next_waits_for_a_late_commit() -> None:
    plan = Plan(
        seed=16172,
        planned_actions=(
            PlannedAction(0.0, "create", "r0", 0),
            PlannedAction(7.3, "lead", "", 0),
            PlannedAction(8.8, "overlap", "", 3),
            PlannedAction(84.0, "delete", "r0", 0),
        ),
    )
    late = RequestDraw(RequestFault.LATE, lateness=0.99)
    result = run_plan(plan, fault_source=ScriptedFaults({Occasion("p0", "netbird CREATE", 1): late}))
    assert not result.breaches, str(result)


def test_lost_create_is_not_searched_with_another_accounts_token() -> None:
    plan = Plan(
        seed=100597,
        planned_actions=(
            PlannedAction(0.0, "create", "r0", 0),
            PlannedAction(5.0, "lead", "", 0),
            PlannedAction(40.0, "switch_account", "", 0),
        ),
    )
    lost = RequestDraw(RequestFault.UNANSWERED)
    result = run_plan(plan, fault_source=ScriptedFaults({Occasion("p0", "netbird CREATE", 1): lost}))
    assert any("the administrator takes another account's token" in line for line in result.log)
    assert not result.breaches, str(result)


def test_list_of_a_previous_token_is_not_taken_for_a_create_with_another() -> None:
    plan = Plan(
        seed=14504,
        environment=Environment(behaviour=Behaviour(date_header=False), reads_accounts=False),
        planned_actions=(
            PlannedAction(1.0, "dashboard_creates", "r0", 1),
            PlannedAction(5.0, "create", "r0", 3),
            PlannedAction(10.0, "lead", "", 0),
            PlannedAction(40.0, "switch_account", "", 1),
        ),
    )
    lost = RequestDraw(RequestFault.UNANSWERED)
    result = run_plan(plan, fault_source=ScriptedFaults({Occasion("p0", "netbird CREATE", 1): lost}))
    assert any(f"Ready=False/{Reason.ACCOUNT_UNCONFIRMED}" in line for line in result.log)
    assert not result.breaches, str(result)


def test_post_is_not_sent_with_a_token_that_changed_after_the_intent() -> None:
    plan = Plan(
        seed=14504,
        planned_actions=(
            PlannedAction(5.0, "create", "r0", 3),
            PlannedAction(10.0, "lead", "", 0),
            PlannedAction(10.3, "switch_account", "", 1),
        ),
    )
    slow, lost = RequestDraw(back=50.0), RequestDraw(RequestFault.UNANSWERED)
    script = {Occasion("p0", "k8s WRITE STATUS team/r0", 1): slow, Occasion("p0", "netbird CREATE", 1): lost}
    result = run_plan(plan, fault_source=ScriptedFaults(script))
    assert sum("intent#1 Ready=False/Progressing" in line for line in result.log) == 2
    assert not result.breaches, str(result)


def test_resource_removed_during_its_status_write_is_not_restored() -> None:
    plan = Plan(
        seed=16103,
        participants=Participants(resources=("r0", "r1"), identical=True),
        planned_actions=(
            PlannedAction(0.0, "create", "r0", 3),
            PlannedAction(5.0, "lead", "", 0),
            PlannedAction(10.0, "create", "r1", 3),
            PlannedAction(10.3, "delete", "r1", 0),
            PlannedAction(20.0, "rotate_token", "", 0),
        ),
    )
    slow = RequestDraw(back=50.0)
    result = run_plan(plan, fault_source=ScriptedFaults({Occasion("p0", "k8s WRITE STATUS team/r1", 1): slow}))
    gone = f"gone by user: v114 g1 id=None Ready=False/{Reason.OWNERSHIP_CONFLICT} -"
    assert any(gone in line for line in result.log)
    assert not result.breaches, str(result)


@pytest.mark.parametrize("phase", [None, Phase.UNDERWAY], ids=["unanswered", "of a process that died"])
def test_late_update_after_its_successor_is_corrected(phase: Phase | None) -> None:
    plan = Plan(
        seed=20021,
        planned_actions=(
            PlannedAction(0.0, "create", "r0", 5),
            PlannedAction(5.0, "lead", "", 0),
            PlannedAction(10.0, "edit_url", "r0", 0),
            PlannedAction(60.0, "set_value", "r0", 0),
        ),
    )
    late = RequestDraw(RequestFault.LATE, phase, lateness=0.9)
    result = run_plan(plan, fault_source=ScriptedFaults({Occasion("p0", "netbird UPDATE 9007199254740993", 1): late}))
    assert any("carries out UPDATE LATE" in line for line in result.log)
    assert any("event team/r0: Corrected" in line for line in result.log)
    assert not result.breaches, str(result)


def test_late_update_between_two_reads_of_a_normalized_value_is_corrected() -> None:
    plan = Plan(
        seed=217927,
        environment=Environment(behaviour=replace(EVEN, normalise_urls=True), watch=CALM),
        planned_actions=(
            PlannedAction(0.0, "create", "r0", 0),
            PlannedAction(5.0, "lead", "", 0),
            PlannedAction(10.0, "toggle", "r0", 0),
            PlannedAction(50.0, "set_value", "r0", 0),
            PlannedAction(70.0, "set_value", "r0", 0),
        ),
    )
    late = RequestDraw(RequestFault.LATE, lateness=0.15)
    result = run_plan(plan, fault_source=ScriptedFaults({Occasion("p0", "netbird UPDATE 9007199254740993", 2): late}))
    assert any("carries out UPDATE LATE" in line for line in result.log)
    assert not result.breaches, str(result)


def test_write_of_another_client_is_corrected_once_if_the_list_lags() -> None:
    plan = Plan(
        seed=163,
        environment=Environment(behaviour=replace(EVEN, list_lag=0.3), watch=CALM),
        planned_actions=(
            PlannedAction(0.0, "create", "r0", 455939334),
            PlannedAction(14.9, "lead", "", 3284460958),
            PlannedAction(48.9, "dashboard_edits", "r0", 0),
        ),
    )
    result = run_plan(plan, fault_source=ScriptedFaults({}))
    assert sum("netbird carries out UPDATE" in line for line in result.log) == 1
    assert not result.breaches, str(result)


def test_unanswered_intent_is_known_although_the_next_does_not_arrive() -> None:
    plan = Plan(seed=58410, planned_actions=(PlannedAction(0.0, "create", "r0", 3), PlannedAction(5.0, "lead", "", 0)))
    script = {
        Occasion("p0", "k8s WRITE STATUS team/r0", 1): RequestDraw(RequestFault.UNANSWERED, patience=3.0),
        Occasion("p0", "k8s WRITE STATUS team/r0", 2): RequestDraw(RequestFault.DROPPED),
    }
    result = run_plan(plan, fault_source=ScriptedFaults(script))
    assert not any(Reason.CREATE_OUTCOME_UNKNOWN in line for line in result.log)
    assert not result.breaches, str(result)
