"""The chart's values: each described once, each with a type, nothing unknown accepted at any depth."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.chart import CHART, ChartError, render
from tests.support.chart_docs import README, VALUES, Value, values, written
from tests.support.controlplane import Binaries

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS: dict[str, Any] = yaml.safe_load(VALUES.read_text())
DESCRIBED = list(values(VALUES.read_text()))
TOKEN = {"tokenSecret": {"name": "netbird"}}
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
    """Each part of the schema that says something of an object."""
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield path, node
        for key, value in node.items():
            yield from schemas(value, f"{path}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from schemas(value, f"{path}/{index}")


def misspelt(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[Any]:
    """Copies with one more field, in each of the objects in turn."""
    if isinstance(node, dict):
        if not FREE.search("/".join(map(str, path))):
            yield {**node, "misspelt": "x"}
        for key, value in node.items():
            yield from ({**node, key: each} for each in misspelt(value, (*path, key)))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from ([*node[:index], each, *node[index + 1 :]] for each in misspelt(value, (*path, index)))


def test_no_object_of_the_schema_takes_what_it_does_not_name() -> None:
    open_ones = {path for path, schema in schemas(SCHEMA) if schema.get("additionalProperties") is not False}
    # Maps of the user's own keys, and what Helm gives to subcharts.
    assert open_ones == {"/definitions/strings", "/definitions/quantities", "/properties/global"}


@pytest.mark.parametrize("value", DESCRIBED, ids=lambda value: value.path)
def test_each_value_is_described_and_has_a_type(value: Value) -> None:
    assert value.description.endswith(".")
    node: Mapping[str, Any] = SCHEMA
    for part in value.path.split("."):
        node = node["properties"][part]
    assert node.keys() & {"type", "enum", "$ref"}


def test_the_schema_has_no_value_that_is_not_described() -> None:
    def leaves(node: Mapping[str, Any], path: tuple[str, ...], default: Any) -> Iterator[str]:
        for key, child in node["properties"].items():
            below = default.get(key) if isinstance(default, dict) else None
            if "properties" in child and (*path, key) != ("resources",) and below:
                yield from leaves(child, (*path, key), below)
            else:
                yield ".".join((*path, key))

    found = set(leaves(SCHEMA, (), DEFAULTS)) - {"global"}
    assert found == {value.path for value in DESCRIBED}


def test_the_readme_is_made_of_the_values_and_the_rights() -> None:
    assert written(README.read_text()) == README.read_text(), "run `make docs`"


def test_what_kubernetes_itself_takes_is_taken(helm: Path) -> None:
    assert render(helm, "netbird-system", KUBERNETES_OWN)


def test_a_misspelt_field_is_refused_at_each_depth(helm: Path) -> None:
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
        ({"metrics": {"enabled": False, "podMonitor": {"create": True}}}, "metrics.podMonitor.create"),
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
