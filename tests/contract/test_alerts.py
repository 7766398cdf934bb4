"""The alerts as the chart renders them, and their runbooks. tests/monitoring/ evaluates them."""

import json
import re
from pathlib import Path

import pytest
import yaml

from netbird_streaming.reasons import Reason
from tests.harness import pages
from tests.harness.controlplane import Binaries
from tests.harness.monitoring import ALERTS, Alert, alerts, rule_groups
from tools.chart import CHART, RUNBOOK_COPIES, RUNBOOKS, of_kind, render

NAMES = [rule["alert"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
COMMANDS = re.compile(r"(<!-- .+ -->\n)?```sh\n(.+?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def helm() -> Path:
    return Binaries().find("helm")


def named(found: list[Alert], name: str) -> Alert:
    return next(each for each in found if each.name == name)


def test_rule_exists_only_if_enabled(helm: Path) -> None:
    assert of_kind(render(helm, "netbird-system"), "PrometheusRule") == []


def test_every_alert_has_a_severity_and_a_description(helm: Path) -> None:
    found = alerts(rule_groups(helm))
    assert [each.name for each in found] == NAMES
    for each in found:
        assert each.labels["severity"] in {"critical", "warning"}
        assert {"summary", "description", "runbook"} == set(each.annotations)
        assert all(each.annotations[name].endswith(".") for name in ("summary", "description"))


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {path.name for path in RUNBOOKS.iterdir()} == {f"{name}.md" for name in NAMES}


def test_charts_runbooks_equal_the_pages() -> None:
    originals = {path.stem: path.read_text() for path in RUNBOOKS.iterdir()}
    assert {path.stem: path.read_text() for path in RUNBOOK_COPIES.iterdir()} == originals, "run `make docs`"


def test_runbook_is_a_command_that_prints_the_page_from_the_cluster(helm: Path) -> None:
    values = {"metrics": {"podMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}}
    rendered = render(helm, "elsewhere", values, release="other")
    (held,) = of_kind(rendered, "ConfigMap")
    (rule,) = of_kind(rendered, "PrometheusRule")
    assert held["data"] == {name: (RUNBOOKS / f"{name}.md").read_text() for name in NAMES}
    for each in alerts(rule["spec"]["groups"]):
        named = f"kubectl get configmap {held['metadata']['name']} -n elsewhere"
        assert each.annotations["runbook"] == f"{named} -o jsonpath='{{.data.{each.name}}}'"


def test_runbooks_are_in_the_cluster_only_if_alerts_are_and_have_no_address(helm: Path) -> None:
    metrics = {"podMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}
    served = {"metrics": metrics, "docsURL": "https://docs.example.com/{page}/"}
    assert of_kind(render(helm, "netbird-system"), "ConfigMap") == []
    assert of_kind(render(helm, "netbird-system", served), "ConfigMap") == []


def test_operations_page_links_every_runbook() -> None:
    page = "docs/operations.md"
    led_to = {link.destination[0].name for link in pages.links(page) if link.target.startswith("runbooks/")}
    assert led_to == {f"{name}.md" for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_runbook_begins_with_look_first(name: str) -> None:
    page = (RUNBOOKS / f"{name}.md").read_text()
    title, look, *rest = re.split(r"^## ", page, flags=re.MULTILINE)
    assert title.startswith(f"# {name}\n")
    heading, _, body = look.partition("\n\n")
    assert heading == "Look first"
    assert COMMANDS.match(body), "its first words are commands"
    assert [each.partition("\n")[0] for each in rest] == ["What it means", "Remedies"]


def test_not_ready_runbook_says_who_has_to_act_for_every_reason() -> None:
    page = (RUNBOOKS / "NetBirdStreamingNotReady.md").read_text()
    assert [reason.value for reason in Reason if f"`{reason.value}`" not in page] == []


@pytest.mark.parametrize(
    "docs_url", ["https://git.example.com/operator/docs/{page}.md", "https://docs.example.com/0.1.0/{page}/"]
)
def test_runbook_link_is_set_if_docs_are_served(helm: Path, docs_url: str) -> None:
    for each in alerts(rule_groups(helm, docs_url)):
        assert each.annotations["runbook_url"] == docs_url.replace("{page}", f"runbooks/{each.name}")
        assert "runbook" not in each.annotations


def test_changed_or_omitted_alert_leaves_the_others_unchanged(helm: Path) -> None:
    plain = alerts(rule_groups(helm))
    own = {
        "NetBirdStreamingNotReady": {"for": "1h", "severity": "info"},
        "NetBirdStreamingInternalError": {"enabled": False},
    }
    found = alerts(rule_groups(helm, alerts=own))
    changed = named(found, "NetBirdStreamingNotReady")
    assert (changed.pending, changed.labels["severity"]) == ("1h", "info")
    others = [each for each in plain if each.name not in own]
    assert [each for each in found if each.name not in own] == others
    assert {each.name for each in found} == set(NAMES) - {"NetBirdStreamingInternalError"}


def test_labels_are_the_users_and_the_charts(helm: Path) -> None:
    labels = {"release": "prometheus", "app.kubernetes.io/name": "mine"}
    values = {"metrics": {"podMonitor": {"enabled": True}, "prometheusRule": {"enabled": True, "labels": labels}}}
    (rule,) = of_kind(render(helm, "netbird-system", values), "PrometheusRule")
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    assert rule["metadata"]["labels"]["app.kubernetes.io/name"] == "netbird-streaming-operator"


def test_schema_has_each_alert_by_name() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    settings = schema["properties"]["metrics"]["properties"]["prometheusRule"]["properties"]
    assert list(settings["alerts"]["properties"]) == NAMES
