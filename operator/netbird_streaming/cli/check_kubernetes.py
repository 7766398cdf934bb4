"""Checks of the cluster: the API server, the CRDs, the operator's permissions, its Lease, and other installations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from netbird_streaming.api.types import Connection
from netbird_streaming.cli.output import Finding, State
from netbird_streaming.cli.session import Session
from netbird_streaming.cluster.client import Json, Request
from netbird_streaming.cluster.parsing import API_VERSION, KINDS
from netbird_streaming.cluster.rbac import Permission, PermissionScope, missing_permissions, operator_permissions
from netbird_streaming.cluster.served_fields import missing_fields
from netbird_streaming.errors import ObjectGoneError, OperatorError
from netbird_streaming.reasons import Reason
from netbird_streaming.version import PROGRAM

_APPLY: Final = "Apply the CRDs of this version: kubectl apply --server-side -f crds/"
_LEASE_SECONDS: Final = 15
_OLD: Final = 4
"""Lease durations without a renewal after which no replica leads."""
INSTALLING: Final = (
    Permission("create", "apiextensions.k8s.io", "customresourcedefinitions"),
    Permission("create", "rbac.authorization.k8s.io", "clusterroles"),
    Permission("create", "rbac.authorization.k8s.io", "clusterrolebindings"),
)


def problem(subject: str, error: OperatorError) -> Finding:
    """Return the finding of an error: its message, and the remedy of its reason unless the message has it."""
    remedy = error.reason.remedy
    return Finding(subject, State.PROBLEM, error.message.replace(f" {remedy}", ""), remedy, error.reason)


async def version(session: Session) -> Finding:
    """Check that the API server answers."""
    try:
        answer = await session.kubernetes.call(Request("the API server's version", "/version"))
    except OperatorError as error:
        return problem("Kubernetes", error)
    return Finding("Kubernetes", State.OK, f"version {answer.get('gitVersion')}")


class Definitions(NamedTuple):
    """Finding about the CRDs, and whether all kinds are served."""

    finding: Finding
    served: bool = False


async def definitions(session: Session, *, installed: bool) -> Definitions:
    """Check that all kinds are served, with the fields that this version writes."""
    try:
        served = await session.kubernetes.call(Request("the served kinds", f"/apis/{API_VERSION}"))
    except ObjectGoneError:
        served = {}
    except OperatorError as error:
        if error.reason is not Reason.KUBERNETES_REFUSED:
            return Definitions(problem("CRDs", error))
        served = {}
    names = {str(each.get("name")) for each in served.get("resources") or () if isinstance(each, dict)}
    lacking = sorted(kind.plural for kind in KINDS.values() if kind.plural not in names)
    if len(lacking) == len(KINDS) and not installed:
        return Definitions(Finding("CRDs", State.NOTE, "not installed yet"))
    if lacking:
        message = f"not served: {', '.join(lacking)}"
        return Definitions(Finding("CRDs", State.PROBLEM, message, _APPLY, Reason.KUBERNETES_REFUSED))
    fields = await missing_fields(session.kubernetes)
    if fields:
        message = f"older than this version of the operator; they lack {', '.join(fields[:5])}"
        return Definitions(Finding("CRDs", State.PROBLEM, message, _APPLY, Reason.KUBERNETES_REFUSED), served=True)
    finding = Finding("CRDs", State.OK, f"{len(KINDS)} kinds of {API_VERSION} are served and current")
    return Definitions(finding, served=True)


async def permissions(session: Session, *, in_pod: bool) -> list[Finding]:
    """Check the rights of the operator's ServiceAccount."""
    account = session.installation.service_account or await _default_account(session)
    if account is None and not in_pod:
        message = f"not checked: namespace {session.namespace} has neither the operator's Deployment nor ServiceAccount"
        return [Finding("Permissions", State.NOTE, message)]
    user = None if in_pod else f"system:serviceaccount:{session.namespace}:{account}"
    return await _permissions(session, operator_permissions(_scope(session)), user, "the operator's ServiceAccount")


