"""The chart's parts for Prometheus and Grafana: the rendered alerts, the dashboard and the runbooks."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.chart import CHART, Manifest, of_kind, render

ALERTS: Final = CHART / "files" / "monitoring" / "alerts.yaml"
DASHBOARD: Final = CHART / "files" / "monitoring" / "dashboard.json"
_NAMESPACE: Final = "netbird-system"
_MINUTES: Final = re.compile(r"(\d+)m\b")
_SECONDS: Final = re.compile(r"\b\d{2,}\b(?!m)")


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert of Prometheus."""

    name: str
    expression: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    pending: str | None
    """The duration for which the expression has to hold, as `15m`; None for none."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a panel, as Grafana sends it."""

    panel: str
    expression: str

    def asked(self, namespace: str, rate_interval: str) -> str:
        """Replace the variables of the dashboard by values."""
        text = self.expression.replace("$namespace", namespace).replace("$__rate_interval", rate_interval)
        assert "$" not in text
        return text


def dashboard() -> Manifest:
    """Return the dashboard in Grafana's JSON model."""
    found: Manifest = json.loads(DASHBOARD.read_text())
    return found


def queries() -> list[Query]:
    """Return the queries of all panels."""
    return [
        Query(panel["title"], target["expr"]) for panel in dashboard()["panels"] for target in panel.get("targets", ())
    ]


def rule_groups(helm: Path, docs_url: str = "", **settings: Any) -> list[Manifest]:
    """Render the groups of rules, the content of a rule file of Prometheus.

    Args:
        helm: The program.
        docs_url: The chart's `docsURL`.
        settings: Changes of the chart's `metrics.prometheusRule`.
    """
    (rule,) = of_kind(_rendered(helm, docs_url, **settings), "PrometheusRule")
    groups: list[Manifest] = rule["spec"]["groups"]
    return groups


def runbooks(helm: Path) -> list[Manifest]:
    """Render the objects with the pages that the alerts' annotations print."""
    return of_kind(_rendered(helm), "ConfigMap")


def _rendered(helm: Path, docs_url: str = "", **settings: Any) -> list[Manifest]:
    metrics = {"podMonitor": {"enabled": True}, "prometheusRule": {"enabled": True, **settings}}
    return render(helm, _NAMESPACE, {"metrics": metrics, "docsURL": docs_url})


def alerts(groups: list[Manifest]) -> list[Alert]:
    """Return the alerts of rendered groups."""
    return [
        Alert(each["alert"], each["expr"], each["labels"], each["annotations"], each.get("for"))
        for group in groups
        for each in group["rules"]
    ]


def compressed(groups: list[Manifest], factor: float) -> list[Manifest]:
    """Divide every time in the rules by a factor: how long a condition holds, ranges, and thresholds in seconds.

    Thresholds of two digits or more are seconds.
    """

    def milliseconds(found: re.Match[str]) -> str:
        return f"{int(found[1]) * 60_000 / factor:.0f}ms"

    def seconds(found: re.Match[str]) -> str:
        return f"{int(found[0]) / factor:g}"

    def shorter(rule: Manifest) -> Manifest:
        expression = _MINUTES.sub(milliseconds, _SECONDS.sub(seconds, rule["expr"]))
        times = {"for": _MINUTES.sub(milliseconds, rule["for"])} if "for" in rule else {}
        return {**rule, "expr": expression, **times}

    return [{**group, "rules": [shorter(rule) for rule in group["rules"]]} for group in groups]
