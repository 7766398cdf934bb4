"""The status after each thing that happens: pure, and the only place where one is made."""

from datetime import datetime, timedelta
from typing import Final

from netbird_streaming.core.actions import Action, Bind, Create, Delete, Look, Report, State, Update
from netbird_streaming.core.conditions import Standing, conditions
from netbird_streaming.core.drift import is_foreign_write
from netbird_streaming.core.facts import Case, Posted
from netbird_streaming.core.intents import placed
from netbird_streaming.core.remote import Integration
from netbird_streaming.core.resources import EventStreamingIntegration
from netbird_streaming.core.status import MAX_CORRECTIONS, Applied, Condition, Correction, Internal, Status
from netbird_streaming.core.times import parse_time
from netbird_streaming.errors import OperatorError
from netbird_streaming.reasons import Reason

ANSWER_SLACK: Final = timedelta(seconds=5)
"""A `Date` is cut to seconds; less than `LATE_TOUCH`, so that a time just before the PUT makes no drift of it."""
_ON_THE_WAY: Final = frozenset({Reason.PENDING, Reason.PROGRESSING, Reason.DELETING})
SHORTEST_REPORTED: Final = timedelta(seconds=5)
"""A shorter wait for the rate limit is not reported: it would only add a write."""
_CREATING: Final = Report(State.WORKING, Reason.PROGRESSING, "The integration is being created in NetBird.")
_BINDING: Final = Report(State.WORKING, Reason.PROGRESSING, "The integration's settings are being applied in NetBird.")


def intending(case: Case, create: Create) -> Status:
    """The intent, and no id any more: what was held before is proven to be gone."""
    resource = case.desired.resource
    return Status(
        platform=create.intent.platform,
        observed_generation=case.status.observed_generation,
        last_handled_reconcile_at=case.status.last_handled_reconcile_at,
        conditions=_standing(resource, _CREATING, case.observed.wall),
        internal=Internal(
            creation=create.intent, unresolved_creations=create.unresolved, owner_uid=resource.metadata.uid
        ),
    )


def bound(case: Case, bind: Bind) -> Status:
    """The id of what was created, adopted or inferred; what was not answered has still to be accepted."""
    item, posted = bind.item, bind.posted
    return case.status.having(
        id=item.id,
        origin=bind.origin,
        account_id=item.account_id or _account(case, posted),
        platform=item.platform or case.desired.resource.spec.platform.value,
        enabled=_enabled(bind),
        config=None if posted is None else dict(posted.public),
        created_at=item.created_at,
        updated_at=item.updated_at,
        authority=_authority(case, posted),
        proof=_proof(case, posted),
        applied=None if posted is None else posted.applied,
        creation=None,
        corrections=(),
        normalized={},
        owner_uid=case.desired.uid,
        claimed_id=None,
        conditions=_standing(case.desired.resource, _BINDING, case.observed.wall),
    )


def _account(case: Case, posted: Posted | None) -> str | None:
    """The account that the way leads to, unless what is bound was made with another token."""
    route = case.observed.route
    if isinstance(route, OperatorError) or (posted is not None and posted.proof != route.proof):
        return None
    return route.account if isinstance(route.account, str) else None


def _authority(case: Case, posted: Posted | None) -> str | None:
    route = case.observed.route
    if posted is not None:
        return posted.authority
    return None if isinstance(route, OperatorError) else route.authority


def _proof(case: Case, posted: Posted | None) -> str | None:
    route = case.observed.route
    if posted is not None:
        return posted.proof
    return None if isinstance(route, OperatorError) else route.proof


def _enabled(bind: Bind) -> bool | None:
    if bind.item.enabled is not None or bind.posted is None:
        return bind.item.enabled
    return bind.posted.enabled


def updated(case: Case, update: Update, answer: Integration) -> Status:
    """A PUT was accepted. Its answer may show the values from before, so its time counts only where it moved.

    Where a LIST or the account is waited for before all is said to be well, what was said of a former generation goes.
    """
    status, request, resource = case.status, update.payload.request, case.desired.resource
    is_told = status.observed_generation == resource.metadata.generation
    return corrected(status, update.correction).having(
        conditions=status.conditions if is_told else _standing(resource, _BINDING, case.observed.wall),
        enabled=request.enabled,
        config=dict(update.payload.public),
        updated_at=answer.updated_at if _is_of_this_write(case, answer) else None,
        applied=Applied(fingerprint=update.payload.fingerprint, key_id=update.payload.key_id),
        last_handled_reconcile_at=case.desired.requested or status.last_handled_reconcile_at,
    )


