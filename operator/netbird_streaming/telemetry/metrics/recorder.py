"""What is counted as it happens, by the reconciler and by the clients of NetBird."""

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
"""Seconds. Few, since each is a series for each combination of labels."""
UNKNOWN: Final = "other"
_STATUSES: Final = frozenset(HTTPStatus)


class PrometheusRecorder:
    """The reconciler's `MetricsRecorder`, and who observes the clients' requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Count from zero, on this registry."""
        self._reconciles = _histogram(definitions.RECONCILE_DURATION, RECONCILE_BUCKETS, registry)
        self._retries = _counter(definitions.RETRIES, registry)
        self._requests = _histogram(definitions.REQUEST_DURATION, REQUEST_BUCKETS, registry)
        self._waits = _counter(definitions.RATE_LIMIT_WAIT, registry)
        self._found = _counter(definitions.DRIFTS_FOUND, registry)
        self._corrected = _counter(definitions.DRIFTS_CORRECTED, registry)

    def reconciled(self, kind: str, outcome: Outcome, seconds: float) -> None:
        """One reconcile of a resource of this kind has ended, after so many seconds."""
        self._reconciles.labels(kind, outcome.value).observe(seconds)

    def requeued(self, kind: str, reason: Reason) -> None:
        """A resource of this kind is looked at again because of a problem."""
        self._retries.labels(kind, reason.value).inc()

    def drift_found(self) -> None:
        """An integration is not as it was left: somebody else changed or deleted it."""
        self._found.inc()

    def drift_corrected(self) -> None:
        """NetBird accepted what sets a drifted integration back."""
        self._corrected.inc()

    def requested(self, metric: CallMetric) -> None:
        """A request was sent to NetBird."""
        self._requests.labels(metric.operation.value, _code(metric.outcome)).observe(metric.seconds)
        self._waits.inc(metric.queued)


def _code(outcome: int | TransportFailure) -> str:
    """Return the label's value. A server chooses its status, so only those that HTTP knows become one."""
    if isinstance(outcome, TransportFailure):
        return outcome.label
    return str(outcome) if outcome in _STATUSES else UNKNOWN


def _histogram(definition: MetricDefinition, buckets: tuple[float, ...], registry: CollectorRegistry) -> Histogram:
    return Histogram(definition.name, definition.meaning, definition.labels, buckets=buckets, registry=registry)


def _counter(definition: MetricDefinition, registry: CollectorRegistry) -> Counter:
    return Counter(definition.name, definition.meaning, definition.labels, registry=registry)
