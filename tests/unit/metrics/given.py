"""A leader's resources at one moment."""

from collections.abc import Collection, Mapping

from netbird_streaming.core.conditions import Readiness
from netbird_streaming.core.remote import Allowance
from netbird_streaming.metrics import Sight
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.queue import Backlog
from netbird_streaming.reconciler.snapshot import ConnectionFigures, Snapshot

ESI = "EventStreamingIntegration"
READY = Readiness(ready=True, reason=Reason.SYNCED)
DRIFTED = Readiness(ready=True, reason=Reason.DRIFTED)
REJECTED = Readiness(ready=False, reason=Reason.TOKEN_REJECTED)


def connection(label: str, *, remaining: float = 100.0, burst: int = 1200, age: float = 10.0) -> ConnectionFigures:
    return ConnectionFigures(label, Allowance(remaining, burst), sweep_age=age, sweep_interval=300.0 + age)


def snapshot(*connections: ConnectionFigures) -> Snapshot:
    standing = {(ESI, READY): 7, (ESI, DRIFTED): 2, ("NetBirdConnection", REJECTED): 1}
    return Snapshot(Backlog(3, 1.5), standing, connections or (connection("team/netbird"),))


def sight(
    figures: Snapshot,
    restarts: Mapping[str, int] | None = None,
    *,
    synced: bool = True,
    failing: Collection[tuple[str, str | None]] = (),
) -> Sight:
    return Sight(figures, restarts or {}, synced=synced, failing=failing)
