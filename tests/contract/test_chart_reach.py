"""Each value of the chart affects its objects, and so do the values of a parent chart."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.harness.chart_reach import (
    CASES,
    CONNECTION,
    LABELS,
    MONITOR,
    ON,
    container,
    labels,
    merged,
    nested,
    pod,
    spec,
)
from tests.harness.controlplane import Binaries
from tools.chart import CHART, of_kind, render
from tools.chart_docs import VALUES, values

NAMESPACE: Final = "netbird-system"


@pytest.fixture(scope="module")
def helm() -> Path:
    return Binaries().find("helm")


def test_each_value_has_a_case() -> None:
    assert {each.path for each in values(VALUES.read_text())} == CASES.keys()


@pytest.mark.parametrize("path", CASES)
def test_value_affects_its_objects(helm: Path, path: str) -> None:
    case = CASES[path]
    found = of_kind(render(helm, NAMESPACE, merged(case.beside, nested(path, case.given))), case.kind)
    if case.expected is None:
        assert found == []
        assert of_kind(render(helm, NAMESPACE, case.beside), case.kind) != []
        return
    shown = [case.expected(each) for each in found]
    assert case.given in shown
    if isinstance(case.given, bool) and not case.given:
        assert not any(shown)


def test_default_management_policy_does_not_replace_one_that_was_set_in_the_cluster(helm: Path) -> None:
    (connection,) = of_kind(render(helm, NAMESPACE, {"connection": CONNECTION}), "ClusterNetBirdConnection")
    assert "managementPolicy" not in connection["spec"]


def test_common_labels_are_on_every_object_and_on_the_pods_and_in_no_selector(helm: Path) -> None:
    everything = yaml.safe_load((CHART / "ci" / "everything-values.yaml").read_text())
    rendered = render(helm, NAMESPACE, merged(everything, {"commonLabels": LABELS, "serviceAccount": {"create": True}}))
    assert [each["kind"] for each in rendered if labels(each) != LABELS] == []
    (deployment,) = of_kind(rendered, "Deployment")
    assert labels(deployment["spec"]["template"]) == LABELS
    selectors = json.dumps([deployment["spec"]["selector"], *pod("topologySpreadConstraints")(deployment)])
    assert "platform" not in selectors


def test_chart_labels_have_precedence_over_common_ones(helm: Path) -> None:
    given = {"commonLabels": {"app.kubernetes.io/instance": "theirs"}}
    for each in render(helm, NAMESPACE, given):
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == "netbird-streaming-operator"


def test_pull_secrets_are_names_or_objects_without_duplicates(helm: Path) -> None:
    given = {
        "imagePullSecrets": ["own", {"name": "10023"}],
        "global": {"imagePullSecrets": [{"name": "own"}, "of-all"]},
    }
    (deployment,) = of_kind(render(helm, NAMESPACE, given), "Deployment")
    assert [each["name"] for each in pod("imagePullSecrets")(deployment)] == ["own", "10023", "of-all"]


LONG: Final = "a" * 47


@pytest.mark.parametrize(
    ("release", "given"),
    [
        (LONG + ".prod", {}),
        ("x", {"nameOverride": LONG + "-" * 15 + ".netbird-streaming"}),
        ("x", {"fullnameOverride": LONG + "----.netbird.streaming"}),
    ],
)
def test_long_names_are_cut_to_valid_ones(helm: Path, release: str, given: dict[str, str]) -> None:
    namespace = "n" * 63
    for each in render(helm, namespace, {**given, "metrics": {"service": ON}}, release=release):
        metadata = each["metadata"]
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", metadata["name"])
        assert len(metadata["name"]) <= (63 if each["kind"] in {"Deployment", "Service"} else 253)
        assert all(re.fullmatch(LABEL_VALUE, value) for value in metadata["labels"].values())


LABEL_VALUE: Final = r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"


def test_chart_that_is_packaged_with_a_commit_has_valid_labels(helm: Path, tmp_path: Path) -> None:
    """A label has at most 63 characters and no `+`."""
    version = "0.1.0-alpha.1+" + "4" * 40
    chart = shutil.copytree(CHART, tmp_path / "chart")
    about = {**yaml.safe_load((chart / "Chart.yaml").read_text()), "version": version, "appVersion": version}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about))
    done = subprocess.run([str(helm), "template", "x", str(chart)], check=True, capture_output=True, text=True)
    for each in yaml.safe_load_all(done.stdout):
        assert all(re.fullmatch(LABEL_VALUE, value) for value in each["metadata"]["labels"].values())


def test_extra_object_may_hold_templates(helm: Path) -> None:
    text = "{apiVersion: v1, kind: Endpoints, metadata: {name: '{{ .Release.Name }}'}}"
    given = [text, {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "{{ .Release.Namespace }}"}}]
    found = of_kind(render(helm, NAMESPACE, {"extraObjects": given}), "Endpoints")
    assert [each["metadata"]["name"] for each in found] == ["netbird-streaming-operator", NAMESPACE]


def test_null_leaves_uid_gid_and_fs_group_to_the_platform(helm: Path) -> None:
    given = yaml.safe_load((CHART / "ci" / "openshift-values.yaml").read_text())
    (deployment,) = of_kind(render(helm, NAMESPACE, given), "Deployment")
    assert pod("securityContext")(deployment) == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert not {"runAsUser", "runAsGroup"} & container("securityContext")(deployment).keys()


def test_missing_metrics_alert_names_the_namespace(helm: Path) -> None:
    """An absent series has no labels, so a receiver that is selected by namespace would never get the alert."""
    given = {"metrics": {**MONITOR, "prometheusRule": ON}}
    (rule,) = of_kind(render(helm, NAMESPACE, given), "PrometheusRule")
    alerts = {each["alert"]: each for each in spec("groups", 0, "rules")(rule)}
    absent = {name for name, each in alerts.items() if "absent(" in each["expr"]}
    assert absent == {"NetBirdStreamingNoLeader"}
    assert {name for name, each in alerts.items() if each["labels"].get("namespace") == NAMESPACE} == absent


def test_service_has_a_valid_name(helm: Path) -> None:
    """The name of a Service begins with a letter and holds no dot, unlike a release's."""
    given = {"metrics": {"service": ON}, "fullnameOverride": "2041.netbird"}
    (service,) = of_kind(render(helm, NAMESPACE, given), "Service")
    assert service["metadata"]["name"] == "metrics-2041-netbird"


