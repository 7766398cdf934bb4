"""Page /metrics for Prometheus. Only this package imports prometheus_client.

It uses a registry of its own, so the page holds only the metrics of `definitions`, and `process_*`.
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
    """Metrics of one process. `recorder` counts as long as the process runs. The page shows it while the process leads.

    Args:
        build: The versions of the operator and of Python.
        leader_metrics: Called once per scrape; None while this process does not lead. It must not raise.
        per_connection: Whether to report connections by name.
    """

    def __init__(
        self, build: Build, leader_metrics: Callable[[], LeaderMetrics | None], *, per_connection: bool
    ) -> None:
        # Else each counter and histogram has one more series, with the time of its creation.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no parameters and no result
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
        """Return the response to a scrape, in the requested format."""
        try:
            encode, content_type = choose_encoder(headers.get("accept", ""))
            body = encode(self._registry)
        except (TypeError, ValueError):  # the requested version is not a number
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
    """Collector that calls a function."""

    def __init__(self, collect: Callable[[], Iterator[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        return self._collect()
