"""An integration that we hold: in the right account, still there, and as the resource says."""

from netbird_streaming.core.actions import (
    Action,
    AddFinalizer,
    ConfirmAccount,
    Look,
    ProveAbsence,
    Report,
    State,
    Update,
    failed,
)
from netbird_streaming.core.creation import adopt, refuse, rival, suspended
from netbird_streaming.core.facts import Case, Route
from netbird_streaming.core.payload import Payload
from netbird_streaming.core.resources import AdoptionPolicy, DriftPolicy
from netbird_streaming.errors import OperatorError
from netbird_streaming.reasons import Reason


def restore_finalizer(case: Case) -> Action | None:
    """`kubectl replace` strips finalizers: put ours back while anything of ours may be in NetBird."""
    status = case.status
    internal = status.internal
    held = status.id is not None or internal.creation is not None or bool(internal.unresolved_creations)
    return AddFinalizer() if held and not case.desired.resource.has_finalizer else None


def is_elsewhere(case: Case) -> bool:
    """Whether another server than the connection's gave the id that we hold: there it means another integration."""
    status, route = case.status, case.observed.route
    return status.id is not None and isinstance(route, Route) and status.internal.authority != route.authority


def move_by_adoption(case: Case) -> Action | None:
    """Adopt the integration of the connection's server that the user names, in place of one on another server."""
    adoption, route = case.desired.resource.spec.adoption, case.observed.route
    allowed = isinstance(route, Route) and route.allow_adoption
    if not allowed or adoption.policy is AdoptionPolicy.NEVER or adoption.id is None or not is_elsewhere(case):
        return None
    return rival(case) or adopt(case)


def confirm_account(case: Case) -> Action | None:
    """An id means something only with the server and in the account that it was given in."""
    status, route = case.status, case.observed.route
    if status.id is None or isinstance(route, OperatorError):
        return None
    foreign = _foreign(case, route)
    if foreign is not None:
        return foreign
    if route.account is None:
        return ConfirmAccount()
    if isinstance(route.account, OperatorError):
        return failed(route.account)
    if status.account_id in (None, route.account):
        return None
    return refuse(
        Reason.ACCOUNT_MISMATCH,
        f"Integration {status.id} is in account {status.account_id}, the connection leads to {route.account}.",
    )


def _foreign(case: Case, route: Route) -> Report | None:
    """Refuse an id of another server, or of an account that was never known and another token: unknown equals none."""
    status = case.status
    if is_elsewhere(case):
        sentence = (
            f"Integration {status.id} was received from another NetBird server than the connection's: its URL differs,"
            " or who controls its CA."
        )
        return refuse(Reason.ACCOUNT_MISMATCH, sentence)
    if status.account_id is None and status.internal.proof != route.proof:
        sentence = f"Integration {status.id} was received with another token, and its account is not known."
        return refuse(Reason.ACCOUNT_UNCONFIRMED, sentence)
    return None


def prove_ownership(case: Case) -> Action | None:
    """Nothing is sent for an id that another resource holds in the same account."""
    held = case.status.id
    owner = case.observed.holders.owner(held) if held is not None else None
    if owner is None:
        return None
    return refuse(Reason.OWNERSHIP_CONFLICT, f"Resource {owner} holds integration {held} too.")


def is_gone(case: Case) -> bool:
    """Whether the id that we hold is proven absent: a JSON 404, then a LIST without it that shows our last write."""
    missing = case.memory.missing
    view = case.seen_since(max(missing, case.shown_since)) if missing is not None else None
    return view is not None and case.status.id not in view.by_id


def prove_absence(case: Case) -> Action | None:
    """The LIST does not show it, or a request by id found nothing: find out which it is."""
    status, missing = case.status, case.memory.missing
    if status.id is None:
        return None
    since = case.shown_since if missing is None else max(missing, case.shown_since)
    view = case.seen_since(since)
    if missing is None:
        return ProveAbsence(status.id) if view is not None and status.id not in view.by_id else None
    if view is None:
        return Look(since)
    # A LIST that lags shows for a while yet what was just deleted.
    surely = missing + case.limits.list_lag
    return Look(surely) if status.id in view.by_id and view.begun < surely else None


def report_deletion(case: Case) -> Action | None:
    """In report mode a remote deletion is reported, not made good; what a human changes since still acts."""
    if not is_gone(case) or case.desired.resource.spec.drift_policy is not DriftPolicy.REPORT:
        return None
    if not is_applied(case):
        return None
    sentence = f"Integration {case.status.id} was deleted in NetBird. {Reason.REMOTE_DELETED.cure}"
    return Report(State.STALLED, Reason.REMOTE_DELETED, sentence, drifted=sentence)


def is_applied(case: Case) -> bool:
    """Whether NetBird accepted just this payload last."""
    applied, payload = case.status.internal.applied, case.desired.payload
    return (
        isinstance(payload, Payload)
        and applied is not None
        and (applied.fingerprint, applied.key_id) == (payload.fingerprint, payload.key_id)
    )


def update(case: Case) -> Action | None:
    """A new spec, new Secret values, or a POST that ignored `enabled`: PUT."""
    payload, status = case.desired.payload, case.status
    if not isinstance(payload, Payload) or status.id is None:
        return None
    if is_applied(case) and status.enabled in (None, payload.request.enabled) and case.memory.unknown_write is None:
        return None
    if case.desired.resource.spec.suspend:
        return suspended("Updating the integration")
    conflict = rival(case)
    if conflict is not None:
        return conflict
    look = case.memory.unknown_write
    if look is not None and case.seen_since(look) is None:
        return Look(look)
    return Update(status.id, payload)
