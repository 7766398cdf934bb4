"""A Prometheus process that scrapes its targets and evaluates rules every second."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx
import yaml

from tests.harness.controlplane import KeptProcess
from tests.harness.controlplane.commands import LOOPBACK, free_port
from tools.chart import Manifest

READY_SECONDS: Final = 60.0
_INTERVAL: Final = "1s"
_POLL_SECONDS: Final = 0.1


class PrometheusError(Exception):
    """Prometheus is not ready in time, or refuses a query. The message has its output."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An element of a result, at one moment."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """An alert whose expression holds now."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    fires: bool
    """False while it is pending."""

    @property
    def name(self) -> str:
        """The name of its rule."""
        return self.labels["alertname"]

    @property
    def text(self) -> str:
        """The text for the receiver of the alert."""
        return "\n".join(self.annotations.values())


class Prometheus:
    """A server that runs until the end of the block, or of this process."""

    def __init__(self, program: Path, folder: Path, targets: Mapping[str, int], groups: list[Manifest]) -> None:
        """Start it, and wait until it responds.

        Args:
            program: its path.
            folder: an existing folder for its data.
            targets: the ports on loopback to scrape, by pod name.
            groups: the groups of rules.

        Raises:
            PrometheusError: it does not respond in time.
        """
        (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(_settings(targets)))
        port = free_port()
        self._log: Final = folder / "prometheus.log"
        command = [
            str(program),
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={LOOPBACK}:{port}",
            "--log.level=warn",
        ]
        self._process = KeptProcess(command, self._log)
        self._client: Final = httpx.Client(base_url=f"http://{LOOPBACK}:{port}", trust_env=False, timeout=10.0)
        self._wait()

    def query(self, expression: str) -> list[Sample]:
        """Return the current value of an expression.

        Raises:
            PrometheusError: the expression is refused.
        """
        found = self._ask("query", query=expression)
        if found["resultType"] == "scalar":
            return [Sample({}, float(found["result"][1]))]
        return [Sample(each["metric"], float(each["value"][1])) for each in found["result"]]

    def rules(self) -> dict[str, Manifest]:
        """Return its alerts by name, each with its `health`, its `lastError` and its `state`."""
        groups = self._ask("rules", type="alert")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    def active(self) -> list[ActiveAlert]:
        """Read the alerts that are pending or fire."""
        found = self._ask("alerts")["alerts"]
        return [ActiveAlert(each["labels"], each["annotations"], each["state"] == "firing") for each in found]

    def fired(self, seconds: float) -> list[Mapping[str, str]]:
        """Read the labels of the alerts that have fired within the last seconds, also those that have ended."""
        found = self.query(f'last_over_time(ALERTS{{alertstate="firing"}}[{max(seconds, 1.0) * 1000:.0f}ms])')
        return [each.labels for each in found]

    def _ask(self, what: str, **parameters: str) -> Any:
        answer = self._client.get(f"/api/v1/{what}", params=parameters)
        try:
            said = answer.json()
        except json.JSONDecodeError:
            raise PrometheusError(answer.text) from None
        if said["status"] != "success":
            raise PrometheusError(said["error"])
        return said["data"]

    def _wait(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            if not self._process.alive or time.monotonic() > deadline:
                self._process.kill()
                message = f"Prometheus is not ready:\n{self._log.read_text()[-2000:]}"
                raise PrometheusError(message)
            time.sleep(_POLL_SECONDS)

    def _is_ready(self) -> bool:
        try:
            return self._client.get("/-/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self._process.kill()


def _settings(targets: Mapping[str, int]) -> Manifest:
    """Return the scrape configuration of the chart's PodMonitor, with the same labels and without pods."""
    job = "netbird-system/netbird-streaming-operator"
    scraped = [
        {"targets": [f"{LOOPBACK}:{port}"], "labels": {"namespace": "netbird-system", "pod": pod}}
        for pod, port in targets.items()
    ]
    return {
        "global": {"scrape_interval": _INTERVAL, "evaluation_interval": _INTERVAL},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": job, "static_configs": scraped}],
    }
