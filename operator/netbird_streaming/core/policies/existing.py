"""Policies for a resource with an integration: right account, still present, and as the spec says."""

from typing import Final

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
    refuse,
    report_of,
)
from netbird_streaming.core.inputs import DecisionInput, Target
from netbird_streaming.core.netbird.payload import Payload
from netbird_streaming.core.netbird.types import Integration
from netbird_streaming.core.policies.creation import adopt, refuse_conflict, suspended
from netbird_streaming.errors import OperatorError
from netbird_streaming.reasons import Reason

FRESH: Final = 20.0
"""Seconds for which a LIST, or the answer to our own write, vouches for the integration that is written next."""


def restore_finalizer(inputs: DecisionInput) -> Action | None:
    """Restore our finalizer (`kubectl replace` removes it) while an integration may be in NetBird."""
    status = inputs.status
    internal = status.internal
    held = status.id is not None or internal.creation is not None or bool(internal.unresolved_creations)
    return AddFinalizer() if held and not inputs.desired.resource.has_finalizer else None


def is_elsewhere(inputs: DecisionInput) -> bool:
    """Return whether another server than the connection's assigned the recorded id."""
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
    """Confirm that the recorded id belongs to the account of the connection."""
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
    return refuse(
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
        return refuse(Reason.ACCOUNT_MISMATCH, sentence)
    if status.account_id is None and status.internal.proof != target.credential_digest:
        sentence = f"Integration {status.id} was received with another token, and its account is not known."
        return refuse(Reason.ACCOUNT_UNCONFIRMED, sentence)
    return None


def prove_ownership(inputs: DecisionInput) -> Action | None:
    """Send nothing for an id that another resource owns in the same account."""
    held = inputs.status.id
    item = None if held is None else Integration(held, created_at=inputs.status.created_at)
    owner = None if item is None else inputs.observed.owners.owner(item)
    if owner is None:
        return None
    return refuse(Reason.OWNERSHIP_CONFLICT, f"Resource {owner} holds integration {held} too.")


def is_gone(inputs: DecisionInput) -> bool:
    """Return whether the integration that we own is proven absent.

    A read replica, a shard or a token's rights can hide an integration for a while. So it is proven by two observations
    some time apart, each by id and by a LIST that would show our last write.
    """
    absence = inputs.memory.absence
    if not absence.is_proven_apart(inputs.timeouts.absence) or inputs.status.id in inputs.observed.vanished:
        return False
    snapshot = inputs.list_since(max(absence.not_found_at or 0.0, inputs.list_reliable_after))
    return snapshot is not None and inputs.held(snapshot) is None


def prove_absence(inputs: DecisionInput) -> Action | None:
    """The LIST does not show our integration, or a request by id did not find it: find out whether it is gone."""
    status, memory = inputs.status, inputs.memory
    if status.id is None:
        return None
    missing = memory.absence.not_found_at
    since = inputs.list_reliable_after if missing is None else max(missing, inputs.list_reliable_after)
    snapshot = inputs.list_since(since)
    if snapshot is None:
        return None if missing is None else WaitForList(since)
    if inputs.held(snapshot) is None:
        return _absent(inputs, status.id)
    # A LIST that lags shows for a while yet what was just deleted.
    surely = snapshot.started_at if missing is None else missing + inputs.timeouts.list_lag
    return WaitForList(surely) if snapshot.started_at < surely else None


def _absent(inputs: DecisionInput, integration_id: int) -> Action | None:
    """The LIST does not show it: observe that twice; None where that is done."""
    missing, absent = inputs.memory.absence.not_found_at, inputs.memory.absence.since
    if missing is None or absent is None:
        return ProveAbsence(integration_id)
    if integration_id in inputs.observed.vanished:
        return _vanished(inputs)
    again = absent + inputs.timeouts.absence
    if missing >= again:
        return None
    return ProveAbsence(integration_id) if inputs.observed.now >= again else _unproven(inputs, again)


def _vanished(inputs: DecisionInput) -> Report:
    count = len(inputs.observed.vanished)
    sentence = (
        f"NetBird no longer shows {count} owned integrations of this account, among them integration "
        f"{inputs.status.id}."
    )
    return Report(
        ReadyState.RECONCILING, Reason.INTEGRATIONS_VANISHED, f"{sentence} {Reason.INTEGRATIONS_VANISHED.remedy}"
    )


def _unproven(inputs: DecisionInput, again: float) -> Report:
    what = "the finalizer is removed" if inputs.desired.resource.deleting else "anything is done about it"
    message = (
        f"NetBird does not show integration {inputs.status.id}. It is checked again after "
        f"{inputs.timeouts.absence:g} seconds, before {what}."
    )
    return Report(ReadyState.RECONCILING, Reason.REMOTE_DELETED, message, retry_at=again)


def before_write(inputs: DecisionInput) -> Action | None:
    """Return what has to be done before a PUT or DELETE of the integration that we own, or None.

    A LIST has to show it as ours a moment ago, since an id can be given again; what our own write was just answered
    with needs none.
    """
    now, written = inputs.observed.now, inputs.memory.write.at
    if written is not None and now - written <= FRESH:
        return None
    since = max(inputs.recent(FRESH), inputs.list_reliable_after)
    snapshot = inputs.list_since(since)
    if snapshot is None:
        return WaitForList(since)
    return prove_absence(inputs) if inputs.held(snapshot) is None else None


def report_deletion(inputs: DecisionInput) -> Action | None:
    """Report a remote deletion if `driftPolicy` is Report. Later changes to the spec are still applied."""
    if not is_gone(inputs) or inputs.desired.resource.spec.drift_policy is not DriftPolicy.REPORT:
        return None
    if not is_applied(inputs):
        return None
    sentence = f"Integration {inputs.status.id} was deleted in NetBird. {Reason.REMOTE_DELETED.remedy}"
    return Report(ReadyState.STALLED, Reason.REMOTE_DELETED, sentence, drifted=sentence)


def is_applied(inputs: DecisionInput) -> bool:
    """Return whether NetBird accepted exactly this payload last."""
    applied, payload = inputs.status.internal.applied, inputs.desired.payload
    return (
        isinstance(payload, Payload)
        and applied is not None
        and (applied.fingerprint, applied.key_id) == (payload.fingerprint, payload.key_id)
    )


def update(inputs: DecisionInput) -> Action | None:
    """PUT a changed spec, changed Secret values, or an `enabled` that the POST ignored."""
    payload, status = inputs.desired.payload, inputs.status
    if not isinstance(payload, Payload) or status.id is None:
        return None
    if (
        is_applied(inputs)
        and status.enabled in (None, payload.request.enabled)
        and inputs.memory.write.unknown_at is None
    ):
        return None
    if inputs.desired.resource.spec.suspend:
        return suspended("Updating the integration")
    conflict = refuse_conflict(inputs)
    if conflict is not None:
        return conflict
    look = inputs.memory.write.unknown_at
    if look is not None and inputs.list_since(look) is None:
        return WaitForList(look)
    return Update(status.id, payload)
