"""What Prometheus asks: /metrics, the only importer of prometheus_client.

Everything is on a registry of its own, so nothing is there that is not in `definitions`, but for `process_*`.
"""

from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from netbird_streaming.telemetry.http_server import HttpResponse
from netbird_streaming.telemetry.metrics.families import Build, LeaderMetrics, of_leader, of_process
from netbird_streaming.telemetry.metrics.recorder import PrometheusRecorder

__all__ = ["Build", "LeaderMetrics", "Metrics"]


class Metrics:
    """All metrics of one process. `recorder` counts for as long as the process lives, and is told while it leads."""

    def __init__(
        self, build: Build, leader_metrics: Callable[[], LeaderMetrics | None], *, per_connection: bool
    ) -> None:
        """Start counting.

        Args:
            build: What runs.
            leader_metrics: Called once a scrape; None while this process may not act. It must not raise.
            per_connection: Whether to tell connections by name.
        """
        # Else each counter and histogram has one series more, which says when it began.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it takes and gives nothing
        counted = CollectorRegistry()
        self.recorder = PrometheusRecorder(counted)
        self._build, self._leader_metrics, self._counted, self._per_connection = (
            build,
            leader_metrics,
            counted,
            per_connection,
        )
        self._registry = CollectorRegistry()
        self._registry.register(_Collector(self._collect))
        ProcessCollector(registry=self._registry)

    def handle(self, headers: Mapping[str, str]) -> HttpResponse:
        """Answer a scrape, in the format that it asks for."""
        try:
            encode, content_type = choose_encoder(headers.get("accept", ""))
            body = encode(self._registry)
        except (TypeError, ValueError):  # it asks for a version that is no number
            encode, content_type = choose_encoder("")
            body = encode(self._registry)
        return HttpResponse(HTTPStatus.OK, content_type, body)

    def _collect(self) -> Iterator[Metric]:
        leader_metrics = self._leader_metrics()
        yield from of_process(self._build, leads=leader_metrics is not None)
        if leader_metrics is not None:
            yield from of_leader(leader_metrics, per_connection=self._per_connection)
            yield from self._counted.collect()


class _Collector(Collector):
    """A function as a collector."""

    def __init__(self, collect: Callable[[], Iterator[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        return self._collect()
