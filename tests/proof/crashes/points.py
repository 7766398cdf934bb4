"""The points of a flow for a fault: each request and each event of a running operator, and each side of it."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_CLUSTER: Final = re.compile(r"/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/[^/]+(?=/))?/(.+)")
_NETBIRD: Final = re.compile(r"/api(?:/integrations)?/(event-streaming|accounts)(/\d+)?")
WRITING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Side(StrEnum):
    """The fault at a point."""

    LOST = "lost before it arrives"
    UNHEARD = "carried out, its answer lost"
    KILLED_BEFORE = "the process killed just before it"
    KILLED_AFTER = "the process killed just after it"
    LATE = "delivered after the next one, or late"
    AGAIN = "delivered again after the next one"


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """The n-th occurrence, from 1 on, of this label, such as `PATCH eventstreamingintegrations/events/status`."""

    label: str
    occurrence: int

    def __str__(self) -> str:
        """Return the readable form."""
        return f"{self.label} #{self.occurrence}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A fault at a point."""

    point: Point
    side: Side

    def __str__(self) -> str:
        """Return the readable form."""
        return f"{self.point}: {self.side}"


@dataclass(slots=True)
class Gate:
    """A gate that counts what passes once it is open, and selects the fault. `kill` ends the active process."""

    kill: Callable[[], None]
    plan: Plan | None = None
    is_open: bool = False
    struck: bool = False
    passed: Counter[str] = field(default_factory=Counter)

    def judge(self, label: str | None) -> Side | None:
        """Count an occurrence, and return its fault."""
        if not self.is_open or label is None:
            return None
        self.passed[label] += 1
        if self.plan is None or self.struck or self.plan.point != Point(label, self.passed[label]):
            return None
        self.struck = True
        if self.plan.side is Side.KILLED_BEFORE:
            self.kill()
        return self.plan.side


def plans(passed: Mapping[str, int]) -> Iterator[Plan]:
    """Return every fault of a flow with these occurrences.

    A read leaves no trace at the server. So a loss on the way there or back, and a death of the process before or after
    it, are the same.
    """
    for label, count in sorted(passed.items()):
        for occurrence in range(1, count + 1):
            for side in sides(label):
                yield Plan(Point(label, occurrence), side)


def sides(label: str) -> tuple[Side, ...]:
    """Return the possible faults at a point."""
    verb = label.partition(" ")[0]
    if verb == "EVENT":
        return (Side.KILLED_BEFORE, Side.KILLED_AFTER, Side.LATE, Side.AGAIN)
    if verb in WRITING and not label.endswith("reviews"):
        return (Side.LOST, Side.UNHEARD, Side.KILLED_BEFORE, Side.KILLED_AFTER)
    return (Side.LOST, Side.KILLED_BEFORE)


def cluster_label(method: str, path: str, *, watch: bool) -> str | None:
    """Name a request to the API server. The Lease is renewed by the clock, so it is no point of a flow."""
    found = _CLUSTER.fullmatch(path)
    about = found[1] if found else path
    if about.startswith("leases"):
        return None
    return f"{'WATCH' if watch else method} {about}"


def netbird_label(method: str, path: str) -> str | None:
    """Name a request to NetBird, without the id."""
    found = _NETBIRD.fullmatch(path)
    return f"{method} {found[1]}{'/id' if found[2] else ''}" if found else f"{method} {path}"


def event_label(line: bytes) -> str | None:
    """Name an event of a watch. A bookmark is no event."""
    event = json.loads(line)
    if event["type"] == "BOOKMARK":
        return None
    metadata = event["object"].get("metadata", {})
    return f"EVENT {event['type']} {event['object'].get('kind', '')}/{metadata.get('name', '')}"
