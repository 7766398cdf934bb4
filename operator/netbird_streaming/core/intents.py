"""Creating exactly once: what is written before a POST, and how its outcome is found when the answer was lost."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from netbird_streaming.core import compare
from netbird_streaming.core.actions import Action, Bind, ConfirmAccount, Look, Report, State
from netbird_streaming.core.facts import Case, Route, View
from netbird_streaming.core.payload import Payload
from netbird_streaming.core.remote import Integration
from netbird_streaming.core.resources import AdoptionPolicy
from netbird_streaming.core.status import Intent, Origin
from netbird_streaming.core.times import parse_time
from netbird_streaming.errors import OperatorError, RetryError
from netbird_streaming.reasons import Reason

CLOCK_SLACK: Final = timedelta(seconds=60)
"""A proxy's `Date` may not be the database's clock."""
ASK_AGAIN: Final = 5.0
"""Seconds after which an account that NetBird failed to tell is asked for again."""
_UNKNOWN: Final = "The answer to the create was lost. NetBird is asked what came of it when no late commit is possible."


def open_intent(case: Case) -> Intent | None:
    """The intent whose POST may have been sent."""
    intent = case.status.internal.creation
    return None if intent in case.memory.unsent else intent


def new_intent(case: Case, payload: Payload, route: Route, view: View) -> Intent:
    """What must be in the status before the POST is sent."""
    platform = payload.request.platform
    limits = case.limits
    span = timedelta(seconds=limits.intent_age + limits.post + limits.late_commit)
    return Intent(
        attempt=_attempt(case),
        authority=route.authority,
        endpoint=route.endpoint,
        account_id=route.account if isinstance(route.account, str) else None,
        proof=route.proof,
        platform=platform,
        signature=dict(payload.signature),
        key_id=payload.key_id,
        since=view.date,
        until=view.date + span if view.date is not None else None,
    )


def _attempt(case: Case) -> int:
    """Counts POSTs. An intent that has sent none yet serves as it is."""
    previous = case.status.internal.creation
    if previous is None:
        return len(case.status.internal.unresolved_creations) + 1
    return previous.attempt + (previous not in case.memory.unsent)


def unresolved(case: Case) -> tuple[Intent, ...]:
    """The attempts whose outcome was never seen, the open one included, those alike made one."""
    attempts = case.status.internal.unresolved_creations
    last = open_intent(case)
    if last is None:
        return attempts
    for index, each in enumerate(attempts):
        if _are_alike(each, last):
            account_id = each.account_id or last.account_id
            merged = each.model_copy(
                update={"until": last.until, "attempt": last.attempt, "account_id": account_id},
            )
            return (*attempts[:index], merged, *attempts[index + 1 :])
    return (*attempts, last)


def _are_alike(one: Intent, other: Intent) -> bool:
    """Whether what came of either would look the same, in the same account."""
    if (one.signature, one.key_id, one.authority) != (other.signature, other.key_id, other.authority):
        return False
    if one.account_id is not None and other.account_id is not None:
        return one.account_id == other.account_id
    return one.proof == other.proof


def candidates(case: Case, intent: Intent, view: View) -> list[Integration]:
    """The integrations that may be the outcome of this attempt, and that no other resource holds."""
    return [item for item in case.unclaimed(list(view.by_id.values())) if _may_be(case, intent, item)]


def _may_be(case: Case, intent: Intent, item: Integration) -> bool:
    if item.id == case.status.id or item.platform != intent.platform or not _in_window(intent, item):
        return False
    if not is_provable(case, intent):
        return True
    return compare.matches_signature(item, intent.platform, intent.signature, case.key)


def _in_window(intent: Intent, item: Integration) -> bool:
    created = parse_time(item.created_at)
    if created is None or intent.since is None or intent.until is None:
        return True
    return intent.since - CLOCK_SLACK <= created <= intent.until + CLOCK_SLACK


def is_provable(case: Case, intent: Intent) -> bool:
    """Whether the intent's digests were made with the key that we have."""
    return intent.key_id == case.key.id


def _is_sent_with(case: Case, intent: Intent, route: Route) -> bool:
    """Whether the POST went by this URL, token and tenant, as far as can be proven."""
    return is_provable(case, intent) and intent.proof == route.proof


def leads_there(case: Case, intent: Intent, route: Route) -> bool | None:
    """Whether this way leads to the account that the POST went to; None where nothing tells.

    Another authority is another server, whatever accounts it names. A tenant's account has to be confirmed: NetBird
    ignores a tenant that the token has no right to.
    """
    if intent.authority != route.authority:
        return False
    if intent.account_id is not None and isinstance(route.account, str):
        return intent.account_id == route.account
    return True if route.tenant_id is None and _is_sent_with(case, intent, route) else None


