"""Drift: compare what NetBird shows with what it accepted, and undo what somebody else did."""

from datetime import timedelta
from typing import Final

from netbird_streaming.api.status import MAX_CORRECTIONS, Correction
from netbird_streaming.api.timestamps import is_later, parse_time
from netbird_streaming.api.types import DriftPolicy
from netbird_streaming.core.actions import Action, ReadyState, Report, Update, WaitForList
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.netbird import compare
from netbird_streaming.core.netbird.payload import Payload
from netbird_streaming.core.netbird.types import Integration
from netbird_streaming.core.policies.creation import refuse_conflict, stalled
from netbird_streaming.reasons import Reason

ROUNDING: Final = timedelta(milliseconds=1)
"""A database keeps microseconds of a time that an answer showed in nanoseconds."""
LATE_TOUCH: Final = timedelta(seconds=10)
"""How long after its answer a server may still stamp our own write, until a LIST has shown what it made of it."""
CONTENTION_WINDOW: Final = timedelta(hours=1)


def correct_drift(inputs: DecisionInput) -> Action | None:
    """Compare with the LIST, and undo what somebody else changed."""
    payload, since = inputs.desired.payload, _compare_since(inputs)
    if not isinstance(payload, Payload) or inputs.status.id is None or since is None:
        return None
    snapshot = inputs.list_since(since)
    if snapshot is None:
        return WaitForList(since)
    item, lags = snapshot.by_id.get(inputs.status.id), snapshot.started_at < inputs.list_reliable_after
    # What a LIST that does not lag leaves out is proven absent, or looked at again, before anything is compared.
    return WaitForList(inputs.list_reliable_after) if item is None else _compare(inputs, payload, item, lags=lags)


def _compare_since(inputs: DecisionInput) -> float | None:
    """From when a LIST must be to be compared with; None where none is asked for and none is at hand."""
    memory = inputs.memory
    if is_requested(inputs):
        return max(memory.reconcile_request_at, memory.last_write_at or 0.0)
    if memory.last_write_at is None:
        return 0.0
    rests = not memory.needs_verification if _is_first_comparison(inputs) else is_in_sync(inputs)
    return None if rests and inputs.list_since(memory.last_write_at) is None else memory.last_write_at


def is_in_sync(inputs: DecisionInput) -> bool:
    """Whether our last word on the resource was that all is well."""
    return any((each.type, each.reason) == ("Ready", Reason.SYNCED) for each in inputs.status.conditions)


def is_requested(inputs: DecisionInput) -> bool:
    """Whether a user asked for a reconcile that was not handled yet."""
    return inputs.desired.requested not in (None, inputs.status.last_handled_reconcile_at)


def _compare(inputs: DecisionInput, payload: Payload, item: Integration, *, lags: bool) -> Action:
    """Where the LIST may lag, what it shows in another way may be how it was before our own last write.

    Nor does it give the baseline: the time of that write, which shows later, would be taken for that of a stranger's.
    """
    request, status = payload.request, inputs.status
    if item.platform not in (None, request.platform):
        return stalled(Reason.PLATFORM_MISMATCH, f"Integration {item.id} is not of platform {request.platform}.")
    shown = compare.differences(request.platform, request.config, item, inputs.key)
    fresh = {name: digest for name, digest in shown.items() if status.internal.normalized.get(name) != digest}
    normalized = {name: digest for name, digest in status.internal.normalized.items() if name in shown}
    toggled = item.enabled not in (None, request.enabled)
    foreign = is_foreign_write(inputs, item)
    in_order = not fresh and not toggled and not foreign
    corrections = status.internal.corrections
    # Kept until a LIST has shown what came of the correction, also by another process than the one that made it.
    last = corrections[-1].values if corrections else {}
    if lags and not (in_order and _shows_our_write(inputs, item)):
        return _compare_later(inputs, item, waits=not in_order or bool(last))
    if in_order:
        return in_sync(item, normalized)
    tried = all(last.get(name) == digest for name, digest in fresh.items()) or _reports_only(inputs, item)
    if not toggled and not foreign and tried:
        return in_sync(item, normalized | fresh)
    return _drifted(inputs, payload, item, fresh)


def _compare_later(inputs: DecisionInput, item: Integration, *, waits: bool) -> Action:
    """The LIST may lag. What is not in order, or may not be for long, is not left to the next resync."""
    may_be_overtaken = inputs.memory.late_write_possible_until is not None
    stamp = item.updated_at if may_be_overtaken and _shows_our_write(inputs, item) else None
    if waits or inputs.memory.needs_verification or may_be_overtaken:
        return WaitForList(inputs.list_reliable_after, stamp)
    return nothing_to_compare(inputs)


