"""The chart refuses strings of wrong types and forms, and nulls, with a message that names the value and the fix."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.harness.chart_reach import CASES, merged, nested
from tests.harness.controlplane import Binaries
from tools.chart import CHART, ChartError, render
from tools.chart_docs import VALUES, Value, values

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
DESCRIBED = list(values(VALUES.read_text()))


@pytest.fixture(scope="module")
def helm() -> Path:
    return Binaries().find("helm")


def resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema that a reference points to."""
    if "$ref" not in node:
        return node
    found: Mapping[str, Any] = SCHEMA["definitions"][node["$ref"].rpartition("/")[2]]
    return found


def filled(node: Mapping[str, Any]) -> Any:
    """Return a small value that the schema accepts."""
    node = resolved(node)
    if "enum" in node:
        return node["enum"][0]
    kinds = kinds_of(node)
    if "object" in kinds:
        return {key: filled(node["properties"][key]) for key in node.get("required", ())}
    return 1 if "integer" in kinds else "a" if "string" in kinds else []


def kinds_of(node: Mapping[str, Any]) -> set[str]:
    kinds = node.get("type", [])
    return {kinds} if isinstance(kinds, str) else set(kinds)


def with_free_string(node: Mapping[str, Any], value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield a path and a tree of values for each string that a user chooses; the value is at that path."""
    node = resolved(node)
    kinds = kinds_of(node)
    if {"string", "number", "boolean"} <= kinds:
        yield path, value
    elif "array" in kinds:
        yield from ((below, [tree]) for below, tree in with_free_string(node["items"], value, f"{path}[0]"))
    elif "object" in kinds:
        for key, child in node.get("properties", {}).items():
            for below, tree in with_free_string(child, value, f"{path}.{key}" if path else key):
                yield below, {**filled(node), key: tree}
        if node.get("additionalProperties"):
            yield from (
                (below, {"a.b": tree})
                for below, tree in with_free_string(node["additionalProperties"], value, f"{path}.a\\.b")
            )


FREE_STRINGS = [*with_free_string(SCHEMA, 58467965), ("image.tag", {"image": {"tag": 1.10}})]
FREE_STRINGS += [each for each in with_free_string(SCHEMA, value=True) if each[0].startswith("podAnnotations")]


def test_free_strings_are_found_at_each_depth() -> None:
    paths = {path for path, _ in FREE_STRINGS}
    deep = "affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchLabels.a\\.b"
    assert paths >= {"image.tag", "scope.namespaces[0]", "extraEnv[0].value", "podAnnotations.a\\.b", deep}


@pytest.mark.parametrize(("path", "given"), FREE_STRINGS, ids=str)
def test_string_that_yaml_parses_differently_is_refused_with_the_fix(helm: Path, path: str, given: Any) -> None:
    with pytest.raises(ChartError) as caught:
        render(helm, "netbird-system", given)
    assert f"{path}: must be a string" in str(caught.value)
    assert f"--set-string '{path}=" in str(caught.value)


WRONG_FORMS = [
    ("connection.url", "netbird.example.com", "must be an https:// or http:// URL"),
    ("connection.url", "netbird.example.com:33073", "must be an https:// or http:// URL"),
    ("connection.url", "https://user:hunter2@netbird.example.com", "without user information"),
    ("connection.url", "https://netbird.example.com?token=hunter2", "without user information and query"),
    ("connection.name", "hunter2_Default", "must be a name in Kubernetes"),
    ("connection.tokenSecret.name", "hunter2/netbird", "must be a name in Kubernetes"),
    ("connection.tokenSecret.key", "hunter2/token", "must be a key of a Secret"),
    ("scope.allowedURLs", ["nb.hunter2.example"], "must be an https:// or http:// URL"),
    ("scope.namespaces", ["hunter2_A"], "must be a namespace"),
    ("scope.namespaces", "hunter2", "must be a list; with --set, write --set 'scope.namespaces={…}'"),
    ("secretNamespaces", "hunter2", "must be a list"),
    ("connection.access.namespaces", "hunter2", "must be a list"),
    ("proxy.https", "socks5://hunter2:1080", "must be an http:// or https:// URL of a proxy"),
    ("proxy.https", "http://user:hunter2@proxy.example.com", "use extraEnv and a Secret"),
    ("proxy.http", "hunter2.example.com:3128", "must be an http:// or https:// URL of a proxy"),
    ("image.registry", "https://hunter2.example.com", "must be the host of a registry without a scheme"),
    ("image.repository", "mirror/hunter2:1.0", "use image.tag or image.digest"),
    ("image.repository", "hunter2@sha256:abc", "use image.tag or image.digest"),
    ("image.digest", "hunter2", "must be the digest of an image: sha256:"),
    ("image.tag", "hunter2 b", "must be the tag of an image"),
    ("metrics.podMonitor.interval", "30 hunter2", "must be a duration with its unit, such as 30s"),
    ("docsURL", "https://hunter2.example/runbooks", "with {page} in the place of its name"),
    ("extraArgs", ["workers=hunter2"], "must be a flag of `netbird-streaming-operator run`"),
    ("extraArgs", "--workers=hunter2", "must be a list"),
    ("extraArgs", ["--lease=hunter2"], "the chart sets --lease; use the value leaderElection instead"),
    ("extraArgs", ["--secret-watch"], "the chart sets --secret-watch; use the value secretWatch instead"),
    ("extraArgs", ["--metrics-port=hunter2"], "the chart sets --metrics-port, which no value changes; remove it"),
]


@pytest.mark.parametrize(("path", "value", "fix"), WRONG_FORMS, ids=str)
def test_string_of_a_wrong_form_is_refused_in_words(helm: Path, path: str, value: Any, fix: str) -> None:
    with pytest.raises(ChartError) as caught:
        render(helm, "netbird-system", nested(path, value))
    assert path in str(caught.value)
    assert fix in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("proxy.noProxy", ".svc, 10.0.0.0/8 fd02::/112"),
        ("proxy.https", "https://proxy.example.com:3129/"),
        ("image.registry", "registry.example.com:5000/mirror"),
        ("image.repository", "localhost:5000/netbird/operator"),
        ("connection.url", "https://[fd00::1]:8443/netbird"),
        ("docsURL", "https://git.example.com/a/-/blob/main/{page}"),
    ],
)
def test_usual_forms_are_accepted(helm: Path, path: str, value: str) -> None:
    assert render(helm, "netbird-system", nested(path, value))


def parents(path: str) -> list[str]:
    """Return the sections that a value is in."""
    parts = path.split(".")
    return [".".join(parts[:depth]) for depth in range(1, len(parts))]


SECTIONS = sorted(
    {each.path.rsplit(".", depth)[0] for each in DESCRIBED for depth in range(1, each.path.count(".") + 1)}
)


def may_be_absent(value: Value) -> bool:
    """Return whether nothing means the same as the default, or removes it."""
    return value.default in ("", []) or isinstance(value.default, dict)


@pytest.mark.parametrize("path", [*SECTIONS, *(each.path for each in DESCRIBED if not may_be_absent(each))])
def test_null_never_means_another_value(helm: Path, path: str) -> None:
    """Helm removes a default that is null. For `crds.keep` the template would take that for false."""
    with pytest.raises(ChartError) as caught:
        render(helm, "netbird-system", nested(path, None))
    assert f"{path}: is missing; remove the null or empty entry" in str(caught.value)
    assert "--reset-then-reuse-values" in str(caught.value)


@pytest.mark.parametrize("path", [each.path for each in DESCRIBED if may_be_absent(each)])
def test_null_removes_a_default_that_may_be_empty(helm: Path, path: str) -> None:
    """Also where the object that the value belongs to is rendered."""
    assert render(helm, "netbird-system", merged(CASES[path].beside, nested(path, None)))
