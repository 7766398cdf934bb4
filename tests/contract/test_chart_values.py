"""The chart's values: each has one description and a type, and unknown ones are refused at any depth."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.harness.controlplane import Binaries
from tools.chart import CHART, ChartError, render
from tools.chart_docs import README, VALUES, Value, values, written

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
DESCRIBED = list(values(VALUES.read_text()))
TOKEN = {"tokenSecret": {"name": "netbird"}}
ON = {"enabled": True}
KUBERNETES_OWN = {
    "extraEnv": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "k"}}}],
    "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}],
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]
            }
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}}
            ]
        },
    },
    "networkPolicy": {"netbird": {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}, {"podSelector": {}}]}},
    "connection": {**TOKEN, "access": {"entries": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]}},
}
FREE = re.compile(r"(matchLabels|nodeSelector)$")
"""Maps whose keys are the user's own."""


@pytest.fixture(scope="module")
def helm() -> Path:
    return Binaries().find("helm")


def schemas(node: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each part of the schema that describes an object."""
    if isinstance(node, dict):
        if "object" in (node.get("type") or ()) and "extraObjects" not in path:
            yield path, node
        for key, value in node.items():
            yield from schemas(value, f"{path}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from schemas(value, f"{path}/{index}")


def misspelt(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[Any]:
    """Yield copies with one more field, in each of the objects in turn."""
    if isinstance(node, dict):
        if not FREE.search("/".join(map(str, path))):
            yield {**node, "misspelt": "x"}
        for key, value in node.items():
            yield from ({**node, key: each} for each in misspelt(value, (*path, key)))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from ([*node[:index], each, *node[index + 1 :]] for each in misspelt(value, (*path, index)))


OPEN = {
    # Maps of the user's own keys.
    "/definitions/strings",
    "/definitions/quantities",
    # Kubernetes and other operators validate these.
    "/definitions/kubernetesOwn",
    "/definitions/named",
    # Globals of a parent chart for its subcharts.
    "/properties/global",
}
OF_HELM = {"global", "enabled"}
"""Helm's values for a subchart, not ours."""


def test_no_object_of_the_schema_accepts_unknown_fields() -> None:
    open_ones = {path for path, schema in schemas(SCHEMA) if schema.get("additionalProperties") is not False}
    assert open_ones == OPEN


def resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema that a reference points to."""
    if "$ref" not in node:
        return node
    found: Mapping[str, Any] = SCHEMA["definitions"][node["$ref"].rpartition("/")[2]]
    return found


@pytest.mark.parametrize("value", DESCRIBED, ids=lambda value: value.path)
def test_each_value_has_a_description_and_a_type(value: Value) -> None:
    assert value.description.endswith(".")
    node: Mapping[str, Any] = SCHEMA
    for part in value.path.split("."):
        node = resolved(node["properties"][part])
    assert node.keys() & {"type", "enum"}


def test_schema_has_no_undescribed_value() -> None:
    described = {value.path for value in DESCRIBED}

    def leaves(node: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
        for key, child in node["properties"].items():
            below = resolved(child)
            if "properties" in below and ".".join((*path, key)) not in described:
                yield from leaves(below, (*path, key))
            else:
                yield ".".join((*path, key))

    assert set(leaves(SCHEMA, ())) - OF_HELM == described


def test_readme_tables_match_the_values_and_the_rights() -> None:
    assert written(README.read_text()) == README.read_text(), "run `make docs`"


def test_kubernetes_own_fields_are_accepted(helm: Path) -> None:
    assert render(helm, "netbird-system", KUBERNETES_OWN)


def test_misspelt_field_is_refused_at_each_depth(helm: Path) -> None:
    tried = list(misspelt(KUBERNETES_OWN))
    assert len(tried) > 20
    for changed in tried:
        with pytest.raises(ChartError, match=r"misspelt|minProperties|maxProperties"):
            render(helm, "netbird-system", changed)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"secretWach": True}, "secretWach"),
        ({"connection": {"acess": {}}}, "acess"),
        ({"connection": {"managementPolicy": "observe"}}, "/connection/managementPolicy"),
        ({"connection": {"tokenSecret": {"nmae": "x"}}}, "nmae"),
        ({"connection": {**TOKEN, "token": "nbp_x"}}, "token"),
        ({"connection": {"url": "https://user:password@netbird.example.com"}}, "/connection/url"),
        ({"connection": {"access": {"namespaces": ["team-a"]}}}, "connection.tokenSecret.name"),
        ({"connection": TOKEN, "scope": {"clusterConnections": False}}, "scope.clusterConnections"),
        ({"scope": {"namespaces": ["Team_A"]}}, "/scope/namespaces/0"),
        ({"scope": {"namespaces": ["team-a"]}, "secretNamespaces": ["team-b"]}, "secretNamespaces: team-b"),
        ({"image": {"digest": "latest"}}, "/image/digest"),
        ({"image": {"tag": "a b"}}, "/image/tag"),
        ({"log": {"level": "trace"}}, "/log/level"),
        ({"extraArgs": ["workers=3"]}, "/extraArgs/0"),
        ({"extraArgs": ["--lease=false"]}, "/extraArgs/0"),
        ({"extraArgs": ["--secret-watch"]}, "/extraArgs/0"),
        ({"extraArgs": ["--metrics-port=9090"]}, "/extraArgs/0"),
        ({"metrics": {"prometheusRule": {"alerts": {"NoLeader": {}}}}}, "NoLeader"),
        ({"metrics": {"enabled": False, "podMonitor": {"enabled": True}}}, "metrics.podMonitor.enabled"),
        ({"metrics": {"enabled": False, "serviceMonitor": {"enabled": True}}}, "metrics.serviceMonitor.enabled"),
        ({"metrics": {"enabled": False, "prometheusRule": {"enabled": True}}}, "metrics.prometheusRule.enabled"),
        ({"metrics": {"prometheusRule": {"enabled": True}}}, "metrics.prometheusRule.scrapedElsewhere"),
        ({"metrics": {"podMonitor": ON, "serviceMonitor": ON}}, "scrape each pod twice"),
        ({"podSecurityContext": {"runAsUsr": 1}}, "runAsUsr"),
        ({"securityContext": {"capabilities": {"dorp": []}}}, "dorp"),
        ({"leaderElection": False}, "leaderElection"),
        ({"serviceAccount": {"create": False}}, "serviceAccount.name"),
        ({"proxy": {"https": "http://user:password@proxy.example.com"}}, "/proxy/https"),
        ({"resources": {"limits": {"memory": "lots"}}}, "/resources/limits/memory"),
        ({"networkPolicy": {"dns": {"ports": [0]}}}, "/networkPolicy/dns/ports/0"),
    ],
)
def test_wrong_values_are_refused_by_name(helm: Path, given: Mapping[str, Any], named: str) -> None:
    with pytest.raises(ChartError) as caught:
        render(helm, "netbird-system", given)
    assert named in str(caught.value)


STRINGS = [
    ("image.tag", 58467965),
    ("image.tag", 1.10),
    ("nameOverride", 7),
    ("fullnameOverride", 7),
    ("connection.name", 99),
    ("connection.tokenSecret.name", 123),
    ("connection.tokenSecret.key", 1),
    ("scope.namespaces[0]", [10023]),
    ("scope.namespaces[1]", ["team-a", False]),
    ("secretNamespaces[0]", [10023]),
    ("connection.access.namespaces[0]", [10023]),
    ("connection.access.entries[0].tenantID", [{"namespaces": ["a"], "tenantID": 5}]),
    (
        "connection.access.entries[0].namespaceSelector.matchLabels.a",
        [{"namespaceSelector": {"matchLabels": {"a": 1}}}],
    ),
    ("caBundle.configMap.name", 5),
    ("caBundle.configMap.key", 5),
    ("serviceAccount.name", 5),
    ("priorityClassName", 5),
    ("podAnnotations.prometheus\\.io/port", {"prometheus.io/port": 8080}),
    ("podAnnotations.prometheus\\.io/scrape", {"prometheus.io/scrape": True}),
    ("commonLabels.cost-center", {"cost-center": 4711}),
    ("podLabels.a", {"a": 1}),
    ("nodeSelector.a", {"a": 1}),
    ("deploymentAnnotations.a", {"a": 1}),
    ("serviceAccount.annotations.a", {"a": 1}),
    ("metrics.podMonitor.labels.a", {"a": 1}),
    ("metrics.dashboard.labels.a", {"a": 1}),
]


@pytest.mark.parametrize(("path", "value"), STRINGS, ids=str)
def test_string_that_yaml_parses_differently_is_refused_with_the_fix(helm: Path, path: str, value: Any) -> None:
    parts = re.sub(r"\[.*", "", path).split(".")
    while ".".join(parts) not in {each.path for each in DESCRIBED}:
        parts.pop()
    given: Any = value
    for part in reversed(parts):
        given = {part: given}
    with pytest.raises(ChartError) as caught:
        render(helm, "netbird-system", given)
    assert f"{path}: must be a string" in str(caught.value)
    assert f"--set-string '{path}=" in str(caught.value)


def test_values_without_a_schema_type_are_validated_in_the_template() -> None:
    """Otherwise a number would reach an object, where the API server refuses it without naming the value."""
    helpers = (CHART / "templates" / "_helpers.tpl").read_text()
    judged = set(re.findall(r'"([^"]+)"', helpers.partition("$paths := list ")[2].partition(" -}}")[0]))
    left = {value.path for value in DESCRIBED if _is_left(value.path)}
    assert left - {"connection.access.entries"} == judged


def _is_left(path: str) -> bool:
    node: Mapping[str, Any] = SCHEMA
    for part in path.split("."):
        node = resolved(node["properties"][part])
    parts = [node, resolved(node.get("items", {})), resolved(node.get("additionalProperties") or {})]
    return any(
        {"string", "number"} <= set(each.get("type", ())) for each in parts if isinstance(each.get("type"), list)
    )
