"""The order of what is known of an object.

Resource versions are ordered only within one list or watch. After a backup of etcd was restored in place, an object can
have a lower version than the known one, or a deleted object can exist again. A consistent read that began after
something was known is therefore newer, whatever its version says.
"""

from typing import Final, NamedTuple

from netbird_streaming.api.types import Resource
from netbird_streaming.clock import Clock

TOMBSTONE_LIFETIME: Final = 600.0
"""Seconds after which no watch and no list reports a deleted object any more."""


class RewoundError(Exception):
    """The API server's data is older than what was read from it before: a backup was restored in place."""


class Known(NamedTuple):
    """A version of an object, and the monotonic second at which it became known."""

    version: int
    at: float

    def is_replaced_by(self, version: int, since: float | None) -> bool:
        """Return whether a version is newer. `since` is when the consistent read of it began; None for an event."""
        if version > self.version:
            return True
        return version != self.version and since is not None and self.at < since


class Tombstones:
    """The uids of deleted resources, for as long as a watch or a list may still report them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}

    def hides(self, uid: str, since: float | None) -> bool:
        """Return whether a report of a resource is older than its deletion. `since` is as in `Known`."""
        at = self._since.get(uid)
        return at is not None and (since is None or since <= at)

    def add(self, uid: str) -> None:
        """Remember a deletion."""
        self._since[uid] = self._clock.monotonic()

    def discard(self, uid: str) -> None:
        """Forget a deletion: the resource exists."""
        self._since.pop(uid, None)

    def expire(self) -> None:
        """Forget the deletions that nothing can contradict any more."""
        oldest = self._clock.monotonic() - TOMBSTONE_LIFETIME
        self._since = {uid: at for uid, at in self._since.items() if at > oldest}


class SeenVersions:
    """The highest version that was read, and whether a read contradicted it."""

    def __init__(self) -> None:
        self.newest = 0
        self.is_rewound = False

    def compare(self, version: int, known: int | None) -> None:
        """Note that a read showed a version of an object of which another one is known, or None."""
        self.is_rewound |= known is not None and version < known

    def add(self, version: int) -> None:
        """Note a version that is known now."""
        self.newest = max(self.newest, version)


def version_of(resource: Resource) -> int:
    """Return the resource's version as a number."""
    return number(resource.metadata.resource_version)


def number(version: str) -> int:
    """Return a resource version as a number: comparable since Kubernetes 1.35 (KEP-5504), and in fact before."""
    return int(version) if version.isdigit() else 0
