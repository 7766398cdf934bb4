"""Conversion of the exceptions of the Kubernetes client to the operator's error tree.

`str(ApiException)` holds the headers and the body of the response. Only the HTTP status or the type of an exception is
kept, chained or logged.
"""

from http import HTTPStatus
from typing import Final

import aiohttp
from kubernetes.aio.client.exceptions import ApiException

from netbird_streaming.errors import (
    ConflictError,
    Effect,
    ObjectGoneError,
    OperatorError,
    RetryError,
    WaitError,
)
from netbird_streaming.reasons import Reason

_TRY_AGAIN: Final = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GONE, HTTPStatus.TOO_MANY_REQUESTS}
_LONGEST_RETRY_AFTER: Final = 600.0
TERMINATING: Final = "NamespaceTerminating"
"""The cause of a 403 that has nothing to do with rights, as Kubernetes names it."""


class DeniedError(WaitError):
    """RBAC denies the request: the API server answered 403."""


class TerminatingError(WaitError):
    """Refusal to create an object in a namespace that is being deleted: the API server answered 403."""


def to_operator_error(error: Exception, subject: str, *, write: bool) -> OperatorError:
    """Return the error of a failed request to the API server. All exceptions of a client are covered.

    Args:
        error: The exception, or an `ApiException` for a response whose status is not 2xx. Of its `reason`, only
            `TERMINATING` has an effect.
        subject: The object of the request, such as `Secret team-a/datadog`.
        write: Whether the request could have changed an object.
    """
    if isinstance(error, ApiException) and isinstance(error.status, int) and error.status:
        return _answered(error, error.status, subject, write=write)
    certain = not write or isinstance(error, aiohttp.ClientConnectorError)
    return RetryError(
        Reason.UNAVAILABLE,
        f"{subject}: the Kubernetes API server did not answer ({type(error).__name__}). {Reason.UNAVAILABLE.remedy}",
        effect=Effect.NONE if certain else Effect.UNKNOWN,
    )


def _answered(error: ApiException, status: int, subject: str, *, write: bool) -> OperatorError:
    if (status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED) or status in _TRY_AGAIN:
        unsure = write and status not in _TRY_AGAIN
        return RetryError(
            Reason.UNAVAILABLE,
            f"{subject}: the Kubernetes API server answered {status}. {Reason.UNAVAILABLE.remedy}",
            effect=Effect.UNKNOWN if unsure else Effect.NONE,
            retry_after=_retry_after(error),
        )
    if status == HTTPStatus.CONFLICT:
        return ConflictError(Reason.PROGRESSING, f"{subject}: changed since it was read; it is read again.")
    if status == HTTPStatus.NOT_FOUND:
        return ObjectGoneError(Reason.KUBERNETES_REFUSED, f"{subject}: not found in Kubernetes.")
    if status == HTTPStatus.FORBIDDEN and error.reason == TERMINATING:
        return TerminatingError(Reason.KUBERNETES_REFUSED, f"{subject}: its namespace is being deleted.")
    branch = DeniedError if status == HTTPStatus.FORBIDDEN else WaitError
    return branch(Reason.KUBERNETES_REFUSED, f"{subject}: {_refused(status, write=write)}.")


def _refused(status: int, *, write: bool) -> str:
    """Return the meaning of a response that a retry does not change, and the remedy."""
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return "Kubernetes rejects the operator's credentials (401): give the operator valid ones"
        case HTTPStatus.FORBIDDEN:
            right = "write" if write else "read"
            return f"Kubernetes denies access (403): give the operator's ServiceAccount the right to {right} it"
        case HTTPStatus.NOT_IMPLEMENTED:
            return "the API server has no such kind: apply the CRDs, and check that no proxy answers in its place"
        case _:
            return (
                f"Kubernetes refuses the request ({status}): apply the CRDs of this version of the operator, or fix"
                " the admission webhook that refuses it"
            )


def _retry_after(error: ApiException) -> float | None:
    """Return the seconds of a `Retry-After` header (RFC 9110, 10.2.3). Kubernetes never sends the form with a date."""
    text = error.headers.get("Retry-After", "") if error.headers is not None else ""
    return min(float(text), _LONGEST_RETRY_AFTER) if text.isascii() and text.isdigit() else None
