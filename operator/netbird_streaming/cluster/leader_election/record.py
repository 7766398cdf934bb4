"""The decisions of a leader election over a Lease, apart from any I/O.

Only durations on our own clock count. A record's times are another machine's and are for people to read.

Whatever a person does to the Lease, its holder does not know of it before its next renewal. So a record that was edited
or deleted makes nobody act sooner than its holder would have stopped: only a release frees it at once. Two things no
process can know: that a Lease came and was deleted while it did not look, and that a person wrote what a release does.
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
"""Seconds; no setting allows a longer duration, so a Lease that names one was edited."""
RELEASED_DURATION: Final = 1.0
"""The duration, in seconds, that a holder leaves behind with its empty name when it releases the Lease."""
_MOST_TRANSITIONS: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """Seconds: how long others wait for us, how long we dare act on one renewal, and how often we renew or look."""

    duration: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        """Refuse timings with which two could act at once."""
        if not 0 < self.retry < self.renew_deadline < self.duration:
            msg = "a Lease needs 0 < retry < renew deadline < duration (seconds)"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class LeaderElectionRecord:
    """What the Lease says. `version` is its resourceVersion; empty where it was deleted or is still to be made."""

    holder: str
    version: str
    duration: float
    transitions: int
    acquired: str
    """As the API server has it: RFC 3339 with microseconds."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A record, and when on our clock we first saw it so: its holder's last renewal was no later."""

    record: LeaderElectionRecord
    since: float


def observe(before: Observation | None, record: LeaderElectionRecord, now: float) -> Observation:
    """Take a fresh look: any change of the record starts its age anew."""
    return before if before is not None and before.record.version == record.version else Observation(record, now)


def observe_absence(
    before: Observation | None, last_sent: LeaderElectionRecord | None, until: float, now: float
) -> Observation | None:
    """Take a look that found no Lease; None is for one that may be created at once.

    Somebody may have taken or renewed it just before it was deleted, so its age starts anew. Our own is as good as
    there for as long as nobody else can have taken it: `until` a duration after we began a renewal that was answered.
    """
    if before is None or not before.record.version:
        return before
    if is_ours(before.record, last_sent) and now < until:
        return None
    return Observation(replace(before.record, version=""), now)


def is_ours(record: LeaderElectionRecord, last_sent: LeaderElectionRecord | None) -> bool:
    """Whether the record is what we last sent, renewed or not: nobody else has held the Lease since.

    `acquired` serves as a mark here: another's claim, or one of ours that never landed, may count the same transitions.
    """
    if last_sent is None:
        return False
    return (record.holder, record.transitions, record.acquired) == (
        last_sent.holder,
        last_sent.transitions,
        last_sent.acquired,
    )


def may_take(observation: Observation, last_sent: LeaderElectionRecord | None, duration: float, now: float) -> bool:
    """Whether the Lease is free: released, ours from before, or not renewed for long enough.

    That is the longer one of its holder's duration and of ours (seconds): a short one may have been written by hand.
    """
    record = observation.record
    if record.version and (_is_released(record) or is_ours(record, last_sent)):
        return True
    return now >= observation.since + max(duration, min(record.duration, MAX_DURATION))


def parse(raw: Json, default_duration: float) -> LeaderElectionRecord:
    """The record of a Lease (coordination.k8s.io/v1); each field of its spec may be absent.

    Raises:
        RetryError: It is none, whoever answered in the API server's place.
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
    return RetryError(Reason.UNAVAILABLE, "the Lease: the Kubernetes API server's answer is none; it is asked again.")


def acquire(
    before: LeaderElectionRecord | None,
    last_sent: LeaderElectionRecord | None,
    candidate_id: str,
    duration: float,
    now: datetime,
) -> LeaderElectionRecord:
    """The record that makes us the holder, or keeps us so where it is what we last sent (`last_sent`)."""
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
    """The record that frees the Lease at once."""
    return replace(record, holder="", duration=RELEASED_DURATION)


def body(record: LeaderElectionRecord, namespace: str, name: str, now: datetime) -> Json:
    """The Lease to write; with the record's version it is a compare-and-swap, without one it is to be created."""
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
            "leaseDurationSeconds": math.ceil(record.duration),  # others must not wait less than we said
            "leaseTransitions": record.transitions,
            "acquireTime": record.acquired or None,
            "renewTime": _time(now),
        },
    }


def _is_released(record: LeaderElectionRecord) -> bool:
    return not record.holder and record.duration <= RELEASED_DURATION


def _time(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
