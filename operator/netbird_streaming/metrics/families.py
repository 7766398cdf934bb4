"""What is known at the time of a scrape, as metrics."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from netbird_streaming.core.remote import Allowance
from netbird_streaming.metrics import definitions
from netbird_streaming.metrics.definitions import Definition, Type
from netbird_streaming.reconciler.snapshot import ConnectionFigures, Snapshot

MAX_CONNECTIONS: Final = 100
"""Connections that are told by name; the rest is told together."""
MAX_FAILING: Final = 100
"""Lists and watches that are told by name."""
REST: Final = "other"
Groups = Mapping[str, Sequence[ConnectionFigures]]
Samples = Iterable[tuple[tuple[str, ...], float]]
"""The values of a metric's labels, in their order, and the sample's own."""


@dataclass(frozen=True, slots=True)
class Build:
    """What runs: the operator's version and Python's."""

    version: str
    python: str


@dataclass(frozen=True, slots=True)
class Sight:
    """What only a leader knows: its resources, and the state of its lists and watches.

    `failing` names the kinds, each with its namespace, whose list or watch fails; None is the whole cluster.
    """

    snapshot: Snapshot
    watch_restarts: Mapping[str, int]
    synced: bool
    failing: Collection[tuple[str, str | None]]


def of_process(build: Build, *, leads: bool) -> Iterator[Metric]:
    """What each replica tells."""
    yield _family(definitions.BUILD_INFO, [((build.version, build.python), 1)])
    yield _family(definitions.LEADER, [((), int(leads))])


def of_leader(sight: Sight, *, per_connection: bool) -> Iterator[Metric]:
    """What a leader tells besides."""
    snapshot = sight.snapshot
    yield _family(definitions.QUEUE_DEPTH, [((), snapshot.backlog.depth)])
    yield _family(definitions.QUEUE_OLDEST_AGE, [((), snapshot.backlog.oldest_age)])
    standing = snapshot.standing.items()
    counts = [((kind, str(ready).lower(), reason.value), count) for (kind, (ready, reason)), count in standing]
    yield _family(definitions.RESOURCES, counts)
    yield from _of_connections(_grouped(snapshot.connections, per_connection=per_connection))
    yield _family(definitions.SYNCED, [((), int(sight.synced))])
    yield _family(definitions.WATCH_FAILING, _failing(sight.failing))
    restarts = [((watch,), count) for watch, count in sight.watch_restarts.items()]
    yield _family(definitions.WATCH_RESTARTS, restarts)


def _failing(failing: Collection[tuple[str, str | None]]) -> Samples:
    """The first in the alphabet by name; the namespaces of the rest together."""
    names = sorted((kind, namespace or "") for kind, namespace in failing)
    shown = {*names[:MAX_FAILING], *((kind, REST) for kind, _ in names[MAX_FAILING:])}
    return [(labels, 1) for labels in sorted(shown)]


def _grouped(connections: Sequence[ConnectionFigures], *, per_connection: bool) -> Groups:
    """By the label's value; the first in the alphabet are told by name, so that each scrape tells the same ones."""
    if not per_connection:
        return {"": list(connections)} if connections else {}
    known = sorted(connections, key=lambda each: each.label)
    groups: dict[str, list[ConnectionFigures]] = {each.label: [each] for each in known[:MAX_CONNECTIONS]}
    if len(known) > MAX_CONNECTIONS:
        groups.setdefault(REST, []).extend(known[MAX_CONNECTIONS:])
    return groups


def _of_connections(groups: Groups) -> Iterator[Metric]:
    """Of each group the worst: the token that could send the fewest, the oldest sweep, the longest interval."""
    budgets = {label: min((each.allowance for each in group), key=_remaining) for label, group in groups.items()}
    yield _family(definitions.BUDGET_REMAINING, (((label,), each.remaining) for label, each in budgets.items()))
    yield _family(definitions.BUDGET_BURST, (((label,), each.burst) for label, each in budgets.items()))
    ages = (((label,), max(each.sweep_age for each in group)) for label, group in groups.items())
    yield _family(definitions.SWEEP_AGE, ages)
    intervals = (((label,), max(each.sweep_interval for each in group)) for label, group in groups.items())
    yield _family(definitions.SWEEP_INTERVAL, intervals)


def _remaining(allowance: Allowance) -> float:
    return allowance.remaining


def _family(definition: Definition, samples: Samples) -> Metric:
    make = CounterMetricFamily if definition.type is Type.COUNTER else GaugeMetricFamily
    family = make(definition.name, definition.meaning, labels=definition.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family
