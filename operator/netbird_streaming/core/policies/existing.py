"""An integration that we hold: in the right account, still there, and as the resource says."""

from netbird_streaming.api.types import AdoptionPolicy, DriftPolicy
from netbird_streaming.core.actions import (
    Action,
    AddFinalizer,
    ConfirmAccount,
    ProveAbsence,
    ReadyState,
    Report,
    Update,
    WaitForList,
    report_of,
)
from netbird_streaming.core.inputs import DecisionInput, Target
from netbird_streaming.core.netbird.payload import Payload
from netbird_streaming.core.policies.creation import adopt, refuse_conflict, stalled, suspended
from netbird_streaming.errors import OperatorError
from netbird_streaming.reasons import Reason


def restore_finalizer(inputs: DecisionInput) -> Action | None:
    """`kubectl replace` strips finalizers: put ours back while anything of ours may be in NetBird."""
    status = inputs.status
    internal = status.internal
    held = status.id is not None or internal.creation is not None or bool(internal.unresolved_creations)
    return AddFinalizer() if held and not inputs.desired.resource.has_finalizer else None


def is_elsewhere(inputs: DecisionInput) -> bool:
    """Whether another server than the connection's gave the id that we hold: there it means another integration."""
    status, target = inputs.status, inputs.observed.target
    return status.id is not None and isinstance(target, Target) and status.internal.authority != target.authority


def move_by_adoption(inputs: DecisionInput) -> Action | None:
    """Adopt the integration of the connection's server that the user names, in place of one on another server."""
    adoption, target = inputs.desired.resource.spec.adoption, inputs.observed.target
    allowed = isinstance(target, Target) and target.allow_adoption
    if not allowed or adoption.policy is AdoptionPolicy.NEVER or adoption.id is None or not is_elsewhere(inputs):
        return None
    return refuse_conflict(inputs) or adopt(inputs)


def confirm_account(inputs: DecisionInput) -> Action | None:
    """An id means something only with the server and in the account that it was given in."""
    status, target = inputs.status, inputs.observed.target
    if status.id is None or isinstance(target, OperatorError):
        return None
    foreign = _foreign(inputs, target)
    if foreign is not None:
        return foreign
    if target.account is None:
        return ConfirmAccount()
    if isinstance(target.account, OperatorError):
        return report_of(target.account)
    if status.account_id in (None, target.account):
        return None
    return stalled(
        Reason.ACCOUNT_MISMATCH,
        f"Integration {status.id} is in account {status.account_id}, the connection leads to {target.account}.",
    )


def _foreign(inputs: DecisionInput, target: Target) -> Report | None:
    """Refuse an id of another server, or of an account that was never known and another token: unknown equals none."""
    status = inputs.status
    if is_elsewhere(inputs):
        sentence = (
            f"Integration {status.id} was received from another NetBird server than the connection's: its URL differs,"
            " or who controls its CA."
        )
        return stalled(Reason.ACCOUNT_MISMATCH, sentence)
    if status.account_id is None and status.internal.proof != target.credential_digest:
        sentence = f"Integration {status.id} was received with another token, and its account is not known."
        return stalled(Reason.ACCOUNT_UNCONFIRMED, sentence)
    return None


def prove_ownership(inputs: DecisionInput) -> Action | None:
    """Nothing is sent for an id that another resource holds in the same account."""
    held = inputs.status.id
    owner = inputs.observed.owners.owner(held) if held is not None else None
    if owner is None:
        return None
    return stalled(Reason.OWNERSHIP_CONFLICT, f"Resource {owner} holds integration {held} too.")


def is_gone(inputs: DecisionInput) -> bool:
    """Whether the id that we hold is proven absent: a JSON 404, then a LIST without it that shows our last write."""
    missing = inputs.memory.not_found_at
    snapshot = inputs.list_since(max(missing, inputs.list_reliable_after)) if missing is not None else None
    return snapshot is not None and inputs.status.id not in snapshot.by_id


def prove_absence(inputs: DecisionInput) -> Action | None:
    """The LIST does not show it, or a request by id found nothing: find out which it is."""
    status, missing = inputs.status, inputs.memory.not_found_at
    if status.id is None:
        return None
    since = inputs.list_reliable_after if missing is None else max(missing, inputs.list_reliable_after)
    snapshot = inputs.list_since(since)
    if missing is None:
        return ProveAbsence(status.id) if snapshot is not None and status.id not in snapshot.by_id else None
    if snapshot is None:
        return WaitForList(since)
    # A LIST that lags shows for a while yet what was just deleted.
    surely = missing + inputs.timeouts.list_lag
    return WaitForList(surely) if status.id in snapshot.by_id and snapshot.started_at < surely else None


def report_deletion(inputs: DecisionInput) -> Action | None:
    """In report mode a remote deletion is reported, not made good; what a human changes since still acts."""
    if not is_gone(inputs) or inputs.desired.resource.spec.drift_policy is not DriftPolicy.REPORT:
        return None
    if not is_applied(inputs):
        return None
    sentence = f"Integration {inputs.status.id} was deleted in NetBird. {Reason.REMOTE_DELETED.remedy}"
    return Report(ReadyState.STALLED, Reason.REMOTE_DELETED, sentence, drifted=sentence)


def is_applied(inputs: DecisionInput) -> bool:
    """Whether NetBird accepted just this payload last."""
    applied, payload = inputs.status.internal.applied, inputs.desired.payload
    return (
        isinstance(payload, Payload)
        and applied is not None
        and (applied.fingerprint, applied.key_id) == (payload.fingerprint, payload.key_id)
    )


def update(inputs: DecisionInput) -> Action | None:
    """A new spec, new Secret values, or a POST that ignored `enabled`: PUT."""
    payload, status = inputs.desired.payload, inputs.status
    if not isinstance(payload, Payload) or status.id is None:
        return None
    if (
        is_applied(inputs)
        and status.enabled in (None, payload.request.enabled)
        and inputs.memory.unknown_write_at is None
    ):
        return None
    if inputs.desired.resource.spec.suspend:
        return suspended("Updating the integration")
    conflict = refuse_conflict(inputs)
    if conflict is not None:
        return conflict
    look = inputs.memory.unknown_write_at
    if look is not None and inputs.list_since(look) is None:
        return WaitForList(look)
    return Update(status.id, payload)
