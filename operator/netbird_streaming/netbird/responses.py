"""Conversion of NetBird's responses, and of missing responses, to the operator's error tree.

400, 401, 403, 404, 409, 412, 422 and 429 prove that a write was not applied. So does a request of which no byte was
sent. After any other failure the outcome of a write is unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, StrEnum
from http import HTTPStatus
from typing import Final, Self
from urllib.parse import quote

from netbird_streaming.errors import (
    EditError,
    Effect,
    NotFoundError,
    OperatorError,
    RetryError,
    WaitError,
)
from netbird_streaming.netbird.codec import is_json_object
from netbird_streaming.netbird.json_list import Encoded
from netbird_streaming.reasons import Reason

REFUSALS: Final = frozenset({400, 401, 403, 404, 409, 412, 422, 429})
"""Statuses that prove that a write was not applied."""
TRUNCATED: Final = "it was cut off"
"""The fault of a response whose connection broke within its body."""


class Operation(StrEnum):
    """Operation of the NetBird API."""

    LIST = "list"
    GET = "get"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    ACCOUNT = "account"
    USER = "user"
    TOKENS = "tokens"
    TENANTS = "tenants"

    @property
    def is_write(self) -> bool:
        """Return whether the operation is a write, which the client never repeats."""
        return self in _WRITES

    @property
    def is_by_id(self) -> bool:
        """Return whether the path of the operation contains an integration's id."""
        return self in _BY_ID


_WRITES: Final = frozenset({Operation.CREATE, Operation.UPDATE, Operation.DELETE})
_BY_ID: Final = frozenset({Operation.GET, Operation.UPDATE, Operation.DELETE})
_WORDS: Final = {
    Operation.LIST: "Listing the integrations",
    Operation.GET: "Reading integration {id}",
    Operation.CREATE: "Creating the integration",
    Operation.UPDATE: "Updating integration {id}",
    Operation.DELETE: "Deleting integration {id}",
    Operation.ACCOUNT: "Reading the token's account",
    Operation.USER: "Reading the token's user",
    Operation.TOKENS: "Listing the tokens of the user",
    Operation.TENANTS: "Listing the tenants",
}
_PATHS: Final = {
    Operation.ACCOUNT: "/api/accounts",
    Operation.USER: "/api/users/current",
    Operation.TOKENS: "/api/users/{user}/tokens",
    Operation.TENANTS: "/api/integrations/msp/tenants",
}
"""The paths of the operations outside event streaming. They are the same on each server."""


@dataclass(frozen=True, slots=True)
class Call:
    """Operation with the id in its path, if the path has one."""

    operation: Operation
    integration_id: int | None = None
    user_id: str = ""

    @property
    def path(self) -> str | None:
        """Return the path if it is the same on each server, or None for the operations of event streaming."""
        path = _PATHS.get(self.operation)
        return None if path is None else path.format(user=quote(self.user_id, safe=""))

    def __str__(self) -> str:
        """Return the beginning of messages, such as `Updating integration 7`."""
        return _WORDS[self.operation].format(id=self.integration_id)


@dataclass(frozen=True, slots=True)
class Response:
    """Response of NetBird. `fault` says why its body can't be read. `date` and `retry_after` are headers."""

    status: int
    body: Encoded = b""
    fault: str | None = None
    date: str | None = None
    retry_after: str | None = None


