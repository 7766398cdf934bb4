"""Policies for a resource without an integration: adopt one, or create one."""

from netbird_streaming.api.status import MAX_UNRESOLVED, Origin
from netbird_streaming.api.types import AdoptionPolicy
from netbird_streaming.core import former
from netbird_streaming.core.actions import (
    Action,
    AddFinalizer,
    ConfirmAccount,
    Create,
    ReadyState,
    RecordId,
    Report,
    WaitForList,
    refuse,
    report_of,
)
from netbird_streaming.core.contention import contended
from netbird_streaming.core.inputs import AccountSnapshot, DecisionInput, Target
from netbird_streaming.core.netbird import compare
from netbird_streaming.core.netbird.payload import Payload
from netbird_streaming.core.netbird.types import Integration
from netbird_streaming.core.policies import create_outcome
from netbird_streaming.core.status.conditions import readiness
from netbird_streaming.errors import OperatorError
from netbird_streaming.reasons import Reason


def suspended(what: str) -> Report:
    """Return a report for an action that `spec.suspend` prevents."""
    return Report(
        ReadyState.SUSPENDED, Reason.SUSPENDED, f"{what} waits: the resource is suspended. {Reason.SUSPENDED.remedy}"
    )


def settle_late_commit(inputs: DecisionInput) -> Action | None:
    """Resolve unresolved creates before a new one begins."""
    if not inputs.status.internal.unresolved_creations:
        return None
    snapshot = inputs.observed.snapshot
    return (
        WaitForList(inputs.observed.now)
        if snapshot is None
        else create_outcome.resolve_unresolved_creates(inputs, snapshot)
    )


def refuse_restored_status(inputs: DecisionInput) -> Action | None:
    """Refuse an id from the status of another resource, until the user adopts it."""
    claim, adoption = inputs.recorded.restored_id, inputs.desired.resource.spec.adoption
    if claim is None or adoption.policy is not AdoptionPolicy.NEVER:
        return None
    snapshot = inputs.observed.snapshot
    if snapshot is None:
        return WaitForList(0.0)
    if claim not in snapshot.by_id:
        return None
    before = inputs.desired.resource.status
    if before.internal.owner_uid is None or readiness(before.conditions).reason is Reason.OWNER_UNKNOWN:
        sentence = (
            f"The status names integration {claim}, and not its owner: status.internal.ownerUID is missing, as after "
            "an older CRD has pruned it."
        )
        return refuse(Reason.OWNER_UNKNOWN, sentence)
    sentence = f"The status was restored from another resource, which held integration {claim}."
    return refuse(Reason.RESTORED_STATUS, sentence)


def adopt(inputs: DecisionInput) -> Action | None:
    """Adopt the integration that the user names. Return None if there is none to adopt."""
    adoption, target = inputs.desired.resource.spec.adoption, inputs.observed.target
    if (
        adoption.policy is AdoptionPolicy.NEVER
        or isinstance(target, OperatorError)
        or former.is_done(inputs, adoption.id)
    ):
        return None
    if not target.allow_adoption:
        return create_outcome.adoption_not_allowed()
    first = _prepare(inputs, target, "Adopting the integration")
    if first is not None:
        return first
    snapshot = inputs.list_since(inputs.memory.finalizer_seen_at)
    if snapshot is None:
        return WaitForList(inputs.memory.finalizer_seen_at or inputs.observed.now)
    return _adopt_any(inputs, snapshot) if adoption.id is None else _adopt_id(inputs, snapshot, adoption.id)


def _adopt_id(inputs: DecisionInput, snapshot: AccountSnapshot, wanted: int) -> Action:
    item = snapshot.by_id.get(wanted)
    if item is None:
        return refuse(Reason.ADOPTION_NOT_FOUND, f"Integration {wanted}, to be adopted, is not in this account.")
    if not inputs.unowned([item]):
        return refuse(
            Reason.ADOPTION_CLAIMED, f"Resource {inputs.observed.owners.other(item)} holds integration {wanted}."
        )
    platform = inputs.desired.resource.spec.platform
    if item.platform != platform:
        return refuse(Reason.PLATFORM_MISMATCH, f"Integration {wanted} is not of platform {platform}.")
    match inputs.desired.resource.spec.adoption.policy:
        case AdoptionPolicy.OVERRIDE:
            return RecordId(item, Origin.ADOPTED)
        case AdoptionPolicy.MATCH | AdoptionPolicy.NEVER:
            if _is_identical(inputs, item):
                return RecordId(item, Origin.ADOPTED)
            differs = _differs(inputs, [item])
            return refuse(Reason.ADOPTION_MISMATCH, f"It has other settings than the resource: {differs}.")


def _adopt_any(inputs: DecisionInput, snapshot: AccountSnapshot) -> Action | None:
    payload = inputs.desired.payload
    if not isinstance(payload, Payload):
        return None
    found = inputs.unowned(snapshot.identical(payload.request.platform, payload.request.config))
    if len(found) > 1:
        ids = ", ".join(str(item.id) for item in found)
        return refuse(Reason.ADOPTION_AMBIGUOUS, f"Integrations {ids} are identical to the resource.")
    if found:
        return RecordId(found[0], Origin.ADOPTED)
    near = inputs.unowned(snapshot.alike(payload.request.platform, payload.request.config))
    if near:
        sentence = f"No integration is identical to the resource, and one may be the same: {_differs(inputs, near)}."
        return refuse(Reason.ADOPTION_MISMATCH, sentence)
    return None


