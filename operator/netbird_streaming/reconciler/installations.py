"""Several installations of the operator in one cluster: one of them is in charge of each connection.

The connection's status names the installation in charge by its Lease. Another installation writes nothing for the
connection and its resources, neither to Kubernetes nor to NetBird, until that Lease is deleted or is no longer renewed.
Each installation has a fingerprint key of its own, so that two that both write would send each integration again and
again.
"""

from dataclasses import dataclass
from typing import Final

from netbird_streaming.api.status import CONDITION_TYPES
from netbird_streaming.api.types import Connection
from netbird_streaming.clock import Clock
from netbird_streaming.errors import ConflictError, NotInChargeError, ObjectGoneError, OperatorError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.connection.resolved import ConnectionState
from netbird_streaming.reconciler.ports import Cluster

ABANDONED_AFTER: Final = 600.0
"""Seconds without a renewal after which an installation counts as removed: longer than an upgrade takes."""
CHECK_INTERVAL: Final = 15.0
"""Seconds between two reads of another installation's Lease."""
MAX_CONFLICTS: Final = 5


@dataclass(frozen=True, slots=True)
class _Lease:
    """The version of a Lease (None: it does not exist), since when it is that one, and when it was last read."""

    version: str | None
    since: float
    checked_at: float


class Installations:
    """Decides whether this installation is in charge of a connection.

    `own` is this installation's Lease as `namespace/name`. Without a Lease, it never takes charge by a mark.
    """

    def __init__(self, cluster: Cluster, clock: Clock, own: str, *, has_lease: bool) -> None:
        self._cluster = cluster
        self._clock = clock
        self._own = own
        self._has_lease = has_lease
        self._leases: dict[str, _Lease] = {}

    async def take_charge(self, state: ConnectionState) -> NotInChargeError | None:
        """Mark a connection as this installation's; return an error if another one is in charge.

        Raises RetryError if the API server does not answer.
        """
        async with state.lock:
            for _ in range(MAX_CONFLICTS):
                mark = state.connection.status.internal.installation
                if mark == self._own:
                    return None
                if mark is not None and await self._is_alive(mark):
                    return self._not_in_charge(state.connection, mark)
                if not self._has_lease or state.connection.deleting or await self._mark(state):
                    return None
        return None

    async def _mark(self, state: ConnectionState) -> bool:
        """Write the mark. Return False if there is a newer version, which is at hand then."""
        connection, status = state.connection, state.connection.status
        marked = status.model_copy(
            update={
                "conditions": tuple(each for each in status.conditions if each.type in CONDITION_TYPES),
                "internal": status.internal.model_copy(update={"installation": self._own}),
            }
        )
        try:
            state.connection = await self._cluster.write_connection_status(connection, marked)
        except ConflictError:
            fresh = await self._cluster.read(connection.key)
            if isinstance(fresh, type(connection)) and fresh.metadata.uid == connection.metadata.uid:
                state.connection = fresh
                return False
        except ObjectGoneError:
            pass
        return True

    async def _is_alive(self, mark: str) -> bool:
        """Return whether an installation still renews its Lease. One that can't be read counts as alive."""
        now, known = self._clock.monotonic(), self._leases.get(mark)
        if known is None or now - known.checked_at >= CHECK_INTERVAL:
            namespace, _, name = mark.partition("/")
            try:
                version = await self._cluster.lease_version(namespace, name)
            except OperatorError:
                return True
            now = self._clock.monotonic()
            same = known is not None and known.version == version
            known = _Lease(version, known.since if known is not None and same else now, now)
            self._leases[mark] = known
        return known.version is not None and now - known.since < ABANDONED_AFTER

    def _not_in_charge(self, connection: Connection, mark: str) -> NotInChargeError:
        message = (
            f"{connection.key.kind} {connection.key.label} is managed by the installation with the Lease "
            f"{mark}, so this one ({self._own}) writes nothing. {Reason.OTHER_INSTALLATION.remedy}"
        )
        return NotInChargeError(Reason.OTHER_INSTALLATION, message)
