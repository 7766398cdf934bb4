"""Names that YAML takes for numbers, booleans or dates stay strings in each object that the chart renders."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.harness.controlplane import Binaries
from tools.chart import Manifest, of_kind, render

AWKWARD: Final = ("no", "on", "true", "null", "10023", "0777", "0x1f", "1e3", "3240286e-210077", "2024-01-01", "1-2")
"""What YAML 1.1, which PyYAML reads, takes for something else than a string; all are names of namespaces."""


@pytest.fixture(scope="module")
def helm() -> Path:
    return Binaries().find("helm")


def everywhere(name: str) -> dict[str, Any]:
    """Values with that name in each place where a name can be."""
    return {
        "connection": {
            "name": name,
            "tokenSecret": {"name": name, "key": name},
            "access": {"namespaces": [name], "adoptionNamespaces": [name]},
        },
        "scope": {"namespaces": [name]},
        "secretNamespaces": [name],
        "caBundle": {"configMap": {"name": name, "key": name}},
        "image": {"registry": name, "repository": name, "tag": name},
        "imagePullSecrets": [{"name": name}],
        "serviceAccount": {"annotations": {"a": name}},
        "priorityClassName": name,
        "commonLabels": {"a": name},
        "podLabels": {"b": name},
        "podAnnotations": {"a": name},
        "deploymentAnnotations": {"a": name},
        "nodeSelector": {"a": name},
        "nameOverride": name,
        "fullnameOverride": name,
        "metrics": {
            "service": {"enabled": True, "annotations": {"a": name}},
            "podMonitor": {"enabled": True, "labels": {"a": name}, "annotations": {"a": name}},
            "prometheusRule": {"enabled": True, "labels": {"a": name}, "annotations": {"a": name}},
            "dashboard": {"enabled": True, "labels": {"a": name}, "annotations": {"a": name}},
        },
        "networkPolicy": {"enabled": True},
    }


def strings(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The values that Kubernetes wants as strings: names, labels, annotations, keys, arguments."""
    if isinstance(node, list):
        for each in node:
            yield from strings(each, f"{path}[]")
        return
    if not isinstance(node, dict):
        last = path.rpartition(".")[2].removesuffix("[]")
        if last in {"name", "namespace", "namespaces", "key", "image", "args", "value", "serviceAccountName"}:
            yield path, node
        if last == "priorityClassName" or path.rpartition(".")[0].endswith(("abels", "annotations", "nodeSelector")):
            yield path, node
        return
    for key, value in node.items():
        assert isinstance(key, str), f"{path}.{key}"
        yield from strings(value, f"{path}.{key}")


@pytest.mark.parametrize("name", AWKWARD)
def test_a_name_is_a_string_wherever_it_is_rendered(helm: Path, name: str) -> None:
    rendered = of_any(render(helm, name, everywhere(name), release=name))
    found = [pair for each in rendered for pair in strings(each, each["kind"])]
    assert [(path, value) for path, value in found if not isinstance(value, str)] == []
    # What would be dropped, or never rendered, would prove nothing.
    holding = {each["kind"] for each in rendered if name in yaml.safe_dump(each)}
    assert holding == {each["kind"] for each in rendered}
    assert len(holding) >= 11


def of_any(rendered: list[Manifest]) -> list[Manifest]:
    """All but the definitions, which are no text of the user's."""
    return [each for each in rendered if each not in of_kind(rendered, "CustomResourceDefinition")]
