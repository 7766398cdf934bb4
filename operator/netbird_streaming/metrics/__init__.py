"""What Prometheus asks: /metrics, the only importer of prometheus_client.

Everything is on a registry of its own, so nothing is there that is not in `definitions`, but for `process_*`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from netbird_streaming.metrics import families
from netbird_streaming.pages import Response


@dataclass(frozen=True, slots=True)
class Build:
    """What runs: the operator's version and Python's."""

    version: str
    python: str


class Metrics:
    """All metrics of one process."""

    def __init__(self, build: Build, leads: Callable[[], bool]) -> None:
        """`leads` tells whether this process may act; it is asked once a scrape and must not raise."""
        self._registry = CollectorRegistry()
        self._registry.register(_Collector(build, leads))
        ProcessCollector(registry=self._registry)

    def page(self, headers: Mapping[str, str]) -> Response:
        """Answer a scrape, in the format that it asks for."""
        accepted = headers.get("accept", "")
        try:
            encode, content_type = choose_encoder(accepted)
            body = encode(self._registry)
        except (TypeError, ValueError):  # a version that is no number
            encode, content_type = choose_encoder("")
            body = encode(self._registry)
        return Response(HTTPStatus.OK, content_type, body)


class _Collector(Collector):
    """Looks at the process when it is scraped."""

    def __init__(self, build: Build, leads: Callable[[], bool]) -> None:
        self._build = build
        self._leads = leads

    def collect(self) -> Iterator[Metric]:
        yield families.build_info(self._build.version, self._build.python)
        yield families.leader(leads=self._leads())
