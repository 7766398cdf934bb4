"""Counters and histograms that the reconciler and the NetBird clients update."""

from http import HTTPStatus
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from netbird_streaming.netbird.client import CallMetric
from netbird_streaming.netbird.responses import TransportFailure
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.ports import Outcome
from netbird_streaming.telemetry.metrics import definitions
from netbird_streaming.telemetry.metrics.definitions import MetricDefinition

RECONCILE_BUCKETS: Final = (0.005, 0.025, 0.1, 0.5, 2.5, 10, 60)
REQUEST_BUCKETS: Final = (0.01, 0.05, 0.2, 1, 5, 15, 60)
"""Seconds. Few, since each bucket is a series for each combination of labels."""
UNKNOWN: Final = "other"
_STATUSES: Final = frozenset(HTTPStatus)


class PrometheusRecorder:
    """`MetricsRecorder` of the reconciler, and observer of the requests to NetBird."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reconciles = _histogram(definitions.RECONCILE_DURATION, RECONCILE_BUCKETS, registry)
        self._retries = _counter(definitions.RETRIES, registry)
        self._requests = _histogram(definitions.REQUEST_DURATION, REQUEST_BUCKETS, registry)
        self._waits = _counter(definitions.RATE_LIMIT_WAIT, registry)
        self._found = _counter(definitions.DRIFTS_FOUND, registry)
        self._corrected = _counter(definitions.DRIFTS_CORRECTED, registry)

    def reconciled(self, kind: str, outcome: Outcome, seconds: float) -> None:
        """Record the end and the duration of a reconcile."""
        self._reconciles.labels(kind, outcome.value).observe(seconds)

    def requeued(self, kind: str, reason: Reason) -> None:
        """Record the requeue of a resource because of an error."""
        self._retries.labels(kind, reason.value).inc()

    def drift_found(self) -> None:
        """Record drift: another client changed or deleted an integration."""
        self._found.inc()

    def drift_corrected(self) -> None:
        """Record a correction of drift that NetBird accepted."""
        self._corrected.inc()

    def requested(self, metric: CallMetric) -> None:
        """Record a request that was sent to NetBird."""
        self._requests.labels(metric.operation.value, _code(metric.outcome)).observe(metric.seconds)
        self._waits.inc(metric.queued)


def _code(outcome: int | TransportFailure) -> str:
    """Return the value of the label. A server can send any status, so only those of HTTP become values."""
    if isinstance(outcome, TransportFailure):
        return outcome.label
    return str(outcome) if outcome in _STATUSES else UNKNOWN


def _histogram(definition: MetricDefinition, buckets: tuple[float, ...], registry: CollectorRegistry) -> Histogram:
    return Histogram(definition.name, definition.meaning, definition.labels, buckets=buckets, registry=registry)


def _counter(definition: MetricDefinition, registry: CollectorRegistry) -> Counter:
    return Counter(definition.name, definition.meaning, definition.labels, registry=registry)
