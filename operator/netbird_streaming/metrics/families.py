"""What is known at the time of a scrape, as metrics."""

from collections.abc import Iterable

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from netbird_streaming.metrics import definitions
from netbird_streaming.metrics.definitions import Definition, Type

Sample = tuple[tuple[str, ...], float]
"""The values of a metric's labels, in their order, and the sample's own."""


def build_info(version: str, python: str) -> Metric:
    """What runs."""
    return _family(definitions.BUILD_INFO, [((version, python), 1)])


def leader(*, leads: bool) -> Metric:
    """Whether this process may act."""
    return _family(definitions.LEADER, [((), int(leads))])


def _family(definition: Definition, samples: Iterable[Sample]) -> Metric:
    make = CounterMetricFamily if definition.type is Type.COUNTER else GaugeMetricFamily
    family = make(definition.name, definition.meaning, labels=definition.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family
