"""Policy for drift: compare the LIST with what NetBird accepted, and revert changes by other clients."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from netbird_streaming.api.status import Correction
from netbird_streaming.api.timestamps import is_apart, is_later, is_recent, parse_time
from netbird_streaming.api.types import DriftPolicy
from netbird_streaming.core import former
from netbird_streaming.core.actions import Action, ReadyState, Report, Update, WaitForList, refuse
from netbird_streaming.core.contention import contended, is_requested
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.netbird import compare
from netbird_streaming.core.netbird.payload import Payload
from netbird_streaming.core.netbird.types import Integration
from netbird_streaming.core.policies.creation import refuse_conflict
from netbird_streaming.reasons import Reason

ROUNDING: Final = timedelta(milliseconds=1)
"""A database keeps microseconds of a time that an answer showed in nanoseconds."""
LATE_TOUCH: Final = timedelta(seconds=10)
"""How long after its answer a server may still stamp our own write, until a LIST has shown what it made of it."""
RESEND_WINDOW: Final = timedelta(days=1)
"""How often all settings are sent again at most because nothing but `updatedAt` has moved."""


def correct_drift(inputs: DecisionInput) -> Action | None:
    """Compare the integration with the LIST and revert changes by other clients."""
    payload, since = inputs.desired.payload, _compare_since(inputs)
    if not isinstance(payload, Payload) or inputs.status.id is None or since is None:
        return None
    snapshot = inputs.list_since(since)
    if snapshot is None:
        return WaitForList(since)
    item, lags = inputs.held(snapshot), snapshot.started_at < inputs.list_reliable_after
    # What a LIST that does not lag leaves out is proven absent, or looked at again, before anything is compared.
    return WaitForList(inputs.list_reliable_after) if item is None else _compare(inputs, payload, item, lags=lags)


def _compare_since(inputs: DecisionInput) -> float | None:
    """Return the earliest start of a LIST to compare with, or None if no comparison is due."""
    write = inputs.memory.write
    if is_requested(inputs):
        return max(0.0 if inputs.memory.request is None else inputs.memory.request.at, write.at or 0.0)
    if write.at is None:
        return 0.0
    rests = not write.needs_verification if write.is_uncompared else is_in_sync(inputs)
    return None if rests and inputs.list_since(write.at) is None else write.at


def is_in_sync(inputs: DecisionInput) -> bool:
    """Return whether the status says that the resource is in sync."""
    return any((each.type, each.reason) == ("Ready", Reason.SYNCED) for each in inputs.status.conditions)


def _compare(inputs: DecisionInput, payload: Payload, item: Integration, *, lags: bool) -> Action:
    """Compare one integration with the payload.

    A lagging LIST may show the state before our last write. It also gives no baseline: the time of our write, shown
    later, would be mistaken for a write by another client.
    """
    request, status = payload.request, inputs.status
    if item.unreadable is not None:
        sentence = f"NetBird lists integration {item.id} in a form that can't be read: {item.unreadable}."
        return Report(ReadyState.RECONCILING, Reason.UNEXPECTED_ANSWER, f"{sentence} The operator retries.")
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
        return in_sync(inputs, item, normalized)
    if fresh and not toggled and not foreign and _is_tried(inputs, item, fresh):
        return _not_applied(item, fresh)
    if not fresh and not toggled:
        bookkeeping = _bookkeeping(inputs, item, normalized)
        if bookkeeping is not None:
            return bookkeeping
    return _drifted(inputs, payload, item, fresh)


def _is_tried(inputs: DecisionInput, item: Integration, fresh: dict[str, str]) -> bool:
    """Return whether another PUT of these settings is pointless: a correction did not change what is shown.

    In report mode there is no correction. Then NetBird's time shows that there was no write since our own PUT.
    """
    if inputs.desired.resource.spec.drift_policy is DriftPolicy.REPORT:
        shown, known = parse_time(item.updated_at), parse_time(inputs.status.updated_at)
        return shown is not None and known is not None and abs(shown - known) <= ROUNDING
    corrections = inputs.status.internal.corrections
    last = corrections[-1].values if corrections else {}
    return all(last.get(name) == digest for name, digest in fresh.items()) and not is_requested(inputs)


def _bookkeeping(inputs: DecisionInput, item: Integration, normalized: dict[str, str]) -> Report | None:
    """Return the report for another `updatedAt` alone, where it tells of no write by another client; None elsewhere.

    In report mode nothing may be sent to find out. A time from before the first comparison is then no baseline, and one
    that moves again while it is reported is the server's own.
    """
    # The time that stays in the status tells again tomorrow; one of each LIST would be a write for each.
    known = replace(item, updated_at=None)
    if is_recent(inputs.status.internal.resent_at, inputs.observed.wall, within=RESEND_WINDOW):
        return in_sync(inputs, known, normalized)
    if inputs.desired.resource.spec.drift_policy is not DriftPolicy.REPORT:
        return None
    reported = inputs.memory.drift_updated_at
    if reported is not None and reported != item.updated_at:
        at = inputs.observed.wall.replace(microsecond=0)
        return replace(in_sync(inputs, known, normalized), ignored_at=at)
    return in_sync(inputs, item, normalized) if inputs.memory.write.is_uncompared else None


def _not_applied(item: Integration, fresh: dict[str, str]) -> Report:
    """A value from before our PUT is no form of the one that was sent: NetBird did not carry the PUT out."""
    what = ", ".join(fresh)
    sentence = f"NetBird accepted the PUT of integration {item.id} and still shows another value of {what}."
    return refuse(Reason.NOT_APPLIED, sentence)


def _compare_later(inputs: DecisionInput, item: Integration, *, waits: bool) -> Action:
    """Schedule another comparison, because the LIST may lag."""
    may_be_overtaken = inputs.memory.write.late_until is not None
    stamp = item.updated_at if may_be_overtaken and _shows_our_write(inputs, item) else None
    if waits or inputs.memory.write.needs_verification or may_be_overtaken:
        return WaitForList(inputs.list_reliable_after, stamp)
    return nothing_to_compare(inputs)


def _shows_our_write(inputs: DecisionInput, item: Integration) -> bool:
    """Return whether the LIST shows our last write: its time is later than before the write."""
    shown, before = parse_time(item.updated_at), inputs.memory.write.remote_updated_before
    if inputs.memory.write.at is None:
        return shown == parse_time(inputs.status.updated_at)
    return shown is not None and before is not None and shown - before > ROUNDING


def _drifted(inputs: DecisionInput, payload: Payload, item: Integration, fresh: dict[str, str]) -> Action:
    what = [*fresh, *(["enabled"] if item.enabled not in (None, payload.request.enabled) else [])]
    sentence = f"Integration {item.id} in NetBird differs from the resource ({', '.join(what)})."
    if not what:
        sentence = f"Another client wrote integration {item.id} in NetBird; a secret may have changed."
    spec = inputs.desired.resource.spec
    if spec.drift_policy is DriftPolicy.REPORT:
        message = f"{sentence} {Reason.DRIFTED.remedy}"
        return Report(ReadyState.READY, Reason.DRIFTED, message, drifted=message)
    if spec.suspend:
        return Report(ReadyState.READY, Reason.SUSPENDED, f"{sentence} {Reason.SUSPENDED.remedy}", drifted=sentence)
    stop = refuse_conflict(inputs) or (contended(inputs, sentence) if what else None)
    if stop is not None:
        return stop
    at = inputs.observed.wall.replace(microsecond=0)
    if not what:
        return Update(item.id, payload, resent_at=at)
    return Update(item.id, payload, _correction(inputs, item, fresh, at))


def _correction(inputs: DecisionInput, item: Integration, values: dict[str, str], at: datetime) -> Correction:
    """Return the correction. A value that changed after it was in sync is never the server's own form."""
    known = {} if inputs.memory.write.is_compared and is_foreign_write(inputs, item) else values
    return Correction(at=at, updated_at=item.updated_at, values=known)


