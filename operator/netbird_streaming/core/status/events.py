"""The Events: transitions that matter to a person. They follow from written statuses, never from a clock.

What a status was before a write and is after it tells the transition, so a resync, a restart or a new leader that
changes nothing says nothing again. An Event can be lost with the process that was to publish it; the status says the
same.

A problem is a reason that a human, or something outside, has to fix. The reasons of `TRANSIENT` are none: a failure
that heals by itself (one 503) would be a Warning and its end each time. Conditions, metrics and alerts tell of one that
lasts. While a problem stands such states come and go, and each new try to create says `Progressing`: `Reported` carries
the problem over them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, Self

from netbird_streaming.api.connection_status import ConnectionStatus
from netbird_streaming.api.status import Condition, Origin, Status
from netbird_streaming.core.actions import RemoveFinalizer
from netbird_streaming.core.netbird.types import Integration
from netbird_streaming.reasons import Reason

TRANSIENT: Final = frozenset(
    {
        Reason.SYNCED,
        Reason.PENDING,
        Reason.PROGRESSING,
        Reason.SUSPENDED,
        Reason.OBSERVE_ONLY,
        Reason.DELETING,
        Reason.RATE_LIMITED,
        Reason.UNAVAILABLE,
        Reason.UNEXPECTED_ANSWER,
        Reason.CREATE_OUTCOME_UNKNOWN,
    }
)
"""Reasons that need no action: the state is as desired, or the operator retries."""


class EventReason(StrEnum):
    """The reason of an Event about a success. `action` is the Event's `action`."""

    action: str

    def __new__(cls, value: str, action: str) -> Self:
        """Keep the action beside the word."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.action = action
        return member

    CREATED = "Created", "Create"
    ADOPTED = "Adopted", "Adopt"
    INFERRED = "Inferred", "Infer"
    UPDATED = "Updated", "Update"
    CORRECTED = "Corrected", "Correct"
    DELETED = "Deleted", "Delete"
    ORPHANED = "Orphaned", "Orphan"
    RECOVERED = "Recovered", "Reconcile"
    SEVERAL_ENABLED = "SeveralEnabled", "Resync"
    TOKEN_EXPIRES = "TokenExpires", "CheckToken"
    UNMANAGED_EXISTS = "UnmanagedExists", "Create"


_UNDECIDED: Final = frozenset({Reason.PENDING, Reason.PROGRESSING})


@dataclass(frozen=True, slots=True)
class EventNote:
    """A Kubernetes Event to publish about a resource. Its reason is a happening, or a problem's reason as a Warning."""

    reason: EventReason | Reason
    action: str
    note: str
    warning: bool = False


class Reported(NamedTuple):
    """The last reported state: a reason that is not transitional, and the problem until the resource is Ready."""

    reason: str | None = None
    problem: str | None = None


def summarize(conditions: tuple[Condition, ...], before: Reported = Reported()) -> Reported:  # noqa: B008 # a frozen value
    """Return the state that these conditions report, given the state before."""
    ready = _condition(conditions, "Ready")
    if ready is None or ready.reason in _UNDECIDED:
        return before
    if ready.status == "True":
        return Reported(ready.reason, None if _condition(conditions, "Drifted") is None else Reason.DRIFTED.value)
    return Reported(ready.reason, before.problem if ready.reason in TRANSIENT else ready.reason)


def events_for(
    before: Status | ConnectionStatus, after: Status | ConnectionStatus, reported: Reported
) -> tuple[EventNote, ...]:
    """Return the Events for the step from one written status to the next.

    Args:
        before: The status that was replaced.
        after: The status that was written.
        reported: How the resource stood before, by `summarize`.
    """
    if isinstance(before, ConnectionStatus) and isinstance(after, ConnectionStatus):
        happened: Iterable[EventNote] = _expiry(before, after)
    else:
        happened = _changes(before, after) if isinstance(before, Status) and isinstance(after, Status) else ()
    return (*happened, *_problems(after.conditions, reported, summarize(after.conditions, reported)))


def deletion_events(status: Status, release: RemoveFinalizer) -> Iterator[EventNote]:
    """Return the Events for a resource whose finalizer is removed; none if it never had an integration."""
    if release.left:
        note = f"Released: integrations of another account or server were left in NetBird: {release.left}."
        yield EventNote(EventReason.ORPHANED, EventReason.ORPHANED.action, note, warning=True)
    if release.absent:
        ids = ", ".join(map(str, release.absent))
        note = f"Released: NetBird does not show integration {ids}, which the operator did not delete."
        yield EventNote(Reason.REMOTE_DELETED, EventReason.DELETED.action, note, warning=True)
    elif release.note is not None:
        yield _note(EventReason.ORPHANED, f"Released: {release.note}.")
    elif status.id is not None:
        yield _note(EventReason.DELETED, f"Integration {status.id} was deleted in NetBird.")


def refusal_note(message: str) -> EventNote:
    """Return the Event for a status write that Kubernetes refuses: the status can't say so."""
    return EventNote(Reason.KUBERNETES_REFUSED, EventReason.RECOVERED.action, message, warning=True)


def unmanaged_note(created: int, ids: tuple[int, ...]) -> EventNote:
    """Return the Event for a create beside integrations without an owner: a restored backup may have lost the id."""
    named = ", ".join(map(str, ids[:_NAMED_IDS])) + (", …" if len(ids) > _NAMED_IDS else "")
    sentence = (
        f"Integration {created} was created. No resource manages integration {named} of the same platform. If it was"
        " this resource's before a restore, delete one of the two in NetBird, or adopt it by spec.adoption.id."
    )
    return EventNote(EventReason.UNMANAGED_EXISTS, EventReason.UNMANAGED_EXISTS.action, sentence, warning=True)


