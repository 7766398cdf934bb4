"""Policies for a create in flight: the intent before the POST, and the search for its outcome after a lost response."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any, Final

from netbird_streaming.api.status import MAX_KNOWN, Intent, Origin
from netbird_streaming.api.timestamps import CREATED_ROUNDING, latest, parse_time
from netbird_streaming.api.types import AdoptionPolicy
from netbird_streaming.core import former
from netbird_streaming.core.actions import Action, ConfirmAccount, ReadyState, RecordId, Report, WaitForList, refuse
from netbird_streaming.core.inputs import AccountSnapshot, DecisionInput, Target
from netbird_streaming.core.netbird import compare
from netbird_streaming.core.netbird.payload import Payload
from netbird_streaming.core.netbird.types import Integration
from netbird_streaming.errors import OperatorError, RetryError
from netbird_streaming.reasons import Reason

CLOCK_SLACK: Final = timedelta(minutes=10)
"""How far the clock of `createdAt` may be off that of `Date`, for an outcome that is recorded without being asked."""
MAX_NAMED: Final = 10
ACCOUNT_RETRY: Final = 5.0
"""Seconds after which an account that NetBird failed to tell is asked for again."""
_UNKNOWN: Final = (
    "The response to the create was lost. The operator looks for its outcome when no late commit is possible."
)


def open_intent(inputs: DecisionInput) -> Intent | None:
    """Return the intent whose POST may have been sent."""
    intent = inputs.status.internal.creation
    return None if intent in inputs.memory.create.unsent else intent


def new_intent(inputs: DecisionInput, payload: Payload, target: Target, snapshot: AccountSnapshot) -> Intent:
    """Return the intent that the status must hold before the POST is sent."""
    platform = payload.request.platform
    limits = inputs.timeouts
    age = max(limits.intent_age, inputs.observed.now - snapshot.started_at)
    span = timedelta(seconds=age + limits.post + limits.late_commit)
    return Intent(
        attempt=_attempt(inputs),
        authority=target.authority,
        endpoint=target.endpoint_digest,
        account_id=target.account if isinstance(target.account, str) else None,
        proof=target.credential_digest,
        platform=platform,
        signature=dict(payload.signature),
        key_id=payload.key_id,
        since=snapshot.date,
        until=snapshot.date + span if snapshot.date is not None else None,
        **_listed(snapshot, platform),
    )


def _listed(snapshot: AccountSnapshot, platform: str) -> dict[str, Any]:
    """Return what tells later which integrations of the platform are not in this LIST.

    All ids would not fit into a status. The latest `createdAt` tells, by its own clock, and the ids of those of which
    it does not.
    """
    newest = latest(*(item.created_at for item in snapshot.by_id.values()))
    near = [item.id for item in snapshot.by_id.values() if _may_be_of(item, platform) and not _is_older(item, newest)]
    return {
        "newest": newest,
        "highest_id": max(snapshot.by_id, default=0),
        "known_ids": tuple(sorted(near)[-MAX_KNOWN:]),
        "unidentified": snapshot.unidentified(platform),
    }


def _may_be_of(item: Integration, platform: str) -> bool:
    return item.platform in (None, platform)


def _is_older(item: Integration, newest: datetime | None) -> bool:
    """Return whether `createdAt` tells that the item was created before the newest one of a LIST."""
    created = parse_time(item.created_at)
    return created is not None and newest is not None and created < newest - CREATED_ROUNDING


def _is_new(intent: Intent, item: Integration) -> bool:
    """Return whether the LIST before the POST did not show the item."""
    if item.id in intent.known_ids or _is_older(item, intent.newest):
        return False
    return parse_time(item.created_at) is not None or item.id > intent.highest_id


def _attempt(inputs: DecisionInput) -> int:
    """Return the number of this POST. An intent that was never sent keeps its number."""
    previous = inputs.status.internal.creation
    if previous is None:
        return len(inputs.status.internal.unresolved_creations) + 1
    return previous.attempt + (previous not in inputs.memory.create.unsent)


def unresolved(inputs: DecisionInput) -> tuple[Intent, ...]:
    """Return all intents with unknown outcome, the open one included. Equivalent intents are merged."""
    attempts = inputs.status.internal.unresolved_creations
    last = open_intent(inputs)
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
    """Return whether the outcomes of both intents would look the same in the same account."""
    if (one.signature, one.key_id, one.authority) != (other.signature, other.key_id, other.authority):
        return False
    if one.account_id is not None and other.account_id is not None:
        return one.account_id == other.account_id
    return one.proof == other.proof


def candidates(inputs: DecisionInput, intent: Intent, snapshot: AccountSnapshot) -> list[Integration]:
    """Return what may be the outcome of this attempt: all of its platform that is new since, and that is not owned.

    Their values do not count, since a server may show them in a form of its own.
    """
    new = [item for item in snapshot.by_id.values() if _may_be_of(item, intent.platform) and _is_new(intent, item)]
    own = {inputs.status.id} | {item.id for _, item in former.shown(inputs, snapshot)}
    return [item for item in inputs.unowned(new) if item.id not in own]


def _is_exact(inputs: DecisionInput, intent: Intent, item: Integration) -> bool:
    """Return whether the item shows the values that were sent, and was created at the time."""
    if not _in_window(intent, item):
        return False
    if not is_provable(inputs, intent):
        return True
    return compare.matches_signature(item, intent.platform, intent.signature, inputs.key)


def _in_window(intent: Intent, item: Integration) -> bool:
    created = parse_time(item.created_at)
    if created is None or intent.since is None or intent.until is None:
        return True
    return intent.since - CLOCK_SLACK <= created <= intent.until + CLOCK_SLACK


def is_provable(inputs: DecisionInput, intent: Intent) -> bool:
    """Return whether the digests of the intent were made with our key."""
    return intent.key_id == inputs.key.id


def _is_sent_with(inputs: DecisionInput, intent: Intent, target: Target) -> bool:
    """Return whether the POST is proven to have used this URL, token and tenant."""
    return is_provable(inputs, intent) and intent.proof == target.credential_digest


def reaches_same_account(inputs: DecisionInput, intent: Intent, target: Target) -> bool | None:
    """Return whether the connection leads to the account of the POST; None if that is unknown.

    Another authority is another server, whatever accounts it names. A tenant's account has to be confirmed: NetBird
    ignores a tenant that the token has no right to.
    """
    if intent.authority != target.authority:
        return False
    if intent.account_id is not None and isinstance(target.account, str):
        return intent.account_id == target.account
    return True if target.tenant_id is None and _is_sent_with(inputs, intent, target) else None


def intent_with_account(inputs: DecisionInput) -> Intent | None:
    """Return the open intent, completed with its account once that is known. An unsent intent is dropped."""
    intent, target = open_intent(inputs), inputs.observed.target
    if intent is None or intent.account_id is not None or isinstance(target, OperatorError):
        return intent
    if not isinstance(target.account, str) or not _is_sent_with(inputs, intent, target):
        return intent
    return intent.model_copy(update={"account_id": target.account})


def _is_alike(inputs: DecisionInput, intent: Intent, item: Integration) -> bool:
    """Return whether a server may show what is sent now so, and created the item at the time."""
    payload = inputs.desired.payload
    if isinstance(payload, OperatorError) or not _in_window(intent, item):
        return False
    return compare.is_alike(payload.request.platform, payload.request.config, item)


def resolve_open_intent(inputs: DecisionInput) -> Action | None:
    """Find the outcome of the open create. Return None if it made nothing, or if none is open."""
    intent, target = open_intent(inputs), inputs.observed.target
    if intent is None or isinstance(target, OperatorError):
        return None
    if not reaches_same_account(inputs, intent, target):
        return _other_account(target)
    waits = inputs.timeouts.late_commit + inputs.timeouts.list_lag
    over = (inputs.memory.create.ended_at or inputs.observed.now) + waits
    if inputs.observed.now < over:
        return _wait(inputs, intent, target, over)
    absent = inputs.memory.absence.since
    since = over if absent is None else max(over, absent + inputs.timeouts.absence)
    if inputs.observed.now < since:
        return Report(ReadyState.RECONCILING, Reason.CREATE_OUTCOME_UNKNOWN, _outcome_unknown(inputs), retry_at=since)
    snapshot = inputs.list_since(since)
    if snapshot is None:
        return WaitForList(since)
    found = candidates(inputs, intent, snapshot)
    return resolve_candidates(inputs, intent, found) if found else _look_twice(inputs, intent, snapshot)


def _look_twice(inputs: DecisionInput, intent: Intent, snapshot: AccountSnapshot) -> Report | None:
    """Wait for a second LIST that shows nothing, some time later; None where that has come."""
    if snapshot.unidentified(intent.platform) > intent.unidentified:
        sentence = (
            "NetBird lists a new integration without a readable id, which may be the outcome of an unanswered create."
        )
        return refuse(Reason.CREATE_AMBIGUOUS, sentence)
    first = snapshot.started_at if inputs.memory.absence.since is None else inputs.memory.absence.since
    if snapshot.started_at >= first + inputs.timeouts.absence:
        return None
    return Report(
        ReadyState.RECONCILING,
        Reason.CREATE_OUTCOME_UNKNOWN,
        _outcome_unknown(inputs),
        retry_at=first + inputs.timeouts.absence,
        absent=first,
    )


def _wait(inputs: DecisionInput, intent: Intent, target: Target, over: float) -> Action:
    """Wait until no late commit is possible. Meanwhile confirm the account while its token is available."""
    untold = intent.account_id is None and _is_sent_with(inputs, intent, target)
    if untold and target.account is None:
        return ConfirmAccount()
    passing = untold and isinstance(target.account, RetryError)
    retry_at = min(over, inputs.observed.now + ACCOUNT_RETRY) if passing else over
    return Report(ReadyState.RECONCILING, Reason.CREATE_OUTCOME_UNKNOWN, _outcome_unknown(inputs), retry_at=retry_at)


def resolve_unresolved_creates(inputs: DecisionInput, snapshot: AccountSnapshot) -> Action | None:
    """Name or bind what an attempt that was given up made after all.

    It was given up after a look into its own account: so what another account shows is none of it, and what one shows
    that may be its own is named.
    """
    target = inputs.observed.target
    if isinstance(target, OperatorError):
        return None
    # What is just as it was sent goes before what a server may show so.
    for matches, intent in product((_is_exact, _is_alike), inputs.status.internal.unresolved_creations):
        there = reaches_same_account(inputs, intent, target)
        new = [] if there is False else candidates(inputs, intent, snapshot)
        found = [item for item in new if matches(inputs, intent, item)]
        if not found:
            continue
        if there is None and target.account is None:
            return ConfirmAccount()
        return (
            resolve_candidates(inputs, intent, found) if inputs.status.id is None else _ambiguous(inputs, intent, found)
        )
    return None


def resolve_candidates(inputs: DecisionInput, intent: Intent, found: list[Integration]) -> Action | None:
    """Record the one candidate that is just as it was sent, if the intent is proven to be its own; else name all."""
    if not found:
        return None
    adoption = inputs.desired.resource.spec.adoption
    chosen = [item for item in found if adoption.policy is not AdoptionPolicy.NEVER and item.id == adoption.id]
    target = inputs.observed.target
    if isinstance(target, OperatorError):
        return None
    if chosen and target.allow_adoption:
        named = _ambiguous(inputs, intent, found)
        return RecordId(chosen[0], Origin.ADOPTED) if len(found) == 1 else _adopt(inputs, chosen[0], named)
    proven = is_provable(inputs, intent) and reaches_same_account(inputs, intent, target)
    exact = [item for item in found if _is_exact(inputs, intent, item)]
    if proven and len(exact) == 1:
        return RecordId(exact[0], Origin.INFERRED)
    return adoption_not_allowed() if chosen else _ambiguous(inputs, intent, found)


def adoption_not_allowed() -> Report:
    """Refuse an adoption that the connection does not allow."""
    message = f"The connection does not let this namespace adopt integrations. {Reason.ADOPTION_NOT_ALLOWED.remedy}"
    return Report(ReadyState.STALLED, Reason.ADOPTION_NOT_ALLOWED, message)


def _adopt(inputs: DecisionInput, chosen: Integration, named: Report) -> Action:
    """Name all candidates in the status before adopting one, because the others become unmanaged."""
    if not any(each.message == named.message for each in inputs.status.conditions):
        return replace(named, retry_at=inputs.observed.now)
    return RecordId(chosen, Origin.ADOPTED)


def _ambiguous(inputs: DecisionInput, intent: Intent, found: list[Integration]) -> Report:
    """Name the candidates, and in which settings each differs from what was sent."""
    shown = ", ".join(_described(inputs, intent, item) for item in found[:MAX_NAMED])
    more = f" and {len(found) - MAX_NAMED} others" if len(found) > MAX_NAMED else ""
    message = (
        f"Integrations {shown}{more} may be the outcome of a create whose response was lost, and none can be "
        "identified. "
        f"{Reason.CREATE_AMBIGUOUS.remedy}"
    )
    return Report(ReadyState.STALLED, Reason.CREATE_AMBIGUOUS, message)


def _described(inputs: DecisionInput, intent: Intent, item: Integration) -> str:
    if item.config is None or not is_provable(inputs, intent):
        return str(item.id)
    differs = compare.unlike_signature(item, intent.signature, inputs.key)
    return f"{item.id} (differs in {', '.join(differs)})" if differs else str(item.id)


def _outcome_unknown(inputs: DecisionInput) -> str:
    """Return the message about a lost response, with the error that was received instead."""
    return _UNKNOWN if inputs.memory.create.error is None else f"{inputs.memory.create.error} {_UNKNOWN}"


def _other_account(target: Target) -> Action:
    """Report that the connection may lead to another account than the intent's."""
    if target.account is None:
        return ConfirmAccount()
    message = (
        "A create whose response was lost used another connection or token, and this one is not known to lead to "
        "the same account. Use the former one until the create is resolved, or delete the resource with "
        "deletionPolicy Orphan."
    )
    return Report(ReadyState.STALLED, Reason.ACCOUNT_UNCONFIRMED, message)
