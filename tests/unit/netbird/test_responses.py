"""The meaning of each response and of a missing one, for each operation."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.errors import EditError, Effect, NotFoundError, OperatorError, RetryError, WaitError
from netbird_streaming.netbird import responses
from netbird_streaming.netbird.responses import Call, NoResponse, Operation, Response, TransportFailure
from netbird_streaming.reasons import Reason
from tests.unit.netbird.fakes import START

JSON_404 = b'{"message":"not found","code":404}'
READS = [Operation.LIST, Operation.GET, Operation.ACCOUNT]
WRITES = [Operation.CREATE, Operation.UPDATE, Operation.DELETE]
CONFIGURING = [Operation.CREATE, Operation.UPDATE]
BY_ID = [Operation.GET, Operation.UPDATE, Operation.DELETE]
SECRET = "sk-very-secret"

outcomes = st.builds(
    Response,
    st.integers(100, 999),
    st.binary(max_size=40) | st.just(JSON_404),
    st.none() | st.just(responses.TRUNCATED),
    st.none() | st.text(),
    st.none() | st.text() | st.integers().map(str),
) | st.builds(NoResponse, st.sampled_from(TransportFailure), st.booleans())


def error(operation: Operation, outcome: Response | NoResponse) -> OperatorError:
    return responses.to_operator_error(Call(operation, 7 if operation.is_by_id else None), outcome, START)


@given(st.sampled_from(Operation), outcomes)
def test_every_outcome_has_a_meaning(operation: Operation, outcome: Response | NoResponse) -> None:
    problem = error(operation, outcome)
    assert problem.message.endswith(".")
    assert str(Call(operation, 7)).split(" ")[0] in problem.message
    if not operation.is_write:
        assert problem.effect is Effect.NONE


@given(st.sampled_from(WRITES), outcomes)
def test_write_had_no_effect_only_if_that_is_proven(operation: Operation, outcome: Response | NoResponse) -> None:
    proven = not outcome.sent if isinstance(outcome, NoResponse) else outcome.status in responses.REFUSALS
    assert (error(operation, outcome).effect is Effect.NONE) is proven


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize(
    ("status", "branch", "reason"),
    [
        (401, WaitError, Reason.TOKEN_REJECTED),
        (403, WaitError, Reason.PERMISSION_DENIED),
        (429, RetryError, Reason.RATE_LIMITED),
        (500, RetryError, Reason.UNAVAILABLE),
        (504, RetryError, Reason.UNAVAILABLE),
        (408, RetryError, Reason.UNAVAILABLE),
        (301, RetryError, Reason.UNEXPECTED_ANSWER),
        (418, RetryError, Reason.UNEXPECTED_ANSWER),
        (200, RetryError, Reason.UNEXPECTED_ANSWER),
    ],
)
def test_outcomes_with_one_meaning_for_all_operations(
    operation: Operation, status: int, branch: type[OperatorError], reason: Reason
) -> None:
    problem = error(operation, Response(status, b'{"message":"' + SECRET.encode() + b'"}'))
    assert (type(problem), problem.reason) == (branch, reason)
    assert SECRET not in repr(problem)


@pytest.mark.parametrize("operation", [Operation.LIST, *CONFIGURING, Operation.DELETE])
@pytest.mark.parametrize("status", [400, 401, 403, 409, 412, 422])
def test_page_of_a_firewall_or_an_sso_proxy_is_not_netbirds_response(operation: Operation, status: int) -> None:
    problem = error(operation, Response(status, b"<html>Request blocked " + SECRET.encode()))
    assert (type(problem), problem.reason, problem.effect) == (WaitError, Reason.UNEXPECTED_ANSWER, Effect.NONE)
    assert f"the answer {status} is not NetBird's own" in problem.message
    assert SECRET not in repr(problem)


def test_label_of_a_transport_failure_is_in_the_closed_list() -> None:
    assert {each.label for each in TransportFailure} == {"dns", "refused", "timeout", "tls", "proxy", "reset"}


@pytest.mark.parametrize("operation", CONFIGURING)
@pytest.mark.parametrize(
    ("status", "branch", "reason"),
    [
        (400, EditError, Reason.CONFIGURATION_REJECTED),
        (422, EditError, Reason.CONFIGURATION_REJECTED),
        (409, WaitError, Reason.ALREADY_EXISTS),
        (412, WaitError, Reason.DESTINATION_REJECTED),
    ],
)
def test_errors_about_the_configuration(
    operation: Operation, status: int, branch: type[OperatorError], reason: Reason
) -> None:
    problem = error(operation, Response(status, b'{"message":"' + SECRET.encode() + b'"}'))
    assert (type(problem), problem.reason) == (branch, reason)
    assert SECRET not in repr(problem)


@pytest.mark.parametrize("operation", [*READS, Operation.DELETE])
@pytest.mark.parametrize("status", [400, 409, 412, 422])
def test_request_without_a_configuration_has_no_configuration_error(operation: Operation, status: int) -> None:
    assert error(operation, Response(status)).reason is Reason.UNEXPECTED_ANSWER


@pytest.mark.parametrize("operation", BY_ID)
def test_only_json_reports_an_absent_integration(operation: Operation) -> None:
    assert isinstance(error(operation, Response(404, JSON_404)), NotFoundError)
    for body in (b"404 page not found\n", b"<!doctype html>", b"", b'"not found"', b"null"):
        problem = error(operation, Response(404, body))
        assert (type(problem), problem.reason) == (WaitError, Reason.NOT_LICENSED)


@pytest.mark.parametrize("operation", [*BY_ID, Operation.LIST, Operation.CREATE])
def test_truncated_404_proves_nothing(operation: Operation) -> None:
    problem = error(operation, Response(404, b"", responses.TRUNCATED))
    assert (type(problem), problem.reason, problem.effect) == (RetryError, Reason.UNEXPECTED_ANSWER, Effect.NONE)
    assert responses.TRUNCATED in problem.message


@pytest.mark.parametrize("body", [JSON_404, b"404 page not found"])
def test_collection_is_never_an_absent_integration(body: bytes) -> None:
    for operation in (Operation.LIST, Operation.CREATE):
        problem = error(operation, Response(404, body))
        assert (type(problem), problem.reason) == (WaitError, Reason.NOT_LICENSED)
    assert error(Operation.ACCOUNT, Response(404, body)).reason is Reason.ACCOUNT_UNCONFIRMED


@pytest.mark.parametrize("obstacle", TransportFailure)
def test_each_transport_failure_has_a_remedy(obstacle: TransportFailure) -> None:
    problem = error(Operation.UPDATE, NoResponse(obstacle, sent=True))
    assert (type(problem), problem.reason, problem.effect) == (RetryError, Reason.UNAVAILABLE, Effect.UNKNOWN)
    assert problem.message == f"Updating integration 7: {obstacle.words}. {Reason.UNAVAILABLE.remedy}"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("17", 17.0),
        (" 0 ", 0.0),
        ("Fri, 01 May 2026 12:01:30 GMT", 90.0),
        ("Fri, 01 May 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("1e3", None),
        ("²", None),
    ],
)
def test_both_formats_of_retry_after_are_read(text: str | None, seconds: float | None) -> None:
    assert responses.retry_after(Response(429, retry_after=text), START) == seconds


def test_retry_date_is_relative_to_the_servers_clock() -> None:
    response = Response(503, date="Fri, 01 May 2026 12:01:00 GMT", retry_after="Fri, 01 May 2026 12:01:30 GMT")
    problem = responses.to_operator_error(Call(Operation.LIST), response, START - timedelta(hours=3))
    assert isinstance(problem, RetryError)
    assert problem.retry_after == 30.0


@given(st.none() | st.text())
def test_any_text_is_a_date_or_none(text: str | None) -> None:
    moment = responses.parse_date(text)
    assert moment is None or moment.tzinfo is not None
