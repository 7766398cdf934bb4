"""Names that YAML parses as numbers, booleans or dates stay strings in each rendered object."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.harness.controlplane import Binaries
from tools.chart import Manifest, of_kind, render

AWKWARD: Final = ("no", "on", "true", "null", "10023", "0777", "0x1f", "1e3", "3240286e-210077", "2024-01-01", "1-2")
"""Names that YAML 1.1, which PyYAML implements, does not parse as strings. All are valid namespaces."""


@pytest.fixture(scope="module")
def helm() -> Path:
    return Binaries().find("helm")


def everywhere(name: str) -> dict[str, Any]:
    """Return values with that name in each place for a name."""
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
    """Return the values that Kubernetes requires as strings: names, labels, annotations, keys, arguments."""
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
def test_name_is_a_string_wherever_it_is_rendered(helm: Path, name: str) -> None:
    rendered = of_any(render(helm, name, everywhere(name), release=name))
    found = [pair for each in rendered for pair in strings(each, each["kind"])]
    assert [(path, value) for path, value in found if not isinstance(value, str)] == []
    # A dropped or never rendered value would prove nothing.
    holding = {each["kind"] for each in rendered if name in yaml.safe_dump(each)}
    assert holding == {each["kind"] for each in rendered}
    assert len(holding) >= 11


def of_any(rendered: list[Manifest]) -> list[Manifest]:
    """Return all objects except the definitions, which hold no text of the user."""
    return [each for each in rendered if each not in of_kind(rendered, "CustomResourceDefinition")]
