"""The memory of a process about one resource, which a restart may forget. All moments are monotonic seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from netbird_streaming.api.status import Applied, Intent
from netbird_streaming.api.timestamps import NEVER
from netbird_streaming.core.netbird.types import Integration

MAX_UNSENT: Final = 8
"""Remembered unsent intents. An older one is treated as sent, which only delays the create."""


@dataclass(frozen=True, slots=True)
class CreatedIntegration:
    """The integration of an answered POST, and what was sent.

    `authority` is the server, `credential_digest` identifies the token, and `normalized` holds the values that the
    server stores in another form than the one sent.
    """

    item: Integration
    authority: str
    credential_digest: str
    applied: Applied
    public: Mapping[str, str]
    enabled: bool
    normalized: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CreateAttempt:
    """The create that is in flight.

    - `ended_at`: when the POST of the intent in the status surely ended, as far as this process is concerned.
    - `unsent`: intents whose POST was never sent. Their write was not answered, so that any of them may be in the
      status, or the token changed after it.
    - `error`: the error that was received instead of an answer, as a sentence.
    - `created`: an answered POST whose id is not in the status yet.
    """

    ended_at: float | None = None
    unsent: tuple[Intent, ...] = ()
    error: str | None = None
    created: CreatedIntegration | None = None


@dataclass(frozen=True, slots=True)
class LastWrite:
    """The last write to the integration, and its comparison with a LIST.

    - `at`: when the last accepted write ended. A LIST that began later shows its outcome, unless the LIST lags.
    - `remote_updated_before`: NetBird's `updatedAt` from before that write; before a POST, never.
    - `needs_verification`: the write reverted a change by another client, repeated an unanswered write, or was followed
      by a problem. The next comparison is due at once.
    - `unknown_at`: when a PUT or DELETE ended with an unknown outcome. It is repeated only after a LIST.
    - `late_until`: until when an unanswered PUT may be carried out, possibly after writes that were accepted later.
    - `own_updated_at`: NetBird's `updatedAt` of the last accepted write, where an earlier one may overtake it. A later
      time is that one's.
    - `compared_at`: when the LIST of the last comparison began.
    - `deleted`: NetBird accepted our DELETE.
    """

    at: float | None = None
    remote_updated_before: datetime | None = None
    needs_verification: bool = False
    unknown_at: float | None = None
    late_until: float | None = None
    own_updated_at: str | None = None
    compared_at: float | None = None
    deleted: bool = False

    @property
    def is_uncompared(self) -> bool:
        """Return whether the write was never compared with a LIST that began after it."""
        return self.at is not None and (self.compared_at is None or self.compared_at < self.at)

    @property
    def is_compared(self) -> bool:
        """Return whether a LIST has shown the outcome of the write to this process."""
        return self.compared_at is not None and not self.is_uncompared

    def overtaken_until(self, now: float, window: float, *, by_another_process: bool) -> float | None:
        """Return until when an earlier PUT may overtake one that is accepted now; None if none can.

        `window` is how long a PUT may be carried out after it was sent. `by_another_process` says that another process
        may have sent a PUT before the first write of this one.
        """
        if by_another_process and self.at is None and self.compared_at is None:
            return now + window
        return self.late_until if self.late_until is not None and self.late_until > now else None


@dataclass(frozen=True, slots=True)
class Absence:
    """The evidence that the integration is absent.

    - `not_found_at`: when it was last not found: a JSON 404 by id, or another integration with its id.
    - `since`: when it, or the outcome of an open create, was first found absent since it was last seen.
    - `fetched`: the answer by id, received at `fetched_at`, for an integration that the LIST does not show.
    """

    not_found_at: float | None = None
    since: float | None = None
    fetched: Integration | None = None
    fetched_at: float = 0.0

    def is_proven_apart(self, seconds: float) -> bool:
        """Return whether two observations of the absence are at least this far apart."""
        return self.not_found_at is not None and self.since is not None and self.not_found_at >= self.since + seconds

    def ended(self) -> "Absence":
        """Return the absence after the integration was seen."""
        return replace(self, not_found_at=None, since=None)


@dataclass(frozen=True, slots=True)
class ReconcileRequest:
    """The value of the reconcile annotation, and when it was first seen."""

    value: str
    at: float


@dataclass(frozen=True, slots=True)
class Memory:
    """The create in flight, the last write, the evidence of an absence, and the reconcile request.

    `finalizer_seen_at` is when our finalizer was first known to be on the resource. A LIST that began later shows all
    earlier creates. `drift_updated_at` is NetBird's time of the integration when drift was reported last.
    """

    finalizer_seen_at: float | None = None
    create: CreateAttempt = CreateAttempt()
    write: LastWrite = LastWrite()
    absence: Absence = Absence()
    request: ReconcileRequest | None = None
    drift_updated_at: str | None = None

    def requested(self, value: str | None, now: float) -> "Memory":
        """Remember a reconcile request."""
        known = self.request is not None and self.request.value == value
        return self if value is None or known else replace(self, request=ReconcileRequest(value, now))

    def finalizer_seen(self, now: float) -> "Memory":
        """Remember when the finalizer was added."""
        return replace(self, finalizer_seen_at=now)

    def create_begins(self) -> "Memory":
        """Forget the former integration: its outcome, write and absence do not concern the next one."""
        return Memory(finalizer_seen_at=self.finalizer_seen_at, request=self.request)

    def create_unsent(self, intent: Intent) -> "Memory":
        """Remember that the POST of this intent was not sent."""
        unsent = (*self.create.unsent, intent)[-MAX_UNSENT:]
        return replace(self, create=replace(self.create, unsent=unsent))

    def create_ended(self, at: float) -> "Memory":
        """Remember when the POST ended."""
        return replace(self, create=replace(self.create, ended_at=at))

    def create_unanswered(self, error: str) -> "Memory":
        """Remember the error that was received instead of an answer to the POST."""
        return replace(self, create=replace(self.create, error=error))

    def created(self, created: CreatedIntegration, now: float) -> "Memory":
        """Remember the answer to the POST until its id is in the status."""
        create = replace(self.create, created=created, ended_at=None)
        return replace(self, create=create, write=replace(self.write, at=now, remote_updated_before=NEVER))

    def created_handled(self) -> "Memory":
        """Forget the answer to the POST: its id is recorded, or the integration is handled elsewhere."""
        return replace(self, create=replace(self.create, created=None))

    def id_recorded(self, integration_id: int | None) -> "Memory":
        """Forget the answer to the POST if the status holds its id."""
        created = self.create.created
        return self.created_handled() if created is not None and created.item.id == integration_id else self

    def updated(self, now: float, before: datetime | None, late_until: float | None, *, verify: bool) -> "Memory":
        """Remember an accepted PUT. The parameters are as in `LastWrite`."""
        write = replace(
            self.write,
            at=now,
            remote_updated_before=before,
            unknown_at=None,
            late_until=late_until,
            own_updated_at=None,
            needs_verification=verify,
        )
        return replace(self, write=write, absence=self.absence.ended(), drift_updated_at=None)

    def drift_reported(self, updated_at: str | None) -> "Memory":
        """Remember NetBird's time of an integration that is reported as drifted."""
        return replace(self, drift_updated_at=updated_at)

    def update_unanswered(self, now: float, late_until: float) -> "Memory":
        """Remember a PUT with an unknown outcome."""
        return replace(self, write=replace(self.write, unknown_at=now, late_until=late_until))

    def delete_unanswered(self, now: float) -> "Memory":
        """Remember a DELETE with an unknown outcome."""
        return replace(self, write=replace(self.write, unknown_at=now))

    def deleted(self) -> "Memory":
        """Remember an accepted DELETE."""
        return replace(self.created_handled(), write=replace(self.write, deleted=True))

    def own_write_listed(self, updated_at: str) -> "Memory":
        """Remember NetBird's time of our last write, as a LIST showed it."""
        return replace(self, write=replace(self.write, own_updated_at=updated_at))

    def not_found(self, now: float) -> "Memory":
        """Remember that the integration was not found."""
        since = now if self.absence.since is None else self.absence.since
        return replace(self, absence=replace(self.absence, not_found_at=now, since=since, fetched=None))

    def found(self, item: Integration, now: float) -> "Memory":
        """Remember that NetBird answered by id for an integration that its LIST does not show."""
        return replace(self, absence=Absence(fetched=item, fetched_at=now))

    def not_in_sync(self, absent_since: float | None) -> "Memory":
        """Require a fresh LIST before the resource is reported in sync again."""
        since = self.absence.since if absent_since is None else absent_since
        write = replace(self.write, needs_verification=True)
        return replace(self, write=write, absence=replace(self.absence, since=since))

    def in_sync(self, compared_at: float) -> "Memory":
        """Remember that a LIST that began at `compared_at` shows the integration in sync.

        When the finalizer was seen matters only to a create, and a later moment is as good there.
        """
        late = self.write.late_until
        late = late if late is not None and compared_at < late else None
        write = replace(self.write, compared_at=compared_at, late_until=late, own_updated_at=None)
        return replace(self, finalizer_seen_at=None, write=write, absence=self.absence.ended(), drift_updated_at=None)