def _is_of_this_write(case: Case, answer: Integration) -> bool:
    """Whether the answer's time is that of the PUT, and not of what was there before: a stranger's write, perhaps."""
    began, shown = case.observed.server_now, parse_time(answer.updated_at)
    return began is not None and shown is not None and shown >= began - ANSWER_SLACK


def _without_values(correction: Correction) -> Correction:
    """A LIST has shown what came of the correction: the same values later are somebody's, or are kept as known."""
    return correction.model_copy(update={"values": {}})


def corrected(status: Status, correction: Correction | None) -> Status:
    """A PUT that undoes somebody else's was sent: it counts, answered or not."""
    if correction is None:
        return status
    return status.having(corrections=(*status.internal.corrections, correction)[-MAX_CORRECTIONS:])


def refused(status: Status) -> Status:
    """The POST was refused in a way that proves that nothing happened: the intent has served."""
    return status.having(creation=None)


def reported(case: Case, report: Report) -> Status:
    """How it stands now; nothing else changes unless the LIST showed that it did."""
    resource = case.desired.resource
    changes: dict[str, object] = {
        "observed_generation": resource.metadata.generation,
        "last_handled_reconcile_at": case.desired.requested or case.status.last_handled_reconcile_at,
        "owner_uid": resource.metadata.uid,
        "claimed_id": case.remembered.claim,
        "creation": placed(case),
        "conditions": _standing(resource, report, case.observed.wall),
    }
    if report.normalized is not None:
        changes["normalized"] = dict(report.normalized)
    if report.item is not None:
        changes |= _shown(case, report.item)
    return case.status.having(**changes)


def _shown(case: Case, item: Integration) -> dict[str, object]:
    """What the LIST says, taken over only where it says something else: formats alone are no change."""
    status = case.status
    shown: dict[str, object] = {
        "account_id": item.account_id or status.account_id,
        "corrections": tuple(map(_without_values, status.internal.corrections)),
    }
    if parse_time(item.created_at) != parse_time(status.created_at):
        shown["created_at"] = item.created_at
    if not is_foreign_write(case, item) and parse_time(item.updated_at) != parse_time(status.updated_at):
        shown["updated_at"] = item.updated_at
    return shown


def waiting(case: Case, action: Action, wait: timedelta) -> Status:
    """Return the status while the action waits for the rate limit.

    A short wait is not reported, nor is the wait of a retry: the problem that it is about stays in the status.
    """
    resource = case.desired.resource
    if wait < SHORTEST_REPORTED or _has_problem(case):
        return case.status
    reason = Reason.DELETING if resource.deleting else Reason.PROGRESSING
    message = (
        f"{_what_waits(case, action)} for the token's rate limit. The next request is sent {_about(wait)}. "
        "If NetBird allows more requests, raise spec.rateLimit of the connection."
    )
    report = Report(State.WORKING, reason, message)
    return case.status.model_copy(update={"conditions": _standing(resource, report, case.observed.wall)})


def _has_problem(case: Case) -> bool:
    """Return whether the status names a problem of this generation."""
    ready = next((each for each in case.status.conditions if each.type == "Ready"), None)
    if ready is None or ready.observed_generation != case.desired.resource.metadata.generation:
        return False
    return ready.status == "False" and ready.reason not in _ON_THE_WAY


def _what_waits(case: Case, action: Action) -> str:
    match action:
        case Create():
            return "The create waits"
        case Delete():
            return "The deletion waits"
        case Look():
            return "The list of the account's integrations waits"
        case Update(correction=None) if case.status.observed_generation == case.desired.resource.metadata.generation:
            return "The new Secret values wait"
        case Update(correction=None):
            return "The update waits"
        case _:
            return "The correction waits"


def _about(wait: timedelta) -> str:
    minutes = round(wait / timedelta(minutes=1))
    return "in less than a minute" if minutes < 1 else f"in about {minutes} minute{'' if minutes == 1 else 's'}"


def _standing(resource: EventStreamingIntegration, report: Report, wall: datetime) -> tuple[Condition, ...]:
    standing = Standing(report.state, report.reason, report.message, report.drifted, resource.spec.suspend)
    return conditions(standing, resource.status.conditions, resource.metadata.generation, wall)
