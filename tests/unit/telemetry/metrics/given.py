"""A leader's resources at one moment."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from netbird_streaming.core.netbird.types import RateLimitState
from netbird_streaming.core.status.conditions import Readiness
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.queue import Backlog
from netbird_streaming.reconciler.stats import ConnectionStats, ControllerStats
from netbird_streaming.telemetry.metrics import LeaderMetrics

ESI = "EventStreamingIntegration"
READY = Readiness(ready=True, reason=Reason.SYNCED)
DRIFTED = Readiness(ready=True, reason=Reason.DRIFTED)
REJECTED = Readiness(ready=False, reason=Reason.TOKEN_REJECTED)


def connection(
    label: str, *, remaining: float = 100.0, burst: int = 1200, age: float = 10.0, expiry: float | None = None
) -> ConnectionStats:
    return ConnectionStats(
        label,
        ready=True,
        rate_limit_state=RateLimitState(remaining, burst),
        resync_age=age,
        resync_interval=300.0 + age,
        token_expires_at=None if expiry is None else datetime.fromtimestamp(expiry, UTC),
    )


def snapshot(*connections: ConnectionStats) -> ControllerStats:
    standing = {(ESI, READY): 7, (ESI, DRIFTED): 2, ("NetBirdConnection", REJECTED): 1}
    return ControllerStats(Backlog(3, 1.5), 2, standing, connections or (connection("team/netbird"),))


def sight(
    figures: ControllerStats,
    restarts: Mapping[str, int] | None = None,
    *,
    synced: bool = True,
    failing: Collection[tuple[str, str | None]] = (),
) -> LeaderMetrics:
    return LeaderMetrics(figures, restarts or {}, synced=synced, failing=failing)
