"""No integration yet: adopt one, or create one."""

from netbird_streaming.core import compare, intents
from netbird_streaming.core.actions import (
    Action,
    AddFinalizer,
    Bind,
    ConfirmAccount,
    Create,
    Look,
    Report,
    State,
    failed,
)
from netbird_streaming.core.conditions import readiness
from netbird_streaming.core.facts import Case, Route, View
from netbird_streaming.core.payload import Payload
from netbird_streaming.core.remote import Integration
from netbird_streaming.core.resources import AdoptionPolicy
from netbird_streaming.core.status import MAX_UNRESOLVED, Origin
from netbird_streaming.errors import OperatorError
from netbird_streaming.reasons import Reason


def refuse(reason: Reason, sentence: str) -> Report:
    """A state that a human must mend."""
    return Report(State.STALLED, reason, f"{sentence} {reason.cure}")


def suspended(what: str) -> Report:
    """A state that a human wanted."""
    return Report(State.HELD, Reason.SUSPENDED, f"{what} waits: the resource is suspended. {Reason.SUSPENDED.cure}")


def settle_late_commit(case: Case) -> Action | None:
    """Before anything new: what came of attempts that were given up."""
    if not case.status.internal.unresolved_creations:
        return None
    view = case.observed.view
    return Look(case.observed.now) if view is None else intents.settle_unresolved(case, view)


def restored(case: Case) -> Action | None:
    """A status that another resource wrote names an integration: it is that one's, until it is adopted."""
    claim, adoption = case.remembered.claim, case.desired.resource.spec.adoption
    if claim is None or adoption.policy is not AdoptionPolicy.NEVER:
        return None
    view = case.observed.view
    if view is None:
        return Look(0.0)
    if claim not in view.by_id:
        return None
    before = case.desired.resource.status
    if before.internal.owner_uid is None or readiness(before.conditions).reason is Reason.OWNER_UNKNOWN:
        sentence = (
            f"The status names integration {claim}, and not its owner: status.internal.ownerUID is missing, as after "
            "an older CRD has pruned it."
        )
        return refuse(Reason.OWNER_UNKNOWN, sentence)
    sentence = f"The status was restored from another resource, which held integration {claim}."
    return refuse(Reason.RESTORED_STATUS, sentence)


def adopt(case: Case) -> Action | None:
    """Take over what the user says is theirs; None where there is nothing to take over."""
    adoption, route = case.desired.resource.spec.adoption, case.observed.route
    if adoption.policy is AdoptionPolicy.NEVER or isinstance(route, OperatorError):
        return None
    if not route.allow_adoption:
        return intents.adoption_not_allowed()
    first = _prepare(case, route, "Adopting the integration")
    if first is not None:
        return first
    view = case.seen_since(case.memory.finalizer_seen)
    if view is None:
        return Look(case.memory.finalizer_seen or case.observed.now)
    return _adopt_any(case, view) if adoption.id is None else _adopt_id(case, view, adoption.id)


def _adopt_id(case: Case, view: View, wanted: int) -> Action:
    item = view.by_id.get(wanted)
    if item is None:
        return refuse(Reason.ADOPTION_NOT_FOUND, f"Integration {wanted}, to be adopted, is not in this account.")
    if not case.unclaimed([item]):
        return refuse(
            Reason.ADOPTION_CLAIMED, f"Resource {case.observed.holders.other(wanted)} holds integration {wanted}."
        )
    platform = case.desired.resource.spec.platform
    if item.platform != platform:
        return refuse(Reason.PLATFORM_MISMATCH, f"Integration {wanted} is not of platform {platform}.")
    match case.desired.resource.spec.adoption.policy:
        case AdoptionPolicy.OVERRIDE:
            return Bind(item, Origin.ADOPTED)
        case AdoptionPolicy.MATCH | AdoptionPolicy.NEVER:
            if _is_identical(case, item):
                return Bind(item, Origin.ADOPTED)
            return refuse(Reason.ADOPTION_MISMATCH, f"Integration {wanted} has other settings than the resource.")


