"""What the chart has for Prometheus and Grafana: the alerts as it renders them, the dashboard; and the runbooks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.chart import CHART, ROOT, Manifest, of_kind, render

ALERTS: Final = CHART / "files" / "monitoring" / "alerts.yaml"
DASHBOARD: Final = CHART / "files" / "monitoring" / "dashboard.json"
RUNBOOKS: Final = ROOT / "docs" / "runbooks"
_NAMESPACE: Final = "netbird-system"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, as Prometheus is given it."""

    name: str
    expression: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    pending: str | None
    """How long the expression has to hold, as `15m`; None for not at all."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel, as Grafana would ask it."""

    panel: str
    expression: str

    def asked(self, namespace: str, rate_interval: str) -> str:
        """Put values into the place of the variables that the dashboard knows."""
        text = self.expression.replace("$namespace", namespace).replace("$__rate_interval", rate_interval)
        assert "$" not in text
        return text


def dashboard() -> Manifest:
    """Read the dashboard, as Grafana's JSON model has it."""
    found: Manifest = json.loads(DASHBOARD.read_text())
    return found


def queries() -> list[Query]:
    """Read the queries of all its panels."""
    return [
        Query(panel["title"], target["expr"]) for panel in dashboard()["panels"] for target in panel.get("targets", ())
    ]


def rule_groups(helm: Path, **settings: Any) -> list[Manifest]:
    """Render the groups of rules; they are what a rule file of Prometheus holds.

    Args:
        helm: the program.
        settings: what differs in the chart's `metrics.prometheusRule`.
    """
    values = {"metrics": {"podMonitor": {"enabled": True}, "prometheusRule": {"enabled": True, **settings}}}
    (rule,) = of_kind(render(helm, _NAMESPACE, values), "PrometheusRule")
    groups: list[Manifest] = rule["spec"]["groups"]
    return groups


def alerts(groups: list[Manifest]) -> list[Alert]:
    """Read the alerts of rendered groups."""
    return [
        Alert(each["alert"], each["expr"], each["labels"], each["annotations"], each.get("for"))
        for group in groups
        for each in group["rules"]
    ]
