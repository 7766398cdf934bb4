"""The custom resources follow the Kubernetes API conventions, so that their names and bounds can stay stable."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final

import pytest
from pydantic.fields import FieldInfo

from netbird_streaming.api.destinations import Platform
from netbird_streaming.api.model import Model
from netbird_streaming.api.validation.fields import EXAMPLES, TIME, doc, examples
from netbird_streaming.api.validation.structural import structural
from tests.contract.test_crds import Schema, nodes, schema_of
from tests.harness import pages
from tools.crds.definitions import DEFINITIONS, CrdDefinition

each_definition: Final = pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda each: each.plural)

_CAMEL_CASE: Final = re.compile(r"[a-z][A-Za-z0-9]*")
_WRONG_INITIALISM: Final = re.compile(
    r"(?<=[a-z0-9])(Api|Aws|Ca|Cpu|Http|Https|Id|Ids|Ip|Json|Msp|Tls|Uid|Uri|Url|Urls)(?=[A-Z]|$)"
)
_OBJECT_OWN: Final = frozenset({".apiVersion", ".kind"})
"""Fields that Kubernetes itself defines."""
_AN_EXAMPLE: Final = re.compile(r"Example:\s\S")


def fields(definition: CrdDefinition, *, below: str = ".spec") -> dict[str, Schema]:
    return {path: schema for path, schema in nodes(schema_of(definition)) if path.startswith(f"{below}.")}


def name_of(path: str) -> str:
    return path.rpartition(".")[2].removesuffix("[]")


def required_by_models(model: type[Model], path: str = "") -> Iterator[str]:
    """Return the fields that have no default in their model, by their path in the schema."""
    for info in model.model_fields.values():
        where = f"{path}.{info.alias}"
        if info.is_required():
            yield where
        for inner, suffix in models_of(info):
            yield from required_by_models(inner, where + suffix)


def models_of(info: FieldInfo) -> Iterator[tuple[type[Model], str]]:
    pending: list[tuple[Any, str]] = [(info.annotation, "")]
    while pending:
        kind, suffix = pending.pop()
        if isinstance(kind, type) and issubclass(kind, Model):
            yield kind, suffix
        elif getattr(kind, "__origin__", None) is tuple:
            pending += [(inner, f"{suffix}[]") for inner in kind.__args__ if inner is not Ellipsis]
        else:
            pending += [(inner, suffix) for inner in getattr(kind, "__args__", ())]


@each_definition
def test_always_needed_fields_are_required(definition: CrdDefinition) -> None:
    """Clients that read the schema, such as forms or generators, do not evaluate CEL."""
    found = {
        f"{path}.{name}"
        for path, schema in [("", schema_of(definition)), *nodes(schema_of(definition))]
        for name in schema.get("required", ())
    }
    wanted = {path for path in required_by_models(definition.model) if not path.startswith(".metadata")}
    assert {path for path in found if not path.startswith(".metadata")} == wanted


def test_platform_and_connection_kind_are_required() -> None:
    spec = schema_of(DEFINITIONS[0])["properties"]["spec"]
    assert "platform" in spec["required"]
    assert spec["properties"]["connectionRef"]["required"] == ["kind", "name"]


@each_definition
def test_no_rule_repeats_required(definition: CrdDefinition) -> None:
    for path, schema in nodes(schema_of(definition)):
        for rule in schema.get("x-kubernetes-validations", ()):
            if rule.get("reason") == "FieldValueRequired":
                assert rule.get("fieldPath", "").removeprefix(".") not in schema.get("required", ()), path


@each_definition
def test_every_free_value_has_an_example(definition: CrdDefinition) -> None:
    free = {
        path: schema
        for path, schema in fields(definition).items()
        if schema["type"] in {"string", "integer"} and "enum" not in schema
    }
    # An element's example is with its list.
    listed = {path.removesuffix("[]").removesuffix(".*") for path in free}
    described = fields(definition)
    assert [path for path in sorted(listed) if not _AN_EXAMPLE.search(described[path]["description"])] == []


@each_definition
def test_every_reference_has_its_own_example(definition: CrdDefinition) -> None:
    """Without it, `kubectl explain …tokenSecretRef.name` would show an example about Datadog."""
    found: dict[tuple[str, str], set[str]] = {}
    for path, schema in fields(definition).items():
        if "SecretRef." in path or "MapRef." in path:
            parent, _, name = path.rpartition(".")
            example = schema["description"].partition("Example: ")[2]
            found.setdefault((name_of(parent), name), set()).add(example)
    keys = [example for (_, name), examples_ in found.items() if name == "key" for example in examples_]
    assert len(keys) == len(set(keys))


def test_example_of_one_use_changes_no_other() -> None:
    spec = schema_of(DEFINITIONS[1])["properties"]["spec"]["properties"]
    assert spec["tokenSecretRef"]["properties"]["name"]["description"].endswith("Example: netbird.")
    assert spec["caBundleConfigMapRef"]["properties"]["name"]["description"].endswith("Example: company-ca.")


@each_definition
def test_names_are_camel_case_with_whole_initialisms(definition: CrdDefinition) -> None:
    for path, _ in nodes(schema_of(definition)):
        name = name_of(path)
        if path in _OBJECT_OWN or name == "*":
            continue
        assert _CAMEL_CASE.fullmatch(name), path
        assert not _WRONG_INITIALISM.search(name), path


@each_definition
def test_references_and_policies_are_named_so(definition: CrdDefinition) -> None:
    for path, schema in fields(definition).items():
        name = name_of(path)
        inner = schema.get("properties", {}).keys()
        is_reference = inner in ({"name", "key"}, {"name", "kind"})
        assert name.endswith("Ref") == is_reference, path
        values = set(schema.get("enum", ()))
        if values & {"Never", "Delete", "Orphan", "Correct", "Report"}:
            assert name.lower().endswith("policy"), path


@each_definition
def test_values_of_an_enum_are_camel_case(definition: CrdDefinition) -> None:
    """Except the platform's, which are NetBird's own, as docs/api-stability.md says."""
    for path, schema in fields(definition).items():
        if path == ".spec.platform":
            assert schema["enum"] == [each.value for each in Platform]
        elif "enum" in schema:
            assert all(re.fullmatch(r"[A-Z][A-Za-z0-9]*", value) for value in schema["enum"]), path


@each_definition
def test_every_integer_has_bounds(definition: CrdDefinition) -> None:
    """An id of NetBird, or a generation, is any positive 64-bit integer, as the format says."""
    for path, schema in nodes(schema_of(definition)):
        if schema["type"] != "integer":
            continue
        assert {"minimum", "format"} <= schema.keys(), path
        is_other_systems_own = name_of(path).lower().endswith(("id", "ids", "generation"))
        assert is_other_systems_own or "maximum" in schema or path.endswith("attempt"), path


@each_definition
def test_every_time_has_a_pattern_and_a_length(definition: CrdDefinition) -> None:
    for path, schema in nodes(schema_of(definition)):
        is_time = schema.get("format") == "date-time" or re.search(r"(?:edAt|Time|since|until)$", path)
        if is_time and schema["type"] == "string" and "ReconcileAt" not in path:
            assert TIME.items() <= schema.items(), path


def test_no_example_is_left_in_a_schema() -> None:
    class Inner(Model):
        name: Annotated[str, doc("The name.")]

    class Outer(Model):
        inner: Annotated[Inner, doc("What it holds.", **examples(name="a"))]

    shown = structural(Outer)
    assert EXAMPLES not in str(shown)
    assert shown["properties"]["inner"]["properties"]["name"]["description"] == "The name. Example: a."


def test_page_names_the_intended_exceptions() -> None:
    page = (pages.ROOT / "docs" / "api-stability.md").read_text()
    for word in ("generic_http", "64-bit", "status.internal", "v1alpha1", "tolerate"):
        assert word in page
