"""Metrics whose values are computed at the time of a scrape."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from netbird_streaming.core.netbird.types import RateLimitState
from netbird_streaming.reconciler.stats import ConnectionStats, ControllerStats
from netbird_streaming.telemetry.metrics import definitions
from netbird_streaming.telemetry.metrics.definitions import MetricDefinition, Type

MAX_CONNECTIONS: Final = 100
"""Connections that are reported by name. The others are reported together."""
MAX_FAILING: Final = 100
"""Lists and watches that are reported by name."""
REST: Final = "other"
Groups = Mapping[str, Sequence[ConnectionStats]]
Samples = Iterable[tuple[tuple[str, ...], float]]
"""Values of the labels of a metric, in order, and the value of the sample."""


@dataclass(frozen=True, slots=True)
class Build:
    """Versions of the operator and of Python."""

    version: str
    python: str


@dataclass(frozen=True, slots=True)
class LeaderMetrics:
    """State that only a leader has: its resources, and its lists and watches.

    `failing` names the kinds, each with its namespace, whose list or watch fails; None is the whole cluster.
    """

    stats: ControllerStats
    watch_restarts: Mapping[str, int]
    synced: bool
    failing: Collection[tuple[str, str | None]]


def of_process(build: Build, *, leads: bool) -> Iterator[Metric]:
    """Yield the metrics of each replica."""
    yield _family(definitions.BUILD_INFO, [((build.version, build.python), 1)])
    yield _family(definitions.LEADER, [((), int(leads))])


def of_leader(leader_metrics: LeaderMetrics, *, per_connection: bool) -> Iterator[Metric]:
    """Yield the additional metrics of a leader."""
    stats = leader_metrics.stats
    yield _family(definitions.QUEUE_DEPTH, [((), stats.backlog.depth)])
    yield _family(definitions.QUEUE_OLDEST_AGE, [((), stats.backlog.oldest_age)])
    yield _family(definitions.UNWRITTEN_STATUSES, [((), stats.unwritten_statuses)])
    standing = stats.readiness_counts.items()
    counts = [((kind, str(ready).lower(), reason.value), count) for (kind, (ready, reason)), count in standing]
    yield _family(definitions.RESOURCES, counts)
    yield from _of_connections(_by_label(stats.connections, per_connection=per_connection))
    yield _family(definitions.SYNCED, [((), int(leader_metrics.synced))])
    yield _family(definitions.WATCH_FAILING, _failing(leader_metrics.failing))
    restarts = [((watch,), count) for watch, count in leader_metrics.watch_restarts.items()]
    yield _family(definitions.WATCH_RESTARTS, restarts)


def _failing(failing: Collection[tuple[str, str | None]]) -> Samples:
    """Return samples by namespace for the first in the alphabet, and by kind for the others."""
    names = sorted((kind, namespace or "") for kind, namespace in failing)
    shown = {*names[:MAX_FAILING], *((kind, REST) for kind, _ in names[MAX_FAILING:])}
    return [(labels, 1) for labels in sorted(shown)]


def _by_label(connections: Sequence[ConnectionStats], *, per_connection: bool) -> Groups:
    """Group connections by label. The first in the alphabet have their own, so that scrapes report the same ones."""
    if not per_connection:
        return {"": list(connections)} if connections else {}
    known = sorted(connections, key=lambda each: each.label)
    groups: dict[str, list[ConnectionStats]] = {each.label: [each] for each in known[:MAX_CONNECTIONS]}
    if len(known) > MAX_CONNECTIONS:
        groups.setdefault(REST, []).extend(known[MAX_CONNECTIONS:])
    return groups


def _of_connections(groups: Groups) -> Iterator[Metric]:
    """Yield the worst value of each group: the smallest remaining budget, the oldest resync, the longest interval."""
    budgets = {label: min((each.rate_limit_state for each in group), key=_remaining) for label, group in groups.items()}
    yield _family(definitions.RATE_LIMIT_REMAINING, (((label,), each.remaining) for label, each in budgets.items()))
    yield _family(definitions.RATE_LIMIT_BURST, (((label,), each.burst) for label, each in budgets.items()))
    ages = {label: [each.resync_age for each in group if each.ready] for label, group in groups.items()}
    yield _family(definitions.RESYNC_AGE, (((label,), max(each)) for label, each in ages.items() if each))
    intervals = (((label,), max(each.resync_interval for each in group)) for label, group in groups.items())
    yield _family(definitions.RESYNC_INTERVAL, intervals)
    expiries = {
        label: [each.token_expires_at for each in group if each.token_expires_at] for label, group in groups.items()
    }
    yield _family(
        definitions.TOKEN_EXPIRATION, (((label,), min(each).timestamp()) for label, each in expiries.items() if each)
    )


def _remaining(allowance: RateLimitState) -> float:
    return allowance.remaining


def _family(definition: MetricDefinition, samples: Samples) -> Metric:
    make = CounterMetricFamily if definition.type is Type.COUNTER else GaugeMetricFamily
    family = make(definition.name, definition.meaning, labels=definition.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family
