"""What the chart has for Prometheus and Grafana: the alerts as it renders them, the dashboard; and the runbooks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.chart import CHART, ROOT, Manifest, of_kind, render

ALERTS: Final = CHART / "files" / "monitoring" / "alerts.yaml"
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


def rule_groups(helm: Path, **settings: Any) -> list[Manifest]:
    """Render the groups of rules; they are what a rule file of Prometheus holds.

    Args:
        helm: the program.
        settings: what differs in the chart's `metrics.prometheusRule`.
    """
    values = {"metrics": {"prometheusRule": {"create": True, **settings}}}
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
