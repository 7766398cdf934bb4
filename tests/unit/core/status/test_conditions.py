"""Conditions: every written type is known as the operator's own."""

from netbird_streaming.api.status import CONDITION_TYPES
from netbird_streaming.core.actions import ReadyState
from netbird_streaming.core.status.conditions import ConditionInput, conditions
from netbird_streaming.reasons import Reason
from tests.harness.cases import WALL


def test_every_written_type_is_known_as_own() -> None:
    written = {
        each.type
        for state in ReadyState
        for each in conditions(
            ConditionInput(state, Reason.DRIFTED, "why", "drift", suspended=Reason.SUSPENDED), (), 1, WALL
        )
    }
    assert written == CONDITION_TYPES


def test_suspended_condition_says_what_stops_the_writes() -> None:
    def said(suspended: Reason) -> tuple[str, str]:
        given = ConditionInput(ReadyState.SUSPENDED, suspended, "why", suspended=suspended)
        (found,) = (each for each in conditions(given, (), 1, WALL) if each.type == "Suspended")
        return found.reason, found.message

    assert said(Reason.SUSPENDED) == ("Suspended", "The resource is suspended; only deletion acts.")
    assert said(Reason.OBSERVE_ONLY) == (
        "ObserveOnly",
        "The connection is observed only; nothing is written to NetBird.",
    )
