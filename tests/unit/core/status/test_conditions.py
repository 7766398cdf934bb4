"""Conditions: every type that is written is known as ours."""

from netbird_streaming.api.status import CONDITION_TYPES
from netbird_streaming.core.actions import ReadyState
from netbird_streaming.core.status.conditions import ConditionInput, conditions
from netbird_streaming.reasons import Reason
from tests.harness.cases import WALL


def test_every_type_that_is_written_is_known_as_ours() -> None:
    written = {
        each.type
        for state in ReadyState
        for each in conditions(
            ConditionInput(state, Reason.DRIFTED, "why", "drift", suspended=Reason.SUSPENDED), (), 1, WALL
        )
    }
    assert written == CONDITION_TYPES


def test_the_condition_suspended_says_what_holds_the_writes_back() -> None:
    def said(suspended: Reason) -> tuple[str, str]:
        given = ConditionInput(ReadyState.SUSPENDED, suspended, "why", suspended=suspended)
        (found,) = (each for each in conditions(given, (), 1, WALL) if each.type == "Suspended")
        return found.reason, found.message

    assert said(Reason.SUSPENDED) == ("Suspended", "The resource is suspended; only deletion acts.")
    assert said(Reason.OBSERVE_ONLY) == (
        "ObserveOnly",
        "The connection is observed only; nothing is written to NetBird.",
    )
