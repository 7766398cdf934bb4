"""The statistics of the controller at one moment, for metrics."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from netbird_streaming.api.types import EventStreamingIntegration
from netbird_streaming.core.netbird.endpoints import resync_interval
from netbird_streaming.core.netbird.types import RateLimitState
from netbird_streaming.core.status.conditions import Readiness, readiness
from netbird_streaming.reconciler.connection.resolved import ConnectionState
from netbird_streaming.reconciler.context import Context
from netbird_streaming.reconciler.queue import Backlog


@dataclass(frozen=True, slots=True)
class ConnectionStats:
    """The statistics of a connection whose token was read. `label` is its name with its namespace, if it has one.

    Of its accounts, the one counts whose last full LIST is oldest. Times are in seconds.
    """

    label: str
    ready: bool
    rate_limit_state: RateLimitState
    resync_age: float
    resync_interval: float
    token_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ControllerStats:
    """The backlog, the number of objects of each kind by readiness, and the connections.

    `unwritten_statuses` is the number of objects whose last reconciles failed and whose status does not say so.
    """

    backlog: Backlog
    unwritten_statuses: int
    readiness_counts: Mapping[tuple[str, Readiness], int]
    connections: tuple[ConnectionStats, ...]


def stats_of(context: Context, unwritten_statuses: int) -> ControllerStats:
    """Return the statistics."""
    standing = Counter((EventStreamingIntegration.__name__, record.summary.readiness) for record in context.store)
    for state in context.connections:
        standing[state.connection.key.kind, readiness(state.connection.status.conditions)] += 1
    now = context.ports.clock.monotonic()
    figures = tuple(_connection_stats(state, now) for state in context.connections if state.accounts)
    return ControllerStats(context.queue.backlog(), unwritten_statuses, standing, figures)


def _connection_stats(state: ConnectionState, now: float) -> ConnectionStats:
    accounts = list(state.accounts.values())
    return ConnectionStats(
        label=state.connection.key.label,
        ready=readiness(state.connection.status.conditions).ready,
        # All of its accounts are asked with one token.
        rate_limit_state=accounts[0].client.rate_limit_state,
        resync_age=now - min(account.last_list_at for account in accounts),
        resync_interval=resync_interval(state.connection.spec, len(accounts)),
        token_expires_at=state.connection.status.token_expires_at,
    )
