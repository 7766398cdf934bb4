"""The limit on the NetBirdConnections of a namespace: each one takes memory for its token, its CA and its LIST."""

from bisect import bisect_left, insort
from datetime import datetime

from netbird_streaming.api.types import Connection

Rank = tuple[datetime, str]


class Quota:
    """The NetBirdConnections of each namespace by age. The oldest ones are served; a cluster connection always is."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._by_age: dict[str, list[Rank]] = {}

    def add(self, connection: Connection) -> None:
        """Count a connection."""
        if connection.metadata.namespace is not None:
            insort(self._by_age.setdefault(connection.metadata.namespace, []), _rank(connection))

    def remove(self, connection: Connection) -> None:
        """Count a connection no longer."""
        namespace = connection.metadata.namespace
        known = self._by_age.get(namespace or "", [])
        if _rank(connection) in known:
            known.remove(_rank(connection))
        if not known:
            self._by_age.pop(namespace or "", None)

    def allows(self, connection: Connection) -> bool:
        """Return whether the connection is served."""
        namespace = connection.metadata.namespace
        return namespace is None or bisect_left(self._by_age.get(namespace, []), _rank(connection)) < self.limit


def _rank(connection: Connection) -> Rank:
    return connection.metadata.creation_timestamp, connection.metadata.uid
