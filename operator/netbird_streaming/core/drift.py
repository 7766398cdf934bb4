"""Drift: compare what NetBird shows with what it accepted, and undo what somebody else did."""

from datetime import timedelta
from typing import Final

from netbird_streaming.core import compare
from netbird_streaming.core.actions import Action, Look, Report, State, Update
from netbird_streaming.core.creation import refuse, rival
from netbird_streaming.core.facts import Case
from netbird_streaming.core.payload import Payload
from netbird_streaming.core.remote import Integration
from netbird_streaming.core.resources import DriftPolicy
from netbird_streaming.core.status import MAX_CORRECTIONS, Correction
from netbird_streaming.core.times import is_later, parse_time
from netbird_streaming.reasons import Reason

ROUNDING: Final = timedelta(milliseconds=1)
"""A database keeps microseconds of a time that an answer showed in nanoseconds."""
LATE_TOUCH: Final = timedelta(seconds=10)
"""How long after its answer a server may still stamp our own write, until a LIST has shown what it made of it."""
CONTENTION_WINDOW: Final = timedelta(hours=1)


def mend_drift(case: Case) -> Action | None:
    """Compare with the LIST, and undo what somebody else changed."""
    payload, since = case.desired.payload, _compare_since(case)
    if not isinstance(payload, Payload) or case.status.id is None or since is None:
        return None
    view = case.seen_since(since)
    if view is None:
        return Look(since)
    item, lags = view.by_id.get(case.status.id), view.begun < case.shown_since
    # What a LIST that does not lag leaves out is proven absent, or looked at again, before anything is compared.
    return Look(case.shown_since) if item is None else _compare(case, payload, item, lags=lags)


def _compare_since(case: Case) -> float | None:
    """From when a LIST must be to be compared with; None where none is asked for and none is at hand."""
    memory = case.memory
    if is_requested(case):
        return max(memory.asked_at, memory.written or 0.0)
    if memory.written is None:
        return 0.0
    rests = not memory.doubtful if _is_first_look(case) else is_in_order(case)
    return None if rests and case.seen_since(memory.written) is None else memory.written


def is_in_order(case: Case) -> bool:
    """Whether our last word on the resource was that all is well."""
    return any((each.type, each.reason) == ("Ready", Reason.SYNCED) for each in case.status.conditions)


def is_requested(case: Case) -> bool:
    """Whether a user asked for a reconcile that was not handled yet."""
    return case.desired.requested not in (None, case.status.last_handled_reconcile_at)


def _compare(case: Case, payload: Payload, item: Integration, *, lags: bool) -> Action:
    """Where the LIST may lag, what it shows in another way may be how it was before our own last write.

    Nor does it give the baseline: the time of that write, which shows later, would be taken for that of a stranger's.
    """
    request, status = payload.request, case.status
    if item.platform not in (None, request.platform):
        return refuse(Reason.PLATFORM_MISMATCH, f"Integration {item.id} is not of platform {request.platform}.")
    shown = compare.differences(request.platform, request.config, item, case.key)
    fresh = {name: digest for name, digest in shown.items() if status.internal.normalized.get(name) != digest}
    normalized = {name: digest for name, digest in status.internal.normalized.items() if name in shown}
    toggled = item.enabled not in (None, request.enabled)
    foreign = is_foreign_write(case, item)
    in_order = not fresh and not toggled and not foreign
    corrections = status.internal.corrections
    # Kept until a LIST has shown what came of the correction, also by another process than the one that made it.
    last = corrections[-1].values if corrections else {}
    if lags and not (in_order and _shows_our_write(case, item)):
        return _compare_later(case, item, waits=not in_order or bool(last))
    if in_order:
        return settled(item, normalized)
    tried = all(last.get(name) == digest for name, digest in fresh.items()) or _reports_only(case, item)
    if not toggled and not foreign and tried:
        return settled(item, normalized | fresh)
    return _drifted(case, payload, item, fresh)


def _compare_later(case: Case, item: Integration, *, waits: bool) -> Action:
    """The LIST may lag. What is not in order, or may not be for long, is not left to the next sweep."""
    may_be_overtaken = case.memory.late_until is not None
    stamp = item.updated_at if may_be_overtaken and _shows_our_write(case, item) else None
    if waits or case.memory.doubtful or may_be_overtaken:
        return Look(case.shown_since, stamp)
    return nothing_to_compare(case)