def placed(case: Case) -> Intent | None:
    """The open intent, with the account that it went to as soon as that is known; what sent nothing has served."""
    intent, route = open_intent(case), case.observed.route
    if intent is None or intent.account_id is not None or isinstance(route, OperatorError):
        return intent
    if not isinstance(route.account, str) or not _is_sent_with(case, intent, route):
        return intent
    return intent.model_copy(update={"account_id": route.account})


def settle_open_intent(case: Case) -> Action | None:
    """Find out what came of a create whose answer is not known; None where nothing came of it, or none is open."""
    intent, route = open_intent(case), case.observed.route
    if intent is None or isinstance(route, OperatorError):
        return None
    if not leads_there(case, intent, route):
        return _elsewhere(route)
    waits = case.limits.late_commit + case.limits.list_lag
    over = (case.memory.intent_over or case.observed.now) + waits
    if case.observed.now < over:
        return _wait(case, intent, route, over)
    view = case.seen_since(over)
    return Look(over) if view is None else choose(case, intent, candidates(case, intent, view))


def _wait(case: Case, intent: Intent, route: Route, over: float) -> Action:
    """Until no late commit is possible; meanwhile find out which account it went to, while its token is at hand."""
    untold = intent.account_id is None and _is_sent_with(case, intent, route)
    if untold and route.account is None:
        return ConfirmAccount()
    passing = untold and isinstance(route.account, RetryError)
    retry_at = min(over, case.observed.now + ASK_AGAIN) if passing else over
    return Report(State.WORKING, Reason.CREATE_OUTCOME_UNKNOWN, _unknown(case), retry_at=retry_at)


def settle_unresolved(case: Case, view: View) -> Action | None:
    """Name or bind what an attempt that was given up made after all.

    It was given up after a look into its own account: so what another account shows is none of it, and what one shows
    that may be its own is named.
    """
    route = case.observed.route
    if isinstance(route, OperatorError):
        return None
    for intent in case.status.internal.unresolved_creations:
        there = leads_there(case, intent, route)
        found = [] if there is False else candidates(case, intent, view)
        if not found:
            continue
        if there is None and route.account is None:
            return ConfirmAccount()
        return choose(case, intent, found) if case.status.id is None else _ambiguous(found)
    return None


def choose(case: Case, intent: Intent, found: list[Integration]) -> Action | None:
    """One candidate is bound where the intent is proven to be its own, else all are named and left alone."""
    if not found:
        return None
    adoption = case.desired.resource.spec.adoption
    chosen = [item for item in found if adoption.policy is not AdoptionPolicy.NEVER and item.id == adoption.id]
    route = case.observed.route
    if isinstance(route, OperatorError):
        return None
    if chosen and route.allow_adoption:
        return _adopt(case, chosen[0], found)
    proven = is_provable(case, intent) and leads_there(case, intent, route)
    if proven and len(found) == 1:
        return Bind(found[0], Origin.INFERRED)
    return adoption_not_allowed() if chosen else _ambiguous(found)


def adoption_not_allowed() -> Report:
    """The administrator has to allow what the user asks for."""
    message = f"The connection does not let this namespace adopt integrations. {Reason.ADOPTION_NOT_ALLOWED.cure}"
    return Report(State.STALLED, Reason.ADOPTION_NOT_ALLOWED, message)


def _adopt(case: Case, chosen: Integration, found: list[Integration]) -> Action:
    """Whoever adopts one of several was told of them all: the others are nobody's from then on."""
    told = _ambiguous(found)
    if len(found) > 1 and not any(each.message == told.message for each in case.status.conditions):
        return replace(told, retry_at=case.observed.now)
    return Bind(chosen, Origin.ADOPTED)


def _ambiguous(found: list[Integration]) -> Report:
    ids = ", ".join(str(item.id) for item in found)
    message = (
        f"Integrations {ids} may have come of a create whose answer was lost, and nothing tells which. "
        f"{Reason.CREATE_AMBIGUOUS.cure}"
    )
    return Report(State.STALLED, Reason.CREATE_AMBIGUOUS, message)


def _unknown(case: Case) -> str:
    """With what was met instead of an answer: a server that never answers well has to be mended."""
    return _UNKNOWN if case.memory.unanswered is None else f"{case.memory.unanswered} {_UNKNOWN}"


def _elsewhere(route: Route) -> Action:
    """This way, or the token that it has by now, may lead to another account than the intent's."""
    if route.account is None:
        return ConfirmAccount()
    message = (
        "A create whose answer was lost went through another connection or token, and this one is not known to lead to "
        "the same account. Go back to that one until the create is settled, or delete the resource with "
        "deletionPolicy Orphan."
    )
    return Report(State.STALLED, Reason.ACCOUNT_UNCONFIRMED, message)