def _shows_our_write(inputs: DecisionInput, item: Integration) -> bool:
    """Whether even a LIST that may lag shows our own last write: by a time that is later than what was before it."""
    shown, former = parse_time(item.updated_at), inputs.memory.remote_updated_before
    if inputs.memory.last_write_at is None:
        return shown == parse_time(inputs.status.updated_at)
    return shown is not None and former is not None and shown - former > ROUNDING


def _reports_only(inputs: DecisionInput, item: Integration) -> bool:
    """Where nothing is corrected, a difference that nobody wrote since our own write is the server's own form."""
    if inputs.desired.resource.spec.drift_policy is DriftPolicy.CORRECT:
        return False
    dated = inputs.status.updated_at is not None and parse_time(item.updated_at) is not None
    return dated or _is_first_comparison(inputs)


def _is_first_comparison(inputs: DecisionInput) -> bool:
    """Whether our own last write was never compared with a LIST that began after it."""
    memory = inputs.memory
    return memory.last_write_at is not None and (
        memory.last_compared_at is None or memory.last_compared_at < memory.last_write_at
    )


def _drifted(inputs: DecisionInput, payload: Payload, item: Integration, fresh: dict[str, str]) -> Action:
    what = [*fresh, *(["enabled"] if item.enabled not in (None, payload.request.enabled) else [])]
    sentence = f"Integration {item.id} in NetBird is not as the resource says ({', '.join(what)})."
    if not what:
        sentence = f"Somebody else wrote integration {item.id} in NetBird; perhaps a secret changed."
    spec = inputs.desired.resource.spec
    if spec.drift_policy is DriftPolicy.REPORT:
        message = f"{sentence} {Reason.DRIFTED.remedy}"
        return Report(ReadyState.READY, Reason.DRIFTED, message, drifted=message)
    if spec.suspend:
        return Report(ReadyState.READY, Reason.SUSPENDED, f"{sentence} {Reason.SUSPENDED.remedy}", drifted=sentence)
    recent = [each for each in inputs.status.internal.corrections if inputs.observed.wall - each.at < CONTENTION_WINDOW]
    if (len(recent) >= MAX_CORRECTIONS or _is_contended(inputs)) and not is_requested(inputs):
        message = f"{sentence} It was corrected {MAX_CORRECTIONS} times within an hour. {Reason.CONTENDED.remedy}"
        return Report(ReadyState.STALLED, Reason.CONTENDED, message, drifted=message)
    conflict = refuse_conflict(inputs)
    if conflict is not None:
        return conflict
    return Update(item.id, payload, _correction(inputs, item, fresh))


def _correction(inputs: DecisionInput, item: Integration, values: dict[str, str]) -> Correction:
    """What was written since it was in order is never the server's own form: shown again, it is undone again."""
    known = {} if _was_in_sync(inputs) and is_foreign_write(inputs, item) else values
    return Correction(at=inputs.observed.wall.replace(microsecond=0), updated_at=item.updated_at, values=known)


def _is_contended(inputs: DecisionInput) -> bool:
    return any(each.reason == Reason.CONTENDED and each.status == "True" for each in inputs.status.conditions)


def is_foreign_write(inputs: DecisionInput, item: Integration) -> bool:
    """Whether somebody wrote after the baseline: what our own last write was answered with, or a LIST after it showed.

    Where the answer to a PUT showed the time from before there is no baseline yet, and the first LIST gives it.
    """
    if inputs.memory.own_write_updated_at is not None:
        return is_later(item.updated_at, inputs.memory.own_write_updated_at, by=ROUNDING)
    return is_later(item.updated_at, inputs.status.updated_at, by=ROUNDING if _was_in_sync(inputs) else LATE_TOUCH)


def _was_in_sync(inputs: DecisionInput) -> bool:
    """Whether a LIST has shown to this process what came of our own last write."""
    return inputs.memory.last_compared_at is not None and not _is_first_comparison(inputs)


def overwrites_foreign_change(inputs: DecisionInput, update: Update) -> bool:
    """Whether a correction undoes what somebody else did; else the server may only write a value in its own way."""
    snapshot = inputs.observed.snapshot
    item = snapshot.by_id.get(update.id) if snapshot is not None else None
    if update.correction is None or item is None:
        return False
    toggled = item.enabled not in (None, update.payload.request.enabled)
    return toggled or is_foreign_write(inputs, item) or not _is_first_comparison(inputs)


def in_sync(item: Integration | None, normalized: dict[str, str]) -> Report:
    """All is as the user wants it."""
    message = "NetBird accepted this generation with the current values of its Secrets."
    if normalized:
        message += f" It stores {', '.join(sorted(normalized))} in another form than the one sent."
    return Report(ReadyState.READY, Reason.SYNCED, message, item=item, normalized=tuple(sorted(normalized.items())))


def nothing_to_compare(inputs: DecisionInput) -> Report:
    """Our own write was accepted a moment ago; the next resync compares."""
    return in_sync(None, dict(inputs.status.internal.normalized))
