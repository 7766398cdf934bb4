"""Every reason: `plan` and `check` name the reason and the remedy that the status names."""

from collections.abc import Mapping
from typing import Final

import pytest

from netbird_streaming.api.status import Condition
from netbird_streaming.api.types import ObjectKey
from netbird_streaming.cli.check_kubernetes import problem
from netbird_streaming.cli.output import State, to_data
from netbird_streaming.core.actions import ReadyState, Report, refuse, report_of
from netbird_streaming.core.decide import decide
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.memory import Memory
from netbird_streaming.core.plan import PlannedAction, entry_for, entry_for_problem
from netbird_streaming.core.status import updates
from netbird_streaming.errors import EditError, OperatorError, RetryError, WaitError
from netbird_streaming.reasons import Reason
from tests.harness.cases import NOW, case, integration, route_of, view

RESOURCE: Final = ObjectKey("EventStreamingIntegration", "team-a", "web")
SENTENCE: Final = "The sentence of the status."
NOT_STALLED: Final = {Reason.SYNCED: ReadyState.READY, Reason.SUSPENDED: ReadyState.SUSPENDED}
"""Reasons of a resource that is as its user wants it."""
PLANNED: Final[Mapping[PlannedAction, frozenset[Reason]]] = {
    PlannedAction.NOTHING: frozenset(NOT_STALLED),
    PlannedAction.WAIT: frozenset(
        {
            Reason.PENDING,
            Reason.PROGRESSING,
            Reason.DELETING,
            Reason.RATE_LIMITED,
            Reason.UNAVAILABLE,
            Reason.UNEXPECTED_ANSWER,
            Reason.CREATE_OUTCOME_UNKNOWN,
        }
    ),
    PlannedAction.CONFLICT: frozenset(
        {
            Reason.ADOPTION_CLAIMED,
            Reason.ALREADY_EXISTS,
            Reason.CONTENDED,
            Reason.IDENTICAL_EXISTS,
            Reason.OTHER_INSTALLATION,
            Reason.OWNERSHIP_CONFLICT,
        }
    ),
    PlannedAction.REJECT: frozenset(
        {
            Reason.CONNECTION_NOT_FOUND,
            Reason.NAMESPACE_NOT_ALLOWED,
            Reason.PLAIN_HTTP_NOT_ALLOWED,
            Reason.CONNECTION_INVALID,
            Reason.SECRET_NOT_FOUND,
            Reason.SECRET_KEY_NOT_FOUND,
            Reason.SECRET_VALUE_INVALID,
            Reason.TOO_MANY_CONNECTIONS,
            Reason.CA_BUNDLE_INVALID,
            Reason.TOKEN_REJECTED,
            Reason.PERMISSION_DENIED,
            Reason.NOT_LICENSED,
            Reason.CONFIGURATION_REJECTED,
            Reason.DESTINATION_REJECTED,
            Reason.KUBERNETES_REFUSED,
            Reason.CREATE_AMBIGUOUS,
            Reason.ADOPTION_NOT_ALLOWED,
            Reason.ADOPTION_NOT_FOUND,
            Reason.ADOPTION_MISMATCH,
            Reason.ADOPTION_AMBIGUOUS,
            Reason.OWNER_UNKNOWN,
            Reason.RESTORED_STATUS,
            Reason.ACCOUNT_UNCONFIRMED,
            Reason.ACCOUNT_MISMATCH,
            Reason.PLATFORM_MISMATCH,
            Reason.DRIFTED,
            Reason.NOT_APPLIED,
            Reason.INTEGRATIONS_VANISHED,
            Reason.REMOTE_DELETED,
            Reason.RESOURCE_UNREADABLE,
        }
    ),
}
"""What `plan` prints for a resource with this reason. A new reason needs an entry."""
ACTIONS: Final = {reason: action for action, reasons in PLANNED.items() for reason in reasons}
ERRORS: Final[tuple[type[OperatorError], ...]] = (RetryError, WaitError, EditError)


def ready(inputs: DecisionInput, report: Report) -> Condition:
    """Return the condition Ready that the operator writes for a report."""
    return next(each for each in updates.reported(inputs, report).conditions if each.type == "Ready")


def test_each_reason_has_a_planned_action() -> None:
    assert ACTIONS.keys() == set(Reason) - {Reason.OBSERVE_ONLY}
    assert len(ACTIONS) == sum(map(len, PLANNED.values()))


@pytest.mark.parametrize("reason", sorted(ACTIONS))
def test_plan_shows_the_reason_and_the_remedy_of_the_status(reason: Reason) -> None:
    inputs = case(integration())
    state = NOT_STALLED.get(reason)
    message = f"{SENTENCE} {reason.remedy}"
    report = refuse(reason, SENTENCE) if state is None else Report(state, reason, message)
    entry, condition = entry_for(RESOURCE, inputs, report), ready(inputs, report)
    assert entry is not None
    assert (condition.reason, condition.message) == (reason.value, message)
    shown = to_data(entry)
    assert (shown["reason"], shown["message"]) == (condition.reason, condition.message)
    assert entry.action is ACTIONS[reason]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("reason", sorted(ACTIONS.keys() - NOT_STALLED.keys()))
def test_plan_and_check_show_the_reason_and_the_remedy_of_an_error(reason: Reason, error: type[OperatorError]) -> None:
    inputs, raised = case(integration()), error(reason, f"{SENTENCE} {reason.remedy}")
    condition, entry = ready(inputs, report_of(raised)), entry_for_problem(RESOURCE, raised)
    assert (entry.reason, entry.message, entry.action) == (condition.reason, condition.message, ACTIONS[reason])
    finding = problem("Connection", raised)
    assert (finding.state, finding.reason, finding.remedy) == (State.PROBLEM, condition.reason, reason.remedy)
    assert f"{finding.message} {finding.remedy}" == condition.message
    assert str(finding) == f"✘ Connection: {SENTENCE} → {reason.remedy}"


@pytest.mark.parametrize("reason", Reason)
def test_check_shows_the_remedy_of_a_message_without_one(reason: Reason) -> None:
    assert str(problem("Connection", WaitError(reason, SENTENCE))) == f"✘ Connection: {SENTENCE} → {reason.remedy}"


def test_plan_shows_the_write_that_an_observed_connection_reports() -> None:
    memory = Memory(finalizer_seen_at=NOW - 100)
    inputs = case(integration(), memory=memory, snapshot=view(), target=route_of(observe_only=True))
    report = decide(inputs)
    assert isinstance(report, Report)
    assert report.reason is Reason.OBSERVE_ONLY
    entry, condition = entry_for(RESOURCE, inputs, report), ready(inputs, report)
    assert entry is not None
    assert (entry.action, entry.reason) == (PlannedAction.CREATE, None)
    assert condition.message == f"The operator would c{entry.message[1:]} {Reason.OBSERVE_ONLY.remedy}"
