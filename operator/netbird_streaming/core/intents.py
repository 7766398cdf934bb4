"""Creating exactly once: what is written before a POST, and how its outcome is found when the answer was lost."""

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
from netbird_streaming.errors import OperatorError
from netbird_streaming.reasons import Reason

CLOCK_SLACK: Final = timedelta(seconds=60)
"""A proxy's `Date` may not be the database's clock; `known_ids` keeps apart what was there before."""
MAX_UNRESOLVED: Final = 8
_UNKNOWN: Final = "The answer to the create was lost. NetBird is asked what came of it when no late commit is possible."


def open_intent(case: Case) -> Intent | None:
    """The intent whose POST may have been sent."""
    intent = case.status.creation
    return None if intent == case.memory.unsent else intent


def new_intent(case: Case, payload: Payload, route: Route, view: View) -> Intent:
    """What must be in the status before the POST is sent."""
    platform = payload.request.platform
    limits = case.limits
    span = timedelta(seconds=limits.intent_age + limits.post + limits.late_commit)
    return Intent(
        attempt=_attempt(case),
        endpoint=route.endpoint,
        account_id=route.account if isinstance(route.account, str) else None,
        platform=platform,
        config=dict(payload.public),
        signature=dict(payload.signature),
        key_id=payload.key_id,
        known_ids=tuple(item.id for item in view.identical(platform, payload.request.config)),
        since=view.date,
        until=view.date + span if view.date is not None else None,
    )


def _attempt(case: Case) -> int:
    """Counts POSTs. An intent whose write was not answered and landed has sent none yet, and serves as it is."""
    previous = case.status.creation
    if previous is None:
        return len(case.status.unresolved_creations) + 1
    return previous.attempt + (previous != case.memory.unsent)


def unresolved(case: Case) -> tuple[Intent, ...]:
    """The attempts whose outcome was never seen, the open one included, those alike made one."""
    attempts = case.status.unresolved_creations
    last = open_intent(case)
    if last is None:
        return attempts
    for index, each in enumerate(attempts):
        if (each.signature, each.key_id) == (last.signature, last.key_id):
            merged = each.model_copy(update={"until": last.until, "attempt": last.attempt})
            return (*attempts[:index], merged, *attempts[index + 1 :])
    return (*attempts, last)


def candidates(case: Case, intent: Intent, view: View) -> list[Integration]:
    """The integrations that may be the outcome of this attempt, and that no other resource holds."""
    return [item for item in case.unclaimed(list(view.by_id.values())) if _may_be(case, intent, item)]


def _may_be(case: Case, intent: Intent, item: Integration) -> bool:
    if (
        item.id == case.status.id
        or item.id in intent.known_ids
        or item.platform != intent.platform
        or not _in_window(intent, item)
    ):
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


def settle_open_intent(case: Case) -> Action | None:
    """Find out what came of a create whose answer is not known; None where nothing came of it, or none is open."""
    intent, route = open_intent(case), case.observed.route
    if intent is None or isinstance(route, OperatorError):
        return None
    elsewhere = _elsewhere(intent, route)
    if elsewhere is not None:
        return elsewhere
    over = (case.memory.intent_over or case.observed.now) + case.limits.late_commit
    if case.observed.now < over:
        return Report(State.WORKING, Reason.CREATE_OUTCOME_UNKNOWN, _unknown(case), retry_at=over)
    view = case.seen_since(over)
    return Look(over) if view is None else choose(case, intent, candidates(case, intent, view))


def settle_unresolved(case: Case, view: View) -> Action | None:
    """Name or bind what an attempt that was given up made after all."""
    for intent in case.status.unresolved_creations:
        found = candidates(case, intent, view)
        if found and case.status.id is None:
            return choose(case, intent, found)
        if found:
            return _ambiguous(found)
    return None


def choose(case: Case, intent: Intent, found: list[Integration]) -> Action | None:
    """One candidate is bound, several are named and left alone, none is None."""
    if not found:
        return None
    adoption = case.desired.resource.spec.adoption
    chosen = [item for item in found if adoption.policy is not AdoptionPolicy.NEVER and item.id == adoption.id]
    if chosen:
        return Bind(chosen[0], Origin.ADOPTED)
    if len(found) == 1 and is_provable(case, intent):
        return Bind(found[0], Origin.INFERRED)
    return _ambiguous(found)


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


def _elsewhere(intent: Intent, route: Route) -> Action | None:
    """Whether this way, or the token that it has by now, may lead to another account than the intent's."""
    if intent.endpoint == route.endpoint and intent.account_id is None:
        return None
    if route.account is None:
        return ConfirmAccount()
    if intent.account_id is not None and route.account == intent.account_id:
        return None
    message = (
        "A create whose answer was lost went through another connection or token, and this one is not known to lead to "
        "the same account. Go back to that one until the create is settled, or delete the resource with "
        "deletionPolicy Orphan."
    )
    return Report(State.STALLED, Reason.ACCOUNT_UNCONFIRMED, message)
