"""The Grafana dashboard. tests/monitoring/ evaluates each of its queries in a Prometheus."""

import json
from pathlib import Path
from typing import Any

import pytest

from netbird_streaming.telemetry.metrics.definitions import ALL
from tests.harness.controlplane import Binaries
from tests.harness.monitoring import DASHBOARD, Query, dashboard, queries
from tools.chart import of_kind, render

PANELS: list[dict[str, Any]] = dashboard()["panels"]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@pytest.fixture(scope="module")
def helm() -> Path:
    return Binaries().find("helm")


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    place = panel["gridPos"]
    columns = range(place["x"], place["x"] + place["w"])
    return {(column, line) for column in columns for line in range(place["y"], place["y"] + place["h"])}


def test_dashboard_is_given_to_grafanas_sidecar_if_enabled(helm: Path) -> None:
    assert of_kind(render(helm, "netbird-system"), "ConfigMap") == []
    values = {"metrics": {"dashboard": {"enabled": True, "annotations": {"grafana_folder": "NetBird"}}}}
    (found,) = of_kind(render(helm, "netbird-system", values), "ConfigMap")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["annotations"] == {"grafana_folder": "NetBird"}
    assert {name: json.loads(text) for name, text in found["data"].items()} == {
        "netbird-streaming-operator.json": json.loads(DASHBOARD.read_text())
    }


def test_each_panel_has_a_place_a_name_and_a_description() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        mine = cells(panel)
        assert max(column for column, _ in mine) < 24
        assert not taken & mine
        taken |= mine
        assert panel["title"]
        assert panel["type"] == "row" or panel["description"].endswith(".")


def test_each_query_uses_the_selected_source_and_namespace() -> None:
    variables = {each["name"]: each for each in dashboard()["templating"]["list"]}
    assert variables.keys() == {"datasource", "namespace"}
    assert variables["namespace"]["datasource"] == SOURCE
    for panel in PANELS:
        for target in panel.get("targets", ()):
            assert panel["datasource"] == target["datasource"] == SOURCE
    for query in queries():
        assert 'namespace=~"$namespace"' in query.expression


def test_every_metric_is_on_the_dashboard() -> None:
    text = " ".join(query.expression for query in queries())
    assert [each.name for each in ALL if each.name not in text] == []


def test_unknown_variable_is_found() -> None:
    with pytest.raises(AssertionError):
        Query("panel", 'up{job="$job"}').asked(".*", "1m")