def _adopt_any(case: Case, view: View) -> Action | None:
    payload = case.desired.payload
    if not isinstance(payload, Payload):
        return None
    found = case.unclaimed(view.identical(payload.request.platform, payload.request.config))
    if len(found) > 1:
        ids = ", ".join(str(item.id) for item in found)
        return refuse(Reason.ADOPTION_AMBIGUOUS, f"Integrations {ids} are identical to the resource.")
    return Bind(found[0], Origin.ADOPTED) if found else None


def _is_identical(case: Case, item: Integration) -> bool:
    payload = case.desired.payload
    return isinstance(payload, Payload) and compare.is_identical(payload.request.platform, payload.request.config, item)


def rival(case: Case) -> Action | None:
    """Of two resources that nobody could tell apart in NetBird, one acts."""
    if case.observed.rival is None:
        return None
    return refuse(
        Reason.OWNERSHIP_CONFLICT,
        f"Resource {case.observed.rival} has the same account, platform and public settings, and holds them.",
    )


def create(case: Case) -> Action | None:
    """Create the integration: finalizer, LIST, intent, POST."""
    payload, route = case.desired.payload, case.observed.route
    if isinstance(payload, OperatorError) or isinstance(route, OperatorError):
        return None
    first = _prepare(case, route, "Creating the integration")
    if first is not None:
        return first
    since = max(case.memory.finalizer_seen or case.observed.now, case.observed.deleted_at)
    view = case.seen_since(since)
    if view is None:
        return Look(since)
    return _twin(case, view, payload) or _name_account(route) or _post(case, payload, route, view)


def _name_account(route: Route) -> Action | None:
    """The intent says which account it went to, wherever NetBird tells: its token may be another one soon."""
    return ConfirmAccount() if route.account is None and not route.asked else None


def _prepare(case: Case, route: Route, what: str) -> Action | None:
    """Return what comes before an integration becomes the resource's: the finalizer, and the tenant's account."""
    if case.desired.resource.spec.suspend:
        return suspended(what)
    if not case.desired.resource.has_finalizer:
        return AddFinalizer()
    return _confirm_tenant(route)


def _confirm_tenant(route: Route) -> Action | None:
    """NetBird ignores an `account` parameter that the token has no right to, and acts in the token's own account."""
    if route.tenant_id is None or isinstance(route.account, str):
        return None
    if route.account is None:
        return ConfirmAccount()
    return failed(route.account)


def _post(case: Case, payload: Payload, route: Route, view: View) -> Action:
    if case.observed.now - view.begun > case.limits.intent_age:
        return Look(case.observed.now)
    earlier = intents.unresolved(case)
    if len(earlier) > MAX_UNRESOLVED:
        sentence = f"{len(earlier)} different creates were never answered, so another one is not tried."
        return refuse(Reason.CREATE_AMBIGUOUS, sentence)
    return Create(intents.new_intent(case, payload, route, view), earlier, payload)


def _twin(case: Case, view: View, payload: Payload) -> Look | Report | None:
    """An integration that is identical already: a second stream of the same events is never wanted."""
    twins = view.identical(payload.request.platform, payload.request.config)
    unclaimed = case.unclaimed(twins)
    # What we have just deleted is shown for a while yet by a LIST that lags.
    surely = case.observed.deleted_at + case.limits.list_lag
    if unclaimed and view.begun < surely:
        return Look(surely)
    if unclaimed:
        ids = ", ".join(str(item.id) for item in unclaimed)
        return refuse(Reason.IDENTICAL_EXISTS, f"Integration {ids} with these settings exists and is not ours.")
    if twins:
        holder = case.observed.holders.other(twins[0].id)
        sentence = f"Resource {holder} holds integration {twins[0].id} with these settings."
        return refuse(Reason.OWNERSHIP_CONFLICT, sentence)
    return None
