"""Every way in which a resource can stand: the shipped decision and transition make the status of each.

What goes wrong is made by the shipped code too, as far as it needs no server.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from kubernetes.aio.client.exceptions import ApiException

from netbird_streaming.cluster.failures import failure as kubernetes_failure
from netbird_streaming.core import transitions
from netbird_streaming.core.actions import Bind, Create, Delete, Look, Report, State, Update, failed
from netbird_streaming.core.conditions import Standing, conditions
from netbird_streaming.core.decide import decide
from netbird_streaming.core.facts import Case, Memory, Posted
from netbird_streaming.core.payload import resolve
from netbird_streaming.core.resources import EventStreamingIntegration
from netbird_streaming.core.status import Applied, Correction, Status
from netbird_streaming.errors import EditError, OperatorError, WaitError
from netbird_streaming.netbird.answers import Answer, Obstacle, Operation, Silence, Subject, failure, unreadable
from netbird_streaming.reasons import Reason
from tests.support.cases import ACCOUNT, AUTHORITY, KEY, NOW, WALL, Others, case, held, intent_of, item, route_of, view

URL: Final = "https://siem.example/in"
REPORTED: Final = {"driftPolicy": "Report"}
SUSPENDED: Final = {"suspend": True}
AUTHENTICATED: Final = {
    "genericHTTP": {"url": URL, "auth": {"bearer": {"tokenSecretRef": {"name": "siem", "key": "token"}}}}
}
LISTING: Final = Subject(Operation.LIST)
CREATING: Final = Subject(Operation.CREATE)
_FOREIGN: Final = {"config": {"url": "https://elsewhere.example/", "headers": "{}", "body_template": ""}}
_LATER: Final = "2026-05-01T11:30:00Z"


@dataclass(frozen=True, slots=True)
class Situation:
    """What is declared, seen and remembered; `spec` differs from that of a plain integration.

    `before` is the status that is found; `answer` is what a request comes to, where the decision is to send one.
    `deleted` and `edited` are what somebody does afterwards, before the operator has looked again.
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
        """The status that the operator writes for this resource; AssertionError where it would write none."""
        found = self._case(resource)
        match decide(found):
            case Report() as report:
                return transitions.reported(found, report)
            case Create() as create if self.answer is None:
                return transitions.intending(found, create)
            case Bind() as bind:
                return transitions.bound(found, bind)
            case Create() | Update() | Delete() | Look() if self.answer is not None:
                return transitions.reported(found, failed(self.answer))
            case action:
                message = f"{self.name}: nothing is written for {action}"
                raise AssertionError(message)

    def _case(self, resource: EventStreamingIntegration) -> Case:
        plain = Status() if self.before is None else self.before(resource)
        known = resource.model_copy(update={"status": plain.having(owner_uid=resource.metadata.uid)})
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


def _creating(**changes: Any) -> Callable[[EventStreamingIntegration], Status]:
    return lambda resource: Status().having(creation=intent_of(resource, **changes))


def _claiming(resource: EventStreamingIntegration) -> Status:
    return Status().having(claimed_id=5)


def _pruned(resource: EventStreamingIntegration) -> Status:
    standing = Standing(State.STALLED, Reason.OWNER_UNKNOWN, "pruned")
    return _claiming(resource).having(conditions=conditions(standing, (), 1, WALL))


def _route(account: str | OperatorError, **changes: Any) -> dict[str, Any]:
    route = route_of(account=account)
    return {"route": replace(route, **changes)}


def _adopting(policy: str, integration_id: int | None = None) -> dict[str, Any]:
    return {"adoption": {"policy": policy} | ({} if integration_id is None else {"id": integration_id})}


def refused(subject: Subject, status: int, body: bytes = b"{}") -> OperatorError:
    """What an answer of NetBird's comes to."""
    return failure(subject, Answer(status, body), WALL)


def told(branch: type[OperatorError], reason: Reason) -> OperatorError:
    """What only the shell finds out."""
    return branch(reason, reason.cure)


def denied() -> OperatorError:
    """What Kubernetes refuses."""
    return kubernetes_failure(ApiException(status=403), "Secret team-a/siem", write=False)


_SETTLED: Final = Memory(finalizer_seen=NOW - 300, intent_over=NOW - 200)
_POSTED: Final = Memory(
    finalizer_seen=NOW - 9,
    posted=Posted(
        item(5), AUTHORITY, "proof-1", Applied(fingerprint="fingerprint", key_id=KEY.id), {"url": URL}, enabled=True
    ),
)
_CONTENDED: Final = {"view": view(item(5, updated_at=_LATER, **_FOREIGN))}
_MISSING: Final = Memory(finalizer_seen=NOW - 100, missing=NOW - 2)

