"""The mapping of failures of the API server to the operator's errors, without their text."""

import pytest
from aiohttp import ClientConnectorError, ClientPayloadError, ServerDisconnectedError
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.aio.client.exceptions import ApiException

from netbird_streaming.cluster.errors import TERMINATING, DeniedError, TerminatingError, to_operator_error
from netbird_streaming.errors import ConflictError, Effect, ObjectGoneError, OperatorError, RetryError, WaitError
from netbird_streaming.reasons import Reason

LEAK = "hunter2"
NOWHERE = ConnectionKey("127.0.0.1", 1, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None)
UNKNOWN = [ClientPayloadError(LEAK), ServerDisconnectedError(LEAK), TimeoutError(LEAK), OSError(LEAK), ValueError(LEAK)]


def answered(status: int, **headers: str) -> ApiException:
    error = ApiException(status=status, reason=LEAK, body=LEAK)
    error.headers = {"X-Leak": LEAK, **headers}
    return error


@given(st.integers(-1, 700), st.booleans())
def test_every_status_is_mapped_without_the_servers_text(status: int, write: bool) -> None:  # noqa: FBT001 - hypothesis passes it by name
    mapped = to_operator_error(answered(status), "Secret team-a/datadog", write=write)
    assert isinstance(mapped, RetryError | WaitError)
    assert mapped.message.startswith("Secret team-a/datadog: ")
    assert LEAK not in repr(mapped)


@pytest.mark.parametrize(
    ("status", "branch", "reason"),
    [
        (400, WaitError, Reason.KUBERNETES_REFUSED),
        (401, WaitError, Reason.KUBERNETES_REFUSED),
        (403, DeniedError, Reason.KUBERNETES_REFUSED),
        (404, ObjectGoneError, Reason.KUBERNETES_REFUSED),
        (408, RetryError, Reason.UNAVAILABLE),
        (409, ConflictError, Reason.PROGRESSING),
        (410, RetryError, Reason.UNAVAILABLE),
        (422, WaitError, Reason.KUBERNETES_REFUSED),
        (429, RetryError, Reason.UNAVAILABLE),
        (500, RetryError, Reason.UNAVAILABLE),
        (501, WaitError, Reason.KUBERNETES_REFUSED),
        (504, RetryError, Reason.UNAVAILABLE),
    ],
)
def test_error_class_says_what_happens_next(status: int, branch: type[OperatorError], reason: Reason) -> None:
    mapped = to_operator_error(answered(status), "x", write=True)
    assert (type(mapped), mapped.reason) == (branch, reason)


def test_terminating_namespace_is_no_missing_right() -> None:
    refused = ApiException(status=403, reason=TERMINATING)
    mapped = to_operator_error(refused, "an Event", write=True)
    assert (type(mapped), mapped.message) == (TerminatingError, "an Event: its namespace is being deleted.")
    assert type(to_operator_error(ApiException(status=422, reason=TERMINATING), "x", write=True)) is WaitError


@pytest.mark.parametrize("error", UNKNOWN)
def test_unanswered_write_may_have_been_applied(error: Exception) -> None:
    mapped = to_operator_error(error, "x", write=True)
    assert (type(mapped), mapped.effect) == (RetryError, Effect.UNKNOWN)
    assert LEAK not in repr(mapped)
    assert to_operator_error(error, "x", write=False).effect is Effect.NONE


def test_refused_connection_and_refusal_have_no_effect() -> None:
    assert to_operator_error(ClientConnectorError(NOWHERE, OSError()), "x", write=True).effect is Effect.NONE
    assert to_operator_error(answered(429), "x", write=True).effect is Effect.NONE
    assert to_operator_error(answered(409), "x", write=True).effect is Effect.NONE
    assert to_operator_error(answered(500), "x", write=True).effect is Effect.UNKNOWN


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("99999", 600.0), ("-1", None), ("soon", None), ("1e3", None), ("²", None)]
)
def test_retry_after_is_used_if_it_is_in_seconds(header: str, seconds: float | None) -> None:
    mapped = to_operator_error(answered(429, **{"Retry-After": header}), "x", write=False)
    assert isinstance(mapped, RetryError)
    assert mapped.retry_after == seconds