def several_enabled_note(items: Iterable[Integration]) -> EventNote | None:
    """Return the Event for an account with several enabled integrations; None if there is at most one."""
    ids = sorted(item.id for item in items if item.enabled)
    if len(ids) < _SEVERAL:
        return None
    named = ", ".join(map(str, ids[:_NAMED_IDS])) + (", …" if len(ids) > _NAMED_IDS else "")
    sentence = (
        f"{len(ids)} integrations of one account are enabled: {named}. NetBird's dashboard allows one, and it is not"
        " documented whether NetBird streams to more. Set enabled to false for all but one."
    )
    return _note(EventReason.SEVERAL_ENABLED, sentence)


_SEVERAL: Final = 2
_NAMED_IDS: Final = 10
_REASONS: Final = {each.value: each for each in Reason}
_BOUND: Final = {
    Origin.CREATED: (EventReason.CREATED, "Integration {id} was created in NetBird."),
    Origin.ADOPTED: (EventReason.ADOPTED, "Integration {id} was adopted."),
    Origin.INFERRED: (
        EventReason.INFERRED,
        "Integration {id} was identified as the outcome of a create whose response was lost.",
    ),
}


def _changes(before: Status, after: Status) -> Iterator[EventNote]:
    if before.id == after.id and not _has_moved(before, after):
        for integration_id in {each.id for each in before.internal.former} - {
            each.id for each in after.internal.former
        }:
            sentence = f"Integration {integration_id}, which another one had replaced, appeared again and was deleted."
            yield _note(EventReason.CORRECTED, sentence)
        yield from _writes(before, after)
        return
    if before.id is not None:
        yield _replaced(before, after)
    if after.id is not None:
        happening, sentence = _BOUND[after.origin or Origin.CREATED]
        yield _note(happening, sentence.format(id=after.id))


def _expiry(before: ConnectionStatus, after: ConnectionStatus) -> Iterator[EventNote]:
    """Yield the Event for a token whose expiry comes closer than it was when the last one was published."""
    notice, expires_at = after.internal.expiry_notice, after.token_expires_at
    if notice is None or expires_at is None:
        return
    same = before.token_expires_at == expires_at
    if same and before.internal.expiry_notice is not None and before.internal.expiry_notice <= notice:
        return
    sentence = (
        f"The token expires on {expires_at:%Y-%m-%d at %H:%M} UTC, within {notice} day{'s' * (notice > 1)}. Create a "
        "token in NetBird and put it into the connection's Secret."
    )
    yield EventNote(EventReason.TOKEN_EXPIRES, EventReason.TOKEN_EXPIRES.action, sentence, warning=True)


def _replaced(before: Status, after: Status) -> EventNote:
    """Return the Event for an integration that the resource does not own any more."""
    if not _has_moved(before, after):
        sentence = f"Integration {before.id} is gone from NetBird and was replaced by another one."
        return _note(EventReason.CORRECTED, sentence)
    where = "" if before.account_id is None else f" of account {before.account_id}"
    sentence = (
        f"Integration {before.id}{where} was left in NetBird: integration {after.id} was adopted in its place. "
        "Delete it there."
    )
    return EventNote(EventReason.ORPHANED, EventReason.ORPHANED.action, sentence, warning=True)


def _has_moved(before: Status, after: Status) -> bool:
    """Return whether the new integration is on another server or in another account."""
    if after.id is None:
        return False
    accounts = {before.account_id, after.account_id} - {None}
    return before.internal.authority != after.internal.authority or len(accounts) > 1


def _writes(before: Status, after: Status) -> Iterator[EventNote]:
    """A correction says that the settings were sent again; it is no update beside."""
    resent = after.internal.resent_at not in (None, before.internal.resent_at)
    if resent or _last_correction(after) not in (None, _last_correction(before)):
        yield _note(
            EventReason.CORRECTED,
            f"Another client changed integration {after.id} in NetBird. The operator corrected it.",
        )
    elif before.internal.applied is not None and after.internal.applied not in (None, before.internal.applied):
        sentence = f"NetBird accepted other settings of integration {after.id}: the resource or a Secret changed."
        yield _note(EventReason.UPDATED, sentence)


def _last_correction(status: Status) -> tuple[object, ...] | None:
    """Return the identity of the last correction. Its values are removed when a LIST has shown its outcome."""
    if not status.internal.corrections:
        return None
    last = status.internal.corrections[-1]
    return last.at, last.updated_at


def _problems(conditions: tuple[Condition, ...], before: Reported, after: Reported) -> Iterator[EventNote]:
    if after.problem not in (None, before.problem):
        name = "Drifted" if after.problem == Reason.DRIFTED else "Ready"
        condition = _condition(conditions, name)
        message = "" if condition is None else condition.message
        yield EventNote(_REASONS[after.problem], EventReason.RECOVERED.action, message, warning=True)
    elif after.problem is None and before.problem is not None:
        yield _note(EventReason.RECOVERED, f"Ready again: {before.problem} is over.")


def _condition(conditions: tuple[Condition, ...], name: str) -> Condition | None:
    return next((each for each in conditions if each.type == name), None)


def _note(happening: EventReason, sentence: str) -> EventNote:
    return EventNote(happening, happening.action, sentence)