def _shows_our_write(case: Case, item: Integration) -> bool:
    """Whether even a LIST that may lag shows our own last write: by a time that is later than what was before it."""
    shown, former = parse_time(item.updated_at), case.memory.former
    if case.memory.written is None:
        return shown == parse_time(case.status.updated_at)
    return shown is not None and former is not None and shown - former > ROUNDING


def _reports_only(case: Case, item: Integration) -> bool:
    """Where nothing is corrected, a difference that nobody wrote since our own write is the server's own form."""
    if case.desired.resource.spec.drift_policy is DriftPolicy.CORRECT:
        return False
    dated = case.status.updated_at is not None and parse_time(item.updated_at) is not None
    return dated or _is_first_look(case)


def _is_first_look(case: Case) -> bool:
    """Whether our own last write was never compared with a LIST that began after it."""
    memory = case.memory
    return memory.written is not None and (memory.looked is None or memory.looked < memory.written)


def _drifted(case: Case, payload: Payload, item: Integration, fresh: dict[str, str]) -> Action:
    what = [*fresh, *(["enabled"] if item.enabled not in (None, payload.request.enabled) else [])]
    sentence = f"Integration {item.id} in NetBird is not as the resource says ({', '.join(what)})."
    if not what:
        sentence = f"Somebody else wrote integration {item.id} in NetBird; perhaps a secret changed."
    spec = case.desired.resource.spec
    if spec.drift_policy is DriftPolicy.REPORT:
        message = f"{sentence} {Reason.DRIFTED.cure}"
        return Report(State.READY, Reason.DRIFTED, message, drifted=message)
    if spec.suspend:
        return Report(State.READY, Reason.SUSPENDED, f"{sentence} {Reason.SUSPENDED.cure}", drifted=sentence)
    recent = [each for each in case.status.internal.corrections if case.observed.wall - each.at < CONTENTION_WINDOW]
    if (len(recent) >= MAX_CORRECTIONS or _is_contended(case)) and not is_requested(case):
        message = f"{sentence} It was corrected {MAX_CORRECTIONS} times within an hour. {Reason.CONTENDED.cure}"
        return Report(State.STALLED, Reason.CONTENDED, message, drifted=message)
    conflict = rival(case)
    if conflict is not None:
        return conflict
    return Update(item.id, payload, _correction(case, item, fresh))


def _correction(case: Case, item: Integration, values: dict[str, str]) -> Correction:
    """What was written since it was in order is never the server's own form: shown again, it is undone again."""
    known = {} if _was_in_order(case) and is_foreign_write(case, item) else values
    return Correction(at=case.observed.wall.replace(microsecond=0), updated_at=item.updated_at, values=known)


def _is_contended(case: Case) -> bool:
    return any(each.reason == Reason.CONTENDED and each.status == "True" for each in case.status.conditions)


def is_foreign_write(case: Case, item: Integration) -> bool:
    """Whether somebody wrote after the baseline: what our own last write was answered with, or a LIST after it showed.

    Where the answer to a PUT showed the time from before there is no baseline yet, and the first LIST gives it.
    """
    if case.memory.stamp is not None:
        return is_later(item.updated_at, case.memory.stamp, by=ROUNDING)
    return is_later(item.updated_at, case.status.updated_at, by=ROUNDING if _was_in_order(case) else LATE_TOUCH)


def _was_in_order(case: Case) -> bool:
    """Whether a LIST has shown to this process what came of our own last write."""
    return case.memory.looked is not None and not _is_first_look(case)


def is_of_somebody_else(case: Case, update: Update) -> bool:
    """Whether a correction undoes what somebody else did; else the server may only write a value in its own way."""
    view = case.observed.view
    item = view.by_id.get(update.id) if view is not None else None
    if update.correction is None or item is None:
        return False
    toggled = item.enabled not in (None, update.payload.request.enabled)
    return toggled or is_foreign_write(case, item) or not _is_first_look(case)


def settled(item: Integration | None, normalized: dict[str, str]) -> Report:
    """All is as the user wants it."""
    message = "NetBird accepted this generation with the current values of its Secrets."
    if normalized:
        message += f" It stores {', '.join(sorted(normalized))} in another form than the one sent."
    return Report(State.READY, Reason.SYNCED, message, item=item, normalized=tuple(sorted(normalized.items())))


def nothing_to_compare(case: Case) -> Report:
    """Our own write was accepted a moment ago; the next sweep compares."""
    return settled(None, dict(case.status.internal.normalized))
