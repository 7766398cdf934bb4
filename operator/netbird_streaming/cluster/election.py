"""The decisions of a leader election over a Lease, apart from any I/O.

Only durations on our own clock count. A record's times are another machine's and are for people to read.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Timing:
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
class Record:
    """What the Lease says. `holder` is empty where it was released; `version` is its resourceVersion."""

    holder: str
    version: str
    duration: float
    transitions: int
    acquired: str
    """As the API server has it: RFC 3339 with microseconds."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A record, and when on our clock we first saw it so: its holder's last renewal was no later."""

    record: Record
    since: float


def observe(before: Observation | None, record: Record, now: float) -> Observation:
    """Take a fresh look: any change of the record starts its age anew."""
    return before if before is not None and before.record.version == record.version else Observation(record, now)


def may_take(observation: Observation, identity: str, now: float) -> bool:
    """Whether the Lease is free: released, ours from before, or not renewed for its holder's whole duration."""
    record = observation.record
    return record.holder in {"", identity} or now >= observation.since + record.duration


def parse(raw: Json, default_duration: float) -> Record:
    """The record of a Lease (coordination.k8s.io/v1); each field of its spec may be absent."""
    spec = raw.get("spec") or {}
    return Record(
        holder=str(spec.get("holderIdentity") or ""),
        version=str(raw["metadata"]["resourceVersion"]),
        duration=float(spec.get("leaseDurationSeconds") or default_duration),
        transitions=int(spec.get("leaseTransitions") or 0),
        acquired=str(spec.get("acquireTime") or ""),
    )


def claim(before: Record | None, identity: str, duration: float, now: datetime) -> Record:
    """The record that makes us the holder, or keeps us so."""
    if before is not None and before.holder == identity:
        return replace(before, duration=duration, acquired=before.acquired or _time(now))
    return Record(
        holder=identity,
        version=before.version if before else "",
        duration=duration,
        transitions=before.transitions + 1 if before else 0,
        acquired=_time(now),
    )


def body(record: Record, namespace: str, name: str, now: datetime) -> Json:
    """The Lease to write; with the record's version it is a compare-and-swap, without one it is to be created."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "namespace": namespace,
            **({"resourceVersion": record.version} if record.version else {}),
        },
        "spec": {
            "holderIdentity": record.holder,
            "leaseDurationSeconds": max(1, round(record.duration)),
            "leaseTransitions": record.transitions,
            "acquireTime": record.acquired or _time(now),
            "renewTime": _time(now),
        },
    }


def _time(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
