"""The status after each thing that happens: pure, and the only place where one is made."""

from datetime import timedelta
from typing import Final

from netbird_streaming.api.status import MAX_CORRECTIONS, Applied, Condition, Correction, Internal, Origin, Status
from netbird_streaming.api.timestamps import parse_time
from netbird_streaming.core import former
from netbird_streaming.core.actions import Action, Create, Delete, ReadyState, RecordId, Report, Update, WaitForList
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.memory import CreatedIntegration
from netbird_streaming.core.netbird.types import Integration
from netbird_streaming.core.policies.create_outcome import intent_with_account
from netbird_streaming.core.status.conditions import ConditionInput, conditions
from netbird_streaming.errors import OperatorError
from netbird_streaming.reasons import Reason

ANSWER_SLACK: Final = timedelta(seconds=5)
"""A `Date` is cut to seconds; less than `LATE_TOUCH`, so that a time just before the PUT makes no drift of it."""
_ON_THE_WAY: Final = frozenset({Reason.PENDING, Reason.PROGRESSING, Reason.DELETING})
SHORTEST_REPORTED: Final = timedelta(seconds=5)
"""A shorter wait for the rate limit is not reported: it would only add a write."""
_CREATING: Final = Report(ReadyState.RECONCILING, Reason.PROGRESSING, "The integration is being created in NetBird.")
_BINDING: Final = Report(
    ReadyState.RECONCILING, Reason.PROGRESSING, "The integration's settings are being applied in NetBird."
)


def with_intent(inputs: DecisionInput, create: Create) -> Status:
    """The intent, and no id any more: what was held before is proven to be gone."""
    resource = inputs.desired.resource
    return Status(
        platform=create.intent.platform,
        observed_generation=inputs.status.observed_generation,
        last_handled_reconcile_at=inputs.status.last_handled_reconcile_at,
        conditions=_conditions(inputs, _CREATING),
        internal=Internal(
            creation=create.intent,
            unresolved_creations=create.unresolved,
            owner_uid=resource.metadata.uid,
            corrections=_counted(inputs),
            former=former.recorded(inputs),
        ),
    )


def _counted(inputs: DecisionInput) -> tuple[Correction, ...]:
    """Count the re-creation of an integration that is gone as a correction."""
    corrections = inputs.status.internal.corrections
    if inputs.status.id is None:
        return corrections
    at = inputs.observed.wall.replace(microsecond=0)
    return (*corrections, Correction(at=at))[-MAX_CORRECTIONS:]


def with_id(inputs: DecisionInput, bind: RecordId) -> Status:
    """The id of what was created, adopted or inferred; what was not answered has still to be accepted."""
    item, created, status = bind.item, bind.created, inputs.status
    return inputs.status.evolve(
        id=item.id,
        origin=bind.origin,
        account_id=item.account_id or _account(inputs, created),
        platform=item.platform or inputs.desired.resource.spec.platform.value,
        enabled=_enabled(bind),
        config=None if created is None else dict(created.public),
        created_at=item.created_at,
        updated_at=item.updated_at,
        authority=_authority(inputs, created),
        proof=_proof(inputs, created),
        applied=None if created is None else created.applied,
        creation=None,
        corrections=() if bind.origin is Origin.ADOPTED else status.internal.corrections,
        former=former.without(inputs, former.recorded(inputs), item.id),
        normalized={} if created is None else dict(created.normalized),
        owner_uid=inputs.desired.uid,
        claimed_id=None,
        conditions=_conditions(inputs, _BINDING),
    )


def _account(inputs: DecisionInput, created: CreatedIntegration | None) -> str | None:
    """The account that the way leads to, unless what is bound was made with another token."""
    target = inputs.observed.target
    if isinstance(target, OperatorError) or (
        created is not None and created.credential_digest != target.credential_digest
    ):
        return None
    return target.account if isinstance(target.account, str) else None


def _authority(inputs: DecisionInput, created: CreatedIntegration | None) -> str | None:
    target = inputs.observed.target
    if created is not None:
        return created.authority
    return None if isinstance(target, OperatorError) else target.authority


def _proof(inputs: DecisionInput, created: CreatedIntegration | None) -> str | None:
    target = inputs.observed.target
    if created is not None:
        return created.credential_digest
    return None if isinstance(target, OperatorError) else target.credential_digest


def _enabled(bind: RecordId) -> bool | None:
    if bind.item.enabled is not None or bind.created is None:
        return bind.item.enabled
    return bind.created.enabled


def updated(inputs: DecisionInput, update: Update, answer: Integration) -> Status:
    """A PUT was accepted. Its answer may show the values from before, so its time counts only where it moved.

    Where a LIST or the account is waited for before all is said to be well, what was said of a former generation goes.
    """
    status, request, resource = inputs.status, update.payload.request, inputs.desired.resource
    is_told = status.observed_generation == resource.metadata.generation
    return corrected(status, update).evolve(
        conditions=status.conditions if is_told else _conditions(inputs, _BINDING),
        enabled=request.enabled,
        config=dict(update.payload.public),
        updated_at=answer.updated_at if _is_of_this_write(inputs, answer) else None,
        applied=Applied(fingerprint=update.payload.fingerprint, key_id=update.payload.key_id),
        last_handled_reconcile_at=inputs.desired.requested or status.last_handled_reconcile_at,
    )


