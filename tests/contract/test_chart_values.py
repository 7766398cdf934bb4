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
OF_PARENT = {"global.imageRegistry", "global.imagePullSecrets", "enabled"}
"""What a parent chart sets."""


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

    assert set(leaves(SCHEMA, ())) - OF_PARENT == described


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
        ({"connection": {"access": {"namespaces": ["team-a"]}}}, "connection.tokenSecret.name"),
        ({"connection": TOKEN, "scope": {"clusterConnections": False}}, "scope.clusterConnections"),
        ({"scope": {"namespaces": ["team-a"]}, "secretNamespaces": ["team-b"]}, "secretNamespaces: team-b"),
        ({"log": {"level": "trace"}}, "/log/level"),
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
        ({"resources": {"limits": {"memory": "lots"}}}, "/resources/limits/memory"),
        ({"networkPolicy": {"dns": {"ports": [0]}}}, "/networkPolicy/dns/ports/0"),
    ],
)
def test_wrong_values_are_refused_by_name(helm: Path, given: Mapping[str, Any], named: str) -> None:
    with pytest.raises(ChartError) as caught:
        render(helm, "netbird-system", given)
    assert named in str(caught.value)
