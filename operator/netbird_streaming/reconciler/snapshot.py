"""How all of it stands at one moment, in numbers: for metrics, which are read now and then and cost nothing between."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from netbird_streaming.core.conditions import Readiness, readiness
from netbird_streaming.core.connections import resync_interval
from netbird_streaming.core.remote import Allowance
from netbird_streaming.core.resources import EventStreamingIntegration
from netbird_streaming.reconciler.queue import Backlog
from netbird_streaming.reconciler.way import Link
from netbird_streaming.reconciler.world import World


@dataclass(frozen=True, slots=True)
class ConnectionFigures:
    """One connection whose token was read; `label` is its name, behind its namespace where it has one.

    Of its accounts, the one counts whose last full LIST is oldest. Times are in seconds.
    """

    label: str
    allowance: Allowance
    sweep_age: float
    sweep_interval: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The queue, how many resources and connections of each kind stand how, and the connections at work."""

    backlog: Backlog
    standing: Mapping[tuple[str, Readiness], int]
    connections: tuple[ConnectionFigures, ...]


def snapshot_of(world: World) -> Snapshot:
    """Take one; nothing is asked of anybody."""
    standing = Counter((EventStreamingIntegration.__name__, entry.readiness) for entry in world.entries.values())
    for link in world.connections:
        standing[link.connection.identity.kind, readiness(link.connection.status.conditions)] += 1
    now = world.ports.clock.monotonic()
    figures = tuple(_figures(link, now) for link in world.connections if link.accounts)
    return Snapshot(world.queue.backlog(), standing, figures)


def _figures(link: Link, now: float) -> ConnectionFigures:
    accounts = list(link.accounts.values())
    return ConnectionFigures(
        label=link.connection.identity.label,
        # All of its accounts are asked with one token.
        allowance=accounts[0].client.allowance,
        sweep_age=now - min(account.swept_at for account in accounts),
        sweep_interval=resync_interval(link.connection.spec, len(accounts)),
    )