class TransportFailure(Enum):
    """Cause of a missing response: the metric's label `code`, and the words and the remedy of the message."""

    REFUSED = "refused", "no connection to the host and port of spec.url; check both, and what is between (firewalls)"
    UNREACHABLE = (
        "timeout",
        (
            "no connection to the host and port of spec.url within the time limit; check both, and what is between "
            "(firewalls, network policies, a proxy that the cluster needs)"
        ),
    )
    UNRESOLVED = "dns", "the host of spec.url can't be resolved; check its name and the cluster's DNS"
    EXPIRED = "tls", "the certificate of the host of spec.url has expired, or is not valid yet; renew it"
    WRONG_HOST = (
        "tls",
        (
            "the certificate of the server is not valid for the host of spec.url; use a host that the certificate "
            "names, or issue one for this host"
        ),
    )
    UNTRUSTED = (
        "tls",
        (
            "an authority that the operator does not trust signed the certificate of the host of spec.url; put the "
            "authority's certificate into a ConfigMap and name it in spec.caBundleConfigMapRef, or in the chart's "
            "value caBundle.configMap for all connections"
        ),
    )
    UNTRUSTED_BY_BUNDLE = (
        "tls",
        (
            "no authority in the ConfigMap of spec.caBundleConfigMapRef signed the certificate of the host of "
            "spec.url; add the certificate of the authority that did"
        ),
    )
    TLS = (
        "tls",
        (
            "no TLS session with the host and port of spec.url; check that NetBird's HTTPS API is served there, and "
            "not another protocol"
        ),
    )
    PROXIED = (
        "proxy",
        (
            "the proxy of the operator's environment did not connect to NetBird; check the proxy, or add the host to "
            "NO_PROXY"
        ),
    )
    LATE = "timeout", "NetBird did not answer within the request timeout"
    BROKEN = "reset", "the connection broke before NetBird answered"
    FLOOD = (
        "reset",
        "the headers of the answer have more than 32 KiB; check that spec.url is a NetBird API and no proxy answers",
    )

    label: str
    words: str

    def __new__(cls, label: str, words: str) -> Self:
        """Set the pair as the value, since several members share a label."""
        member = object.__new__(cls)
        member._value_ = (label, words)
        member.label, member.words = label, words
        return member


TRANSIENT: Final = frozenset(
    {
        TransportFailure.REFUSED,
        TransportFailure.UNREACHABLE,
        TransportFailure.UNRESOLVED,
        TransportFailure.PROXIED,
        TransportFailure.BROKEN,
    }
)
"""The failures that may end within seconds."""


@dataclass(frozen=True, slots=True)
class NoResponse:
    """Missing response. `sent` says whether a byte of the request may have left. `cause` is a word for the log."""

    failure: TransportFailure
    sent: bool
    cause: str = ""


def to_operator_error(call: Call, outcome: Response | NoResponse, now: datetime) -> OperatorError:
    """Return the error of an outcome that is not a success. All outcomes are covered.

    Args:
        call: The operation.
        outcome: The response, or the cause of its absence.
        now: The wall clock's time, for a `Retry-After` that is a date.
    """
    if isinstance(outcome, NoResponse):
        effect = Effect.UNKNOWN if call.operation.is_write and outcome.sent else Effect.NONE
        message = f"{call}: {outcome.failure.words}. {Reason.UNAVAILABLE.remedy}"
        return RetryError(Reason.UNAVAILABLE, message, effect=effect)
    refused = outcome.status in REFUSALS
    effect = Effect.NONE if refused or not call.operation.is_write else Effect.UNKNOWN
    status = outcome.status
    if is_success(status):
        return malformed_response(call, outcome.fault or "it has an unexpected form")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        message = f"{call}: NetBird, or a proxy in front of it, failed ({status}). {Reason.UNAVAILABLE.remedy}"
        return RetryError(Reason.UNAVAILABLE, message, effect=effect, retry_after=retry_after(outcome, now))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        message = f"{call}: NetBird received too many requests with this token (429). {Reason.RATE_LIMITED.remedy}"
        return RetryError(Reason.RATE_LIMITED, message, effect=effect, retry_after=retry_after(outcome, now))
    refusal = _refusal(call, outcome) if refused else None
    if refusal is not None:
        return refusal
    message = (
        f"{call}: NetBird returned HTTP {status}, which the operator does not expect. {Reason.UNEXPECTED_ANSWER.remedy}"
    )
    return RetryError(Reason.UNEXPECTED_ANSWER, message, effect=effect)


