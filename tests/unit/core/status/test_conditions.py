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
        for each in conditions(ConditionInput(state, Reason.DRIFTED, "why", "drift", suspended=True), (), 1, WALL)
    }
    assert written == CONDITION_TYPES