async def _default_account(session: Session) -> str | None:
    """Return the ServiceAccount that the chart makes, if there is one."""
    path = f"/api/v1/namespaces/{session.namespace}/serviceaccounts/{PROGRAM}"
    try:
        await session.kubernetes.call(Request(f"ServiceAccount {session.namespace}/{PROGRAM}", path))
    except OperatorError:
        return None
    return PROGRAM


async def installing(session: Session) -> list[Finding]:
    """Check that the user may install the chart."""
    return await _permissions(session, INSTALLING, None, "you")


async def _permissions(session: Session, needed: tuple[Permission, ...], user: str | None, who: str) -> list[Finding]:
    try:
        missing = await missing_permissions(session.kubernetes, needed, user)
    except OperatorError as error:
        return [problem("Permissions", error)]
    if not missing:
        return [Finding("Permissions", State.OK, f"{who}: all {len(needed)} are granted")]
    remedy = f"Grant {who} this right"
    if user is not None or who != "you":
        remedy += ", as the chart does; or narrow the scope by --namespace"
    return [
        Finding("Permissions", State.PROBLEM, f"missing: {each}", f"{remedy}.", Reason.KUBERNETES_REFUSED)
        for each in missing
    ]


def _scope(session: Session) -> PermissionScope:
    settings = session.settings
    watched = settings.secret_namespaces or settings.namespaces
    return PermissionScope(
        own_namespace=session.namespace,
        namespaces=settings.namespaces or None,
        secret_namespaces=watched or None,
        cluster_kinds=settings.cluster_connections,
        secret_watch=settings.secret_watch,
        lease=settings.lease_name if settings.lease else None,
        key_secret=settings.fingerprint_key_secret,
    )


async def lease(session: Session, now: datetime) -> Finding:
    """Check that a replica leads."""
    name, namespace = session.settings.lease_name, session.namespace
    subject = f"Lease {namespace}/{name}"
    if not session.settings.lease:
        return Finding("Lease", State.NOTE, "not used: --lease=false")
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}"
    try:
        found = await session.kubernetes.call(Request(subject, path))
    except ObjectGoneError:
        remedy = "Install the operator, or name its namespace by --operator-namespace."
        return Finding(subject, State.PROBLEM, "does not exist: no operator has run there", remedy, Reason.PENDING)
    except OperatorError as error:
        return problem(subject, error)
    return _held(subject, found.get("spec") or {}, now)


def _held(subject: str, spec: Json, now: datetime) -> Finding:
    holder, duration = spec.get("holderIdentity"), spec.get("leaseDurationSeconds") or _LEASE_SECONDS
    try:
        age = (now - datetime.fromisoformat(str(spec.get("renewTime")))).total_seconds()
    except (ValueError, TypeError):
        age = float("inf")
    if not holder or age > _OLD * duration:
        message = "is held by no replica" if not holder else f"was last renewed {age:.0f} s ago by {holder}"
        return Finding(subject, State.PROBLEM, message, Reason.PENDING.remedy, Reason.PENDING)
    return Finding(subject, State.OK, f"held by {holder}")


def installations(session: Session, connections: Sequence[Connection]) -> list[Finding]:
    """Check that no other installation manages a connection."""
    own = f"{session.namespace}/{session.settings.lease_name}"
    others: dict[str, list[str]] = {}
    for each in connections:
        mark = each.status.internal.installation
        if mark not in (None, own):
            others.setdefault(str(mark), []).append(each.key.label)
    if not others:
        return []
    message = "; ".join(f"the one with the Lease {mark} manages {', '.join(names)}" for mark, names in others.items())
    reason = Reason.OTHER_INSTALLATION
    return [Finding("Other installations", State.PROBLEM, message, reason.remedy, reason)]
