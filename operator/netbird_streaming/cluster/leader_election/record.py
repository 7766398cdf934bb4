"""Decisions of a leader election with a Lease, without I/O.

Only durations on the own clock count. The times in a record come from another machine and are for users to read.

A holder notices an edit of the Lease only at its next renewal. So no candidate acts on an edited or deleted record
before its holder would have stopped. Only a release frees the Lease at once. A process can't detect two cases: a Lease
that was created and deleted between two reads, and an edit that looks like a release.
"""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from netbird_streaming.cluster.labels import OWN_LABELS
from netbird_streaming.errors import RetryError
from netbird_streaming.reasons import Reason

Json = dict[str, Any]

MAX_DURATION: Final = 300.0
"""Seconds. No setting allows a longer duration, so a Lease with a longer one was edited."""
RELEASED_DURATION: Final = 1.0
"""The duration, in seconds, that a holder writes with an empty name when it releases the Lease."""
_MOST_TRANSITIONS: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """Durations of the election, in seconds.

    Other candidates wait for `duration`. The holder acts for `renew_deadline` after a renewal. Each candidate renews or
    reads the Lease every `retry` seconds.
    """

    duration: float
    renew_deadline: float
    retry: float

    def __post_init__(self) -> None:
        """Refuse durations with which two processes could act at once."""
        if not 0 < self.retry < self.renew_deadline < self.duration:
            msg = "a Lease needs 0 < retry < renew deadline < duration (seconds)"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class LeaderElectionRecord:
    """Contents of the Lease. `version` is its resourceVersion, empty for a Lease that does not exist."""

    holder: str
    version: str
    duration: float
    transitions: int
    acquired: str
    """The time in the form of the API server: RFC 3339 with microseconds."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Record, and the time on the own clock when it was first seen. Its holder's last renewal was no later."""

    record: LeaderElectionRecord
    since: float


def observe(before: Observation | None, record: LeaderElectionRecord, now: float) -> Observation:
    """Return the observation of a record that was read now. Any change of the record restarts its age."""
    return before if before is not None and before.record.version == record.version else Observation(record, now)


def observe_absence(
    before: Observation | None, last_sent: LeaderElectionRecord | None, until: float, now: float
) -> Observation | None:
    """Return the observation after a read that found no Lease. None means that it may be created at once.

    Another process may have taken or renewed the Lease just before it was deleted, so its age restarts. This process
    may re-create its own Lease while no other process can have taken it. That is the case before `until`, which is
    `duration` seconds after the start of its last successful renewal.
    """
    if before is None or not before.record.version:
        return before
    if is_ours(before.record, last_sent) and now < until:
        return None
    return Observation(replace(before.record, version=""), now)


def is_ours(record: LeaderElectionRecord, last_sent: LeaderElectionRecord | None) -> bool:
    """Return whether this process last sent the record, renewed or not. No other process has held the Lease since.

    `acquired` is compared too, because another claim may count the same transitions: one of another process, or one of
    this process that was not applied.
    """
    if last_sent is None:
        return False
    return (record.holder, record.transitions, record.acquired) == (
        last_sent.holder,
        last_sent.transitions,
        last_sent.acquired,
    )


def may_take(observation: Observation, last_sent: LeaderElectionRecord | None, duration: float, now: float) -> bool:
    """Return whether the Lease is free: released, held by this process before, or not renewed for long enough.

    Long enough is the longer of the holder's duration and `duration` (seconds). A user may have written a short one.
    """
    record = observation.record
    if record.version and (_is_released(record) or is_ours(record, last_sent)):
        return True
    return now >= observation.since + max(duration, min(record.duration, MAX_DURATION))


def parse(raw: Json, default_duration: float) -> LeaderElectionRecord:
    """Return the record of a Lease (coordination.k8s.io/v1). Each field of its spec may be absent.

    Raises:
        RetryError: The object is no Lease, for example the response of a proxy.
    """
    spec, metadata = raw.get("spec") or {}, raw.get("metadata")
    if not isinstance(spec, dict) or not isinstance(metadata, dict):
        raise _none()
    return LeaderElectionRecord(
        holder=str(spec.get("holderIdentity") or ""),
        version=str(metadata.get("resourceVersion") or ""),
        duration=float(_count(spec.get("leaseDurationSeconds")) or default_duration),
        transitions=_count(spec.get("leaseTransitions")),
        acquired=str(spec.get("acquireTime") or ""),
    )


def _count(value: object) -> int:
    if value is not None and type(value) is not int:
        raise _none()
    return min(max(value or 0, 0), _MOST_TRANSITIONS)


def _none() -> RetryError:
    return RetryError(
        Reason.UNAVAILABLE, "the Lease: the Kubernetes API server answered no Lease; the operator retries."
    )


def acquire(
    before: LeaderElectionRecord | None,
    last_sent: LeaderElectionRecord | None,
    candidate_id: str,
    duration: float,
    now: datetime,
) -> LeaderElectionRecord:
    """Return the record that makes this candidate the holder, or keeps it so if it holds the Lease already."""
    if before is not None and is_ours(before, last_sent):
        return replace(before, duration=duration)
    return LeaderElectionRecord(
        holder=candidate_id,
        version=before.version if before else "",
        duration=duration,
        transitions=before.transitions % _MOST_TRANSITIONS + 1 if before else 0,
        acquired=_time(now),
    )


def release(record: LeaderElectionRecord) -> LeaderElectionRecord:
    """Return the record that frees the Lease at once."""
    return replace(record, holder="", duration=RELEASED_DURATION)


def body(record: LeaderElectionRecord, namespace: str, name: str, now: datetime) -> Json:
    """Return the Lease to write. A record with a version makes a compare-and-swap, one without makes a create."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "namespace": namespace,
            **({"resourceVersion": record.version} if record.version else {"labels": dict(OWN_LABELS)}),
        },
        "spec": {
            "holderIdentity": record.holder,
            "leaseDurationSeconds": math.ceil(record.duration),  # others must not wait for less than the duration
            "leaseTransitions": record.transitions,
            "acquireTime": record.acquired or None,
            "renewTime": _time(now),
        },
    }


def _is_released(record: LeaderElectionRecord) -> bool:
    return not record.holder and record.duration <= RELEASED_DURATION


def _time(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