def _refusal(call: Call, response: Response) -> OperatorError | None:
    """Return the error of a refusal of this operation, or None for a refusal that the operation can't have."""
    if response.status == HTTPStatus.NOT_FOUND:
        return _not_found(call, response)
    if response.body.strip() and not is_json_object(response.body):
        return WaitError(
            Reason.UNEXPECTED_ANSWER,
            f"{call}: the answer {response.status} is not NetBird's own, whose answers are JSON. A firewall, an SSO "
            "proxy or a gateway in front of NetBird rejects the request; see its log, and let the operator's requests "
            "pass.",
        )
    writes_config = call.operation in {Operation.CREATE, Operation.UPDATE}
    if writes_config and response.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}:
        return EditError(
            Reason.CONFIGURATION_REJECTED,
            f"{call}: NetBird refuses the configuration ({response.status}). "
            f"{Reason.CONFIGURATION_REJECTED.remedy} A new key can take minutes to work, so the operator retries.",
        )
    known = _REFUSALS.get(response.status)
    return _wait(call, *known) if known and (writes_config or response.status in _OF_THE_TOKEN) else None


_OF_THE_TOKEN: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_REFUSALS: Final[Mapping[int, tuple[Reason, str]]] = {
    HTTPStatus.UNAUTHORIZED: (Reason.TOKEN_REJECTED, "NetBird rejects the connection's token (401)"),
    HTTPStatus.FORBIDDEN: (Reason.PERMISSION_DENIED, "NetBird denies it to the connection's token (403)"),
    HTTPStatus.CONFLICT: (Reason.ALREADY_EXISTS, "NetBird has such an integration already (409)"),
    HTTPStatus.PRECONDITION_FAILED: (
        Reason.DESTINATION_REJECTED,
        "the destination refused NetBird's test event (412)",
    ),
}


def token_rejected(call: Call) -> WaitError:
    """Return the error for a token that NetBird rejects."""
    return _wait(call, *_REFUSALS[HTTPStatus.UNAUTHORIZED])


def _not_found(call: Call, response: Response) -> OperatorError:
    """Return the error of a 404. A router's page means an unknown path, and only JSON an unknown integration."""
    if call.path is not None:
        return _wait(call, Reason.ACCOUNT_UNCONFIRMED, "this NetBird server does not offer it (404)")
    if response.fault is not None:
        # The body would show who sent the 404. In both cases nothing was applied.
        return RetryError(Reason.UNEXPECTED_ANSWER, malformed_response(call, response.fault).message)
    if not is_api_404(response):
        return _wait(call, Reason.NOT_LICENSED, "this NetBird server offers no event streaming (404)")
    if call.operation.is_by_id:
        message = f"{call}: NetBird has no such integration in this account (404)."
        return NotFoundError(Reason.REMOTE_DELETED, message)
    return _wait(call, Reason.NOT_LICENSED, "NetBird knows no event streaming, or no such tenant (404)")


def _wait(call: Call, reason: Reason, sentence: str) -> WaitError:
    return WaitError(reason, f"{call}: {sentence}. {reason.remedy}")


def malformed_response(call: Call, why: str) -> RetryError:
    """Return the error of a successful response whose body is invalid."""
    effect = Effect.UNKNOWN if call.operation.is_write else Effect.NONE
    message = f"{call}: NetBird's answer can't be read: {why}. {Reason.UNEXPECTED_ANSWER.remedy}"
    return RetryError(Reason.UNEXPECTED_ANSWER, message, effect=effect)


def is_success(status: int) -> bool:
    """Return whether the status is a success. The API reference has 200 for each operation; 201 and 204 count too."""
    return status in {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT}


def is_api_404(response: Response) -> bool:
    """Return whether the response is a 404 of the API, and not one of a router or a proxy for an unknown path."""
    return response.status == HTTPStatus.NOT_FOUND and response.fault is None and is_json_object(response.body)


def proves_path(response: Response) -> bool:
    """Return whether only a server that offers the path refuses in this way. A success proves the path by its body.

    A server may answer 401 and 403 before it looks up the path. A proxy may answer 429, 5xx and redirects.
    """
    return response.status in {400, 405, 409, 412, 422} or is_api_404(response)


def retry_after(response: Response, now: datetime) -> float | None:
    """Return the seconds of a `Retry-After` header, in either form (RFC 9110, section 10.2.3), or None."""
    text = (response.retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    moment = parse_date(text)
    return None if moment is None else max(0.0, (moment - (parse_date(response.date) or now)).total_seconds())


def parse_date(text: str | None) -> datetime | None:
    """Return the time of an HTTP date (RFC 9110, section 5.6.7), or None if it is absent or no date."""
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