def _differs(inputs: DecisionInput, items: list[Integration]) -> str:
    """Return which integrations these are, and in which settings each differs from the resource."""
    payload = inputs.desired.payload
    if not isinstance(payload, Payload):
        return ", ".join(f"integration {item.id}" for item in items)
    request = payload.request
    return "; ".join(
        f"integration {item.id} differs in {', '.join(compare.unlike(request.platform, request.config, item))}"
        for item in items
    )


def _is_identical(inputs: DecisionInput, item: Integration) -> bool:
    payload = inputs.desired.payload
    return isinstance(payload, Payload) and compare.is_identical(payload.request.platform, payload.request.config, item)


def refuse_conflict(inputs: DecisionInput) -> Action | None:
    """Refuse to act if another resource owns the same configuration in the same account."""
    if inputs.observed.conflicting_owner is None:
        return None
    return refuse(
        Reason.OWNERSHIP_CONFLICT,
        f"Resource {inputs.observed.conflicting_owner} already manages an "
        "integration with the same account, platform and public settings.",
    )


def create(inputs: DecisionInput) -> Action | None:
    """Create the integration: finalizer, LIST, intent, POST."""
    payload, target = inputs.desired.payload, inputs.observed.target
    if isinstance(payload, OperatorError) or isinstance(target, OperatorError):
        return None
    first = _prepare(inputs, target, "Creating the integration")
    if first is not None:
        return first
    stop = _contended(inputs)
    if stop is not None:
        return stop
    since = max(inputs.memory.finalizer_seen_at or inputs.observed.now, inputs.observed.deleted_at)
    snapshot = inputs.list_since(since)
    if snapshot is None:
        return WaitForList(since)
    return (
        _refuse_identical(inputs, snapshot, payload)
        or _name_account(target)
        or _post(inputs, payload, target, snapshot)
    )


def _contended(inputs: DecisionInput) -> Report | None:
    """Creating again what is gone counts as a correction does."""
    if inputs.status.id is None:
        return None
    return contended(inputs, f"Integration {inputs.status.id} is gone from NetBird.")


def _name_account(target: Target) -> Action | None:
    """Confirm the account before the intent is written, because the token may change later."""
    return ConfirmAccount() if target.account is None and not target.account_checked else None


def _prepare(inputs: DecisionInput, target: Target, what: str) -> Action | None:
    """Return what comes before an integration becomes the resource's: the finalizer, and the tenant's account."""
    if inputs.desired.resource.spec.suspend:
        return suspended(what)
    if not inputs.desired.resource.has_finalizer and not target.observe_only:
        return AddFinalizer()
    return _confirm_tenant(target)


def _confirm_tenant(target: Target) -> Action | None:
    """Confirm that the token may act in the tenant. NetBird otherwise acts in the token's own account."""
    if target.tenant_id is None or isinstance(target.account, str):
        return None
    if target.account is None:
        return ConfirmAccount()
    return report_of(target.account)


def _post(inputs: DecisionInput, payload: Payload, target: Target, snapshot: AccountSnapshot) -> Action:
    if snapshot.started_at < inputs.recent(inputs.timeouts.intent_age):
        return WaitForList(inputs.observed.now)
    earlier = create_outcome.unresolved(inputs)
    if earlier and (inputs.observed.partial or inputs.observed.vanished):
        sentence = (
            "A create was never answered, and NetBird's list is incomplete, so that it does not show the outcome."
        )
        return refuse(Reason.CREATE_AMBIGUOUS, sentence)
    if len(earlier) > MAX_UNRESOLVED:
        sentence = f"{len(earlier)} different creates were never answered, so another one is not tried."
        return refuse(Reason.CREATE_AMBIGUOUS, sentence)
    intent = create_outcome.new_intent(inputs, payload, target, snapshot)
    beside = inputs.unowned(snapshot.unmanaged(payload.request.platform, inputs.unowned))
    former_ids = {inputs.status.id} | {each.id for each in inputs.status.internal.former}
    return Create(intent, earlier, payload, tuple(item.id for item in beside if item.id not in former_ids))


def _refuse_identical(
    inputs: DecisionInput, snapshot: AccountSnapshot, payload: Payload
) -> WaitForList | Report | None:
    """Refuse to create a second stream of the same events if an identical integration exists."""
    twins = snapshot.identical(payload.request.platform, payload.request.config)
    unclaimed = inputs.unowned(twins)
    near = inputs.unowned(snapshot.alike(payload.request.platform, payload.request.config))
    # What we have just deleted is shown for a while yet by a LIST that lags.
    surely = inputs.observed.deleted_at + inputs.timeouts.list_lag
    if (unclaimed or near) and snapshot.started_at < surely:
        return WaitForList(surely)
    if unclaimed:
        ids = ", ".join(str(item.id) for item in unclaimed)
        return refuse(
            Reason.IDENTICAL_EXISTS, f"Integration {ids} with these settings exists and is not managed by the operator."
        )
    if near:
        sentence = (
            f"An integration that may be the same exists and is not managed by the operator: {_differs(inputs, near)}."
        )
        return refuse(Reason.IDENTICAL_EXISTS, sentence)
    if twins:
        holder = inputs.observed.owners.other(twins[0])
        sentence = f"Resource {holder} holds integration {twins[0].id} with these settings."
        return refuse(Reason.OWNERSHIP_CONFLICT, sentence)
    return None