SITUATIONS: Final = (
    Situation("synced", before=held, observed={"view": view(item(5))}),
    Situation("synced-suspended", SUSPENDED, {"view": view(item(5))}, held),
    Situation("synced-edited", before=held, observed={"view": view(item(5))}, edited=True),
    Situation("progressing-creating", observed={"view": view()}),
    Situation("progressing-binding", memory=_POSTED),
    Situation("suspended", SUSPENDED, {"view": view()}),
    Situation("suspended-drifted", SUSPENDED, {"view": view(item(5, **_FOREIGN))}, held),
    Situation("connection-not-found", observed={"route": told(WaitError, Reason.CONNECTION_NOT_FOUND)}),
    Situation(
        "connection-not-found-suspended", SUSPENDED, observed={"route": told(WaitError, Reason.CONNECTION_NOT_FOUND)}
    ),
    Situation("namespace-not-allowed", observed={"route": told(WaitError, Reason.NAMESPACE_NOT_ALLOWED)}),
    Situation("connection-invalid", observed={"route": told(EditError, Reason.CONNECTION_INVALID)}),
    Situation("ca-bundle-invalid", observed={"route": told(WaitError, Reason.CA_BUNDLE_INVALID)}),
    Situation("too-many-connections", observed={"route": told(WaitError, Reason.TOO_MANY_CONNECTIONS)}),
    Situation("secret-not-found", AUTHENTICATED, secrets={"siem": None}),
    Situation("secret-key-not-found", AUTHENTICATED, secrets={"siem": {}}),
    Situation("secret-value-invalid", AUTHENTICATED, secrets={"siem": {"token": b"pasted\n"}}),
    Situation("token-rejected", answer=refused(LISTING, 401)),
    Situation("permission-denied", observed={"view": view()}, answer=refused(CREATING, 403)),
    Situation("not-licensed", answer=refused(LISTING, 404, b"<p>404")),
    Situation("configuration-rejected", observed={"view": view()}, answer=refused(CREATING, 422)),
    Situation("destination-rejected", observed={"view": view()}, answer=refused(CREATING, 412)),
    Situation("already-exists", observed={"view": view()}, answer=refused(CREATING, 409)),
    Situation("rate-limited", answer=refused(LISTING, 429)),
    Situation("unavailable", answer=failure(LISTING, Silence(Obstacle.LATE, sent=True), WALL)),
    Situation("unavailable-deleted", before=held, observed={"route": refused(LISTING, 503)}, deleted=True),
    Situation("unexpected-answer", answer=unreadable(LISTING, "it is no JSON")),
    Situation("kubernetes-refused", payload=denied()),
    Situation("create-outcome-unknown", before=_creating(), memory=Memory(NOW - 100, intent_over=NOW - 1)),
    Situation(
        "create-ambiguous", before=_creating(), memory=_SETTLED, observed={"view": view(item(5), item(6), begun=NOW)}
    ),
    Situation("identical-exists", observed={"view": view(item(9))}),
    Situation("ownership-conflict", observed={"view": view(), "rival": "team-a/older"}),
    Situation("adoption-not-allowed", _adopting("Match"), _route(ACCOUNT, allow_adoption=False)),
    Situation("adoption-not-found", _adopting("Match", 9), {"view": view(item(5))}),
    Situation("adoption-claimed", _adopting("Match", 5), {"view": view(item(5)), "holders": Others({5: "team-b/web"})}),
    Situation("adoption-mismatch", _adopting("Match", 5), {"view": view(item(5, **_FOREIGN))}),
    Situation("adoption-ambiguous", _adopting("Match"), {"view": view(item(5), item(6))}),
    Situation("owner-unknown", before=_pruned, observed={"view": view(item(5))}),
    Situation("restored-status", before=_claiming, observed={"view": view(item(5))}),
    Situation("account-unconfirmed", before=held, observed=_route(told(WaitError, Reason.ACCOUNT_UNCONFIRMED))),
    Situation("account-unconfirmed-elsewhere", before=_creating(endpoint="endpoint-2"), observed=_route("another")),
    Situation("account-mismatch", before=held, observed=_route("another")),
    Situation("platform-mismatch", before=held, observed={"view": view(item(5, platform="s3"))}),
    Situation("drifted", REPORTED, {"view": view(item(5, updated_at=_LATER, **_FOREIGN))}, held),
    Situation("remote-deleted", REPORTED, {"view": view(begun=NOW - 1)}, held, _MISSING),
    Situation("contended", before=_corrected, observed=_CONTENDED),
    Situation("resource-unreadable", payload=told(EditError, Reason.RESOURCE_UNREADABLE)),
)