def _is_of_this_write(inputs: DecisionInput, answer: Integration) -> bool:
    """Return whether the answer's time is that of the PUT, and not of an earlier write."""
    began, shown = inputs.observed.server_now, parse_time(answer.updated_at)
    if shown is not None and shown == parse_time(inputs.status.updated_at):
        return False
    return began is not None and shown is not None and shown >= began - ANSWER_SLACK


def _without_values(correction: Correction) -> Correction:
    """Forget the values of the correction: a LIST has shown its outcome, and the same values later are a new change."""
    return correction.model_copy(update={"values": {}})


def corrected(status: Status, update: Update) -> Status:
    """Count a PUT that undoes another client's write, answered or not."""
    if update.resent_at is not None:
        return status.evolve(resent_at=update.resent_at)
    if update.correction is None:
        return status
    return status.evolve(corrections=(*status.internal.corrections, update.correction)[-MAX_CORRECTIONS:])


def create_refused(status: Status) -> Status:
    """The POST was refused in a way that proves that nothing happened: the intent has served."""
    return status.evolve(creation=None)


def reported(inputs: DecisionInput, report: Report) -> Status:
    """Return the status with this report. Other fields change only if the LIST showed a change."""
    resource = inputs.desired.resource
    changes: dict[str, object] = {
        "observed_generation": resource.metadata.generation,
        "last_handled_reconcile_at": inputs.desired.requested or inputs.status.last_handled_reconcile_at,
        "owner_uid": resource.metadata.uid,
        "claimed_id": inputs.recorded.restored_id,
        "creation": intent_with_account(inputs),
        "conditions": _conditions(inputs, report),
    }
    if report.normalized is not None:
        changes["normalized"] = dict(report.normalized)
    if report.ignored_at is not None:
        changes["resent_at"] = report.ignored_at
    if report.item is not None:
        changes |= _shown(inputs, report.item)
    return inputs.status.evolve(**changes)


def _shown(inputs: DecisionInput, item: Integration) -> dict[str, object]:
    """Return the status with the values of the LIST. A different format of a value is no change."""
    status = inputs.status
    shown: dict[str, object] = {
        "account_id": item.account_id or status.account_id,
        "corrections": tuple(map(_without_values, status.internal.corrections)),
    }
    times = (
        ("created_at", item.created_at, status.created_at),
        ("updated_at", item.updated_at, status.updated_at),
    )
    return shown | {
        name: text for name, text, known in times if text is not None and parse_time(text) != parse_time(known)
    }


def waiting(inputs: DecisionInput, action: Action, wait: timedelta) -> Status:
    """Return the status while the action waits for the rate limit.

    A short wait is not reported, nor is the wait of a retry: the problem that it is about stays in the status.
    """
    resource = inputs.desired.resource
    if wait < SHORTEST_REPORTED or _has_problem(inputs):
        return inputs.status
    reason = Reason.DELETING if resource.deleting else Reason.PROGRESSING
    message = (
        f"{_what_waits(inputs, action)} for the token's rate limit. The next request is sent {_about(wait)}. "
        "If NetBird allows more requests, raise spec.rateLimit of the connection."
    )
    report = Report(ReadyState.RECONCILING, reason, message)
    return inputs.status.model_copy(update={"conditions": _conditions(inputs, report)})


def _has_problem(inputs: DecisionInput) -> bool:
    """Return whether the status names a problem of this generation."""
    ready = next((each for each in inputs.status.conditions if each.type == "Ready"), None)
    if ready is None or ready.observed_generation != inputs.desired.resource.metadata.generation:
        return False
    return ready.status == "False" and ready.reason not in _ON_THE_WAY


def _what_waits(inputs: DecisionInput, action: Action) -> str:
    match action:
        case Create():
            return "The create waits"
        case Delete():
            return "The deletion waits"
        case WaitForList():
            return "The list of the account's integrations waits"
        case Update(correction=None) if (
            inputs.status.observed_generation == inputs.desired.resource.metadata.generation
        ):
            return "The new Secret values wait"
        case Update(correction=None):
            return "The update waits"
        case _:
            return "The correction waits"


def _about(wait: timedelta) -> str:
    minutes = round(wait / timedelta(minutes=1))
    return "in less than a minute" if minutes < 1 else f"in about {minutes} minute{'' if minutes == 1 else 's'}"


def _conditions(inputs: DecisionInput, report: Report) -> tuple[Condition, ...]:
    resource = inputs.desired.resource
    suspended = Reason.SUSPENDED if resource.spec.suspend else None
    if report.planned is not None:
        suspended = Reason.OBSERVE_ONLY
    condition_input = ConditionInput(report.state, report.reason, report.message, report.drifted, suspended)
    generation, wall = resource.metadata.generation, inputs.observed.wall
    return conditions(condition_input, resource.status.conditions, generation, wall, inputs.documentation)
