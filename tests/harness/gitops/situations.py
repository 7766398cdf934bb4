"""Every state of a resource. The shipped decisions and updates make the status of each.

Errors are made by the shipped code too, where that needs no server.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from kubernetes.aio.client.exceptions import ApiException

from netbird_streaming.api.status import Applied, Correction, Status
from netbird_streaming.api.types import EventStreamingIntegration
from netbird_streaming.cluster.errors import to_operator_error as kubernetes_failure
from netbird_streaming.core.actions import Create, Delete, ReadyState, RecordId, Report, Update, WaitForList, report_of
from netbird_streaming.core.decide import decide
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.memory import Absence, CreateAttempt, CreatedIntegration, Memory
from netbird_streaming.core.netbird import compare
from netbird_streaming.core.netbird.payload import resolve
from netbird_streaming.core.status import updates
from netbird_streaming.core.status.conditions import ConditionInput, conditions
from netbird_streaming.errors import EditError, OperatorError, WaitError
from netbird_streaming.netbird.responses import (
    Call,
    NoResponse,
    Operation,
    Response,
    TransportFailure,
    malformed_response,
    to_operator_error,
)
from netbird_streaming.reasons import Reason
from tests.harness.cases import (
    ACCOUNT,
    AUTHORITY,
    KEY,
    LIMITS,
    NOW,
    WALL,
    Others,
    case,
    held,
    intent_of,
    item,
    payload_of,
    route_of,
    view,
)

URL: Final = "https://siem.example/in"
REPORTED: Final = {"driftPolicy": "Report"}
SUSPENDED: Final = {"suspend": True}
AUTHENTICATED: Final = {
    "genericHTTP": {"url": URL, "auth": {"bearer": {"tokenSecretRef": {"name": "siem", "key": "token"}}}}
}
LISTING: Final = Call(Operation.LIST)
CREATING: Final = Call(Operation.CREATE)
_FOREIGN: Final = {"config": {"url": "https://elsewhere.example/", "headers": "{}", "body_template": ""}}
_LATER: Final = "2026-05-01T11:30:00Z"


@dataclass(frozen=True, slots=True)
class Situation:
    """The spec, observation and memory of a resource; `spec` differs from that of a plain integration.

    `before` is the stored status. `answer` is the response to a request, if the decision sends one. `deleted` and
    `edited` are later changes, before the next reconcile.
    """

    name: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    observed: Mapping[str, Any] = field(default_factory=dict)
    before: Callable[[EventStreamingIntegration], Status] | None = None
    memory: Memory | None = None
    payload: OperatorError | None = None
    secrets: Mapping[str, Mapping[str, bytes] | None] | None = None
    answer: OperatorError | None = None
    deleted: bool = False
    edited: bool = False

    def status(self, resource: EventStreamingIntegration) -> Status:
        """Return the status that the operator writes for this resource. Raises AssertionError if it writes none."""
        found = self._case(resource)
        match decide(found):
            case Report() as report:
                return updates.reported(found, report)
            case Create() as create if self.answer is None:
                return updates.with_intent(found, create)
            case RecordId() as bind:
                return updates.with_id(found, bind)
            case Create() | Update() | Delete() | WaitForList() if self.answer is not None:
                return updates.reported(found, report_of(self.answer))
            case action:
                message = f"{self.name}: nothing is written for {action}"
                raise AssertionError(message)

    def _case(self, resource: EventStreamingIntegration) -> DecisionInput:
        plain = Status() if self.before is None else self.before(resource)
        known = resource.model_copy(update={"status": plain.evolve(owner_uid=resource.metadata.uid)})
        payload = self.payload
        if self.secrets is not None:
            try:
                resolve(resource.spec, self.secrets, KEY)
            except OperatorError as problem:
                payload = problem
        return case(known, memory=self.memory, payload=payload, **self.observed)


def _corrected(resource: EventStreamingIntegration) -> Status:
    times = (WALL - timedelta(minutes=minutes) for minutes in (30, 20, 10))
    return held(resource, corrections=tuple(Correction(at=each, values={}) for each in times))


def _corrected_in_vain(resource: EventStreamingIntegration) -> Status:
    shown = compare.differences("generic_http", payload_of(resource).request.config, item(5, **_FOREIGN), KEY)
    return held(resource, corrections=(Correction(at=WALL - timedelta(minutes=10), values=shown),))


def _creating(**changes: Any) -> Callable[[EventStreamingIntegration], Status]:
    return lambda resource: Status().evolve(creation=intent_of(resource, **changes))


def _claiming(resource: EventStreamingIntegration) -> Status:
    return Status().evolve(claimed_id=5)


def _pruned(resource: EventStreamingIntegration) -> Status:
    condition_input = ConditionInput(ReadyState.STALLED, Reason.OWNER_UNKNOWN, "pruned")
    return _claiming(resource).evolve(conditions=conditions(condition_input, (), 1, WALL))


def _route(account: str | OperatorError, **changes: Any) -> dict[str, Any]:
    target = route_of(account=account)
    return {"target": replace(target, **changes)}


def _adopting(policy: str, integration_id: int | None = None) -> dict[str, Any]:
    return {"adoption": {"policy": policy} | ({} if integration_id is None else {"id": integration_id})}


def refused(call: Call, status: int, body: bytes = b"{}") -> OperatorError:
    """Errors of NetBird's responses."""
    return to_operator_error(call, Response(status, body), WALL)


