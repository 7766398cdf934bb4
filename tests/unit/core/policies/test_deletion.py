"""The report of a deletion that can't be finished."""

from netbird_streaming.core.policies.deletion import DELETION_BLOCKED_HELP, report_problem
from netbird_streaming.errors import RetryError
from netbird_streaming.reasons import Reason
from tests.harness.cases import case, integration

PROBLEM = RetryError(Reason.TOKEN_REJECTED, "Listing the integrations: NetBird rejects the token.")


def test_failed_request_during_a_deletion_names_the_remedies() -> None:
    found = report_problem(case(integration(deletionTimestamp="2026-05-01T11:00:00Z")), PROBLEM)
    assert found.message == f"Listing the integrations: NetBird rejects the token. {DELETION_BLOCKED_HELP}"
    assert found.reason is Reason.TOKEN_REJECTED


def test_failed_request_otherwise_does_not() -> None:
    assert report_problem(case(integration()), PROBLEM).message == PROBLEM.message