@pytest.mark.parametrize("enabled", [True, False])
def test_parent_chart_enables_it_by_a_condition_and_shares_its_globals(
    helm: Path, tmp_path: Path, *, enabled: bool
) -> None:
    name = CHART.name
    shutil.copytree(CHART, tmp_path / "charts" / name)
    dependency = {"name": name, "version": "0.1.0", "repository": "", "condition": f"{name}.enabled"}
    chart = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(chart))
    given = {
        "global": {"imageRegistry": "mirror.example.com", "imagePullSecrets": ["mirror", {"name": "no"}], "other": 1},
        # Some releases of Helm leave a null in the values of a subchart instead of removing the default.
        name: {"enabled": enabled, "podSecurityContext": {"runAsUser": None}},
    }
    command = [str(helm), "template", "parent", str(tmp_path), "--values=-"]
    done = subprocess.run(command, input=json.dumps(given), check=True, capture_output=True, text=True)
    found = of_kind([each for each in yaml.safe_load_all(done.stdout) if each], "Deployment")
    assert bool(found) == enabled
    for deployment in found:
        assert container("image")(deployment).startswith("mirror.example.com/")
        assert pod("imagePullSecrets")(deployment) == [{"name": "mirror"}, {"name": "no"}]
        assert "runAsUser" not in pod("securityContext")(deployment)