def error_of(branch: type[OperatorError], reason: Reason) -> OperatorError:
    """Errors that only the edges find."""
    return branch(reason, reason.remedy)


def denied() -> OperatorError:
    """Refusals of Kubernetes."""
    return kubernetes_failure(ApiException(status=403), "Secret team-a/siem", write=False)


_SETTLED: Final = Memory(finalizer_seen_at=NOW - 300, create=CreateAttempt(ended_at=NOW - 200))
_POSTED: Final = Memory(
    finalizer_seen_at=NOW - 9,
    create=CreateAttempt(
        created=CreatedIntegration(
            item(5), AUTHORITY, "proof-1", Applied(fingerprint="fingerprint", key_id=KEY.id), {"url": URL}, enabled=True
        )
    ),
)
_CONTENDED: Final = {"snapshot": view(item(5, updated_at=_LATER, **_FOREIGN))}
_MISSING: Final = Memory(
    finalizer_seen_at=NOW - 100, absence=Absence(not_found_at=NOW - 2, since=NOW - 2 - LIMITS.absence)
)

SITUATIONS: Final = (
    Situation("synced", before=held, observed={"snapshot": view(item(5))}),
    Situation("synced-suspended", SUSPENDED, {"snapshot": view(item(5))}, held),
    Situation("synced-edited", before=held, observed={"snapshot": view(item(5))}, edited=True),
    Situation("progressing-creating", observed={"snapshot": view()}),
    Situation("progressing-binding", memory=_POSTED),
    Situation("suspended", SUSPENDED, {"snapshot": view()}),
    Situation("suspended-drifted", SUSPENDED, {"snapshot": view(item(5, **_FOREIGN))}, held),
    Situation("observe-only", observed={"snapshot": view(), "target": replace(route_of(), observe_only=True)}),
    Situation("connection-not-found", observed={"target": error_of(WaitError, Reason.CONNECTION_NOT_FOUND)}),
    Situation(
        "connection-not-found-suspended",
        SUSPENDED,
        observed={"target": error_of(WaitError, Reason.CONNECTION_NOT_FOUND)},
    ),
    Situation("namespace-not-allowed", observed={"target": error_of(WaitError, Reason.NAMESPACE_NOT_ALLOWED)}),
    Situation("connection-invalid", observed={"target": error_of(EditError, Reason.CONNECTION_INVALID)}),
    Situation("ca-bundle-invalid", observed={"target": error_of(WaitError, Reason.CA_BUNDLE_INVALID)}),
    Situation("too-many-connections", observed={"target": error_of(WaitError, Reason.TOO_MANY_CONNECTIONS)}),
    Situation("secret-not-found", AUTHENTICATED, secrets={"siem": None}),
    Situation("secret-key-not-found", AUTHENTICATED, secrets={"siem": {}}),
    Situation("secret-value-invalid", AUTHENTICATED, secrets={"siem": {"token": b"pasted\n"}}),
    Situation("plain-http-not-allowed", {"genericHTTP": {"url": URL.replace("https", "http")}}, secrets={}),
    Situation("token-rejected", answer=refused(LISTING, 401)),
    Situation("permission-denied", observed={"snapshot": view()}, answer=refused(CREATING, 403)),
    Situation("not-licensed", answer=refused(LISTING, 404, b"<p>404")),
    Situation("configuration-rejected", observed={"snapshot": view()}, answer=refused(CREATING, 422)),
    Situation("destination-rejected", observed={"snapshot": view()}, answer=refused(CREATING, 412)),
    Situation("already-exists", observed={"snapshot": view()}, answer=refused(CREATING, 409)),
    Situation("rate-limited", answer=refused(LISTING, 429)),
    Situation("unavailable", answer=to_operator_error(LISTING, NoResponse(TransportFailure.LATE, sent=True), WALL)),
    Situation("unavailable-deleted", before=held, observed={"target": refused(LISTING, 503)}, deleted=True),
    Situation("unexpected-answer", answer=malformed_response(LISTING, "it is no JSON")),
    Situation("kubernetes-refused", payload=denied()),
    Situation(
        "create-outcome-unknown", before=_creating(), memory=Memory(NOW - 100, create=CreateAttempt(ended_at=NOW - 1))
    ),
    Situation(
        "create-ambiguous",
        before=_creating(),
        memory=_SETTLED,
        observed={"snapshot": view(item(5), item(6), begun=NOW)},
    ),
    Situation("identical-exists", observed={"snapshot": view(item(9))}),
    Situation("ownership-conflict", observed={"snapshot": view(), "conflicting_owner": "team-a/older"}),
    Situation("adoption-not-allowed", _adopting("Match"), _route(ACCOUNT, allow_adoption=False)),
    Situation("adoption-not-found", _adopting("Match", 9), {"snapshot": view(item(5))}),
    Situation(
        "adoption-claimed", _adopting("Match", 5), {"snapshot": view(item(5)), "owners": Others({5: "team-b/web"})}
    ),
    Situation("adoption-mismatch", _adopting("Match", 5), {"snapshot": view(item(5, **_FOREIGN))}),
    Situation("adoption-ambiguous", _adopting("Match"), {"snapshot": view(item(5), item(6))}),
    Situation("owner-unknown", before=_pruned, observed={"snapshot": view(item(5))}),
    Situation("restored-status", before=_claiming, observed={"snapshot": view(item(5))}),
    Situation("account-unconfirmed", before=held, observed=_route(error_of(WaitError, Reason.ACCOUNT_UNCONFIRMED))),
    Situation("account-unconfirmed-elsewhere", before=_creating(endpoint="endpoint-2"), observed=_route("another")),
    Situation("account-mismatch", before=held, observed=_route("another")),
    Situation("platform-mismatch", _adopting("Override", 5), {"snapshot": view(item(5, platform="s3"))}),
    Situation("not-applied", before=_corrected_in_vain, observed={"snapshot": view(item(5, **_FOREIGN))}),
    Situation(
        "integrations-vanished",
        before=held,
        memory=_MISSING,
        observed={"snapshot": view(begun=NOW - 1), "vanished": frozenset({5, 6, 7})},
    ),
    Situation("drifted", REPORTED, {"snapshot": view(item(5, updated_at=_LATER, **_FOREIGN))}, held),
    Situation("remote-deleted", REPORTED, {"snapshot": view(begun=NOW - 1)}, held, _MISSING),
    Situation("contended", before=_corrected, observed=_CONTENDED),
    Situation("resource-unreadable", payload=error_of(EditError, Reason.RESOURCE_UNREADABLE)),
)