def is_foreign_write(inputs: DecisionInput, item: Integration) -> bool:
    """Return whether `updatedAt` is not the baseline: what our own last write was answered with, or a LIST after it.

    An earlier time counts too, since a restored database shows one. Where the answer to a PUT showed the time from
    before there is no baseline yet, and the first LIST gives it.
    """
    if inputs.memory.write.own_updated_at is not None:
        return is_later(item.updated_at, inputs.memory.write.own_updated_at, by=ROUNDING)
    return is_apart(
        item.updated_at, inputs.status.updated_at, by=ROUNDING if inputs.memory.write.is_compared else LATE_TOUCH
    )


def overwrites_foreign_change(inputs: DecisionInput, update: Update) -> bool:
    """Return whether the update reverts a change by another client."""
    snapshot = inputs.observed.snapshot
    item = snapshot.by_id.get(update.id) if snapshot is not None else None
    if item is None:
        return False
    if update.correction is None:
        return update.resent_at is not None
    toggled = item.enabled not in (None, update.payload.request.enabled)
    return toggled or is_foreign_write(inputs, item) or not inputs.memory.write.is_uncompared


def in_sync(inputs: DecisionInput, item: Integration | None, normalized: dict[str, str]) -> Report:
    """Return the report that all is as the spec says."""
    message = "NetBird accepted this generation with the current values of its Secrets."
    if normalized:
        message += f" It stores {', '.join(sorted(normalized))} in another form than the one sent."
    if isinstance(inputs.desired.payload, Payload) and inputs.desired.payload.is_plain_http:
        message += " NetBird sends events and credentials in plain text: the destination's URL begins with http://."
    left = former.left(inputs)
    if left:
        message += f" Owned before the adoption and left in NetBird: {former.describe(left)}. Delete it there."
    return Report(ReadyState.READY, Reason.SYNCED, message, item=item, normalized=tuple(sorted(normalized.items())))


def nothing_to_compare(inputs: DecisionInput) -> Report:
    """Report success: NetBird has just accepted our write, and the next resync compares."""
    return in_sync(inputs, None, dict(inputs.status.internal.normalized))
