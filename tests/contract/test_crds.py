"""The files in crds/ match the models, and the models have all properties that users and an API server need."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from netbird_streaming.api import types
from netbird_streaming.api.integration import IntegrationSpec
from netbird_streaming.api.model import Model
from netbird_streaming.api.validation.rules import MAX_NAME, short_names
from netbird_streaming.cluster.parsing import KINDS
from tests.harness import manifests
from tools.crds import __main__
from tools.crds.definitions import DEFINITIONS, CrdDefinition

Schema = dict[str, Any]
each_definition: Final = pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda each: each.plural)


def schema_of(definition: CrdDefinition) -> Schema:
    (version,) = definition.to_object()["spec"]["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield every schema below an object's root, with its path. Metadata is Kubernetes' own."""
    for name, inner in schema.get("properties", {}).items():
        if path or name != "metadata":
            yield f"{path}.{name}", inner
            yield from nodes(inner, f"{path}.{name}")
    for key, suffix in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(schema.get(key), dict):
            yield f"{path}{suffix}", schema[key]
            yield from nodes(schema[key], f"{path}{suffix}")


def rules(definition: CrdDefinition) -> Iterator[tuple[str, Schema, Schema]]:
    for path, schema in nodes(schema_of(definition)):
        for rule in schema.get("x-kubernetes-validations", ()):
            yield path, schema, rule


@each_definition
def test_file_matches_the_models(definition: CrdDefinition) -> None:
    file = __main__.FOLDER / definition.file_name
    assert file.read_text(encoding="utf-8") == __main__.render(definition), "run `make crds`"


ESCAPED: Final = 6
r"""The maximum bytes of one character in JSON: a control character is written as \u0000."""
MAX_STATUS: Final = 256 * 1024
ENTRY: Final = len('"":,')


def largest(schema: Schema) -> int:
    """Return the bytes of the largest JSON value that the schema admits. Raises KeyError without a bound."""
    match schema["type"]:
        case "object" if "properties" in schema:
            sizes = [ENTRY + len(name) + largest(each) for name, each in schema["properties"].items()]
        case "object":
            assert schema["x-kubernetes-validations"] == short_names()["x-kubernetes-validations"]
            sizes = [ENTRY + MAX_NAME * ESCAPED + largest(schema["additionalProperties"])] * schema["maxProperties"]
        case "array":
            sizes = [len(",") + largest(schema["items"])] * schema["maxItems"]
        case "string" if "enum" in schema:
            sizes = [max(map(len, schema["enum"]))]
        case "string" if schema.get("format") == "date-time":
            sizes = [len("2026-01-02T03:04:05.000000000+00:00")]
        case "string":
            sizes = [schema["maxLength"] * ESCAPED]
        case other:
            sizes = [{"integer": len(str(-(2**63))), "boolean": len("false")}[other]]
    return len("{}") + sum(sizes)


def test_largest_status_of_an_integration_is_below_its_limit() -> None:
    schema = schema_of(DEFINITIONS[0])["properties"]["status"]
    assert largest(schema) < MAX_STATUS


@each_definition
def test_no_default_is_set_below_a_list(definition: CrdDefinition) -> None:
    """Otherwise a manifest without it would differ from the stored object for tools that compare whole lists."""
    assert [path for path, schema in nodes(schema_of(definition)) if "[]" in path and "default" in schema] == []


def test_there_is_no_other_file() -> None:
    assert sorted(each.name for each in __main__.FOLDER.iterdir()) == sorted(each.file_name for each in DEFINITIONS)


def test_adapter_uses_the_same_kind_names() -> None:
    assert {name: (kind.model, kind.plural, kind.namespaced) for name, kind in KINDS.items()} == {
        each.model.__name__: (each.model, each.plural, each.scope == "Namespaced") for each in DEFINITIONS
    }


@each_definition
def test_every_field_has_a_description(definition: CrdDefinition) -> None:
    bare = [path for path, schema in nodes(schema_of(definition)) if not schema.get("description", "").endswith(".")]
    assert bare == []


def is_bounded(schema: Schema) -> bool:
    match schema["type"]:
        case "string":
            return "maxLength" in schema or "enum" in schema or schema.get("format") == "date-time"
        case "array":
            return "maxItems" in schema and "x-kubernetes-list-type" in schema
        case "integer":
            return schema["format"] == "int64" and "minimum" in schema
        case "object":
            return "properties" in schema or "maxProperties" in schema
        case kind:
            return bool(kind == "boolean")


@each_definition
def test_every_field_has_bounds(definition: CrdDefinition) -> None:
    assert [path for path, schema in nodes(schema_of(definition)) if not is_bounded(schema)] == []


@each_definition
def test_schema_is_structural(definition: CrdDefinition) -> None:
    foreign = {"$ref", "$defs", "anyOf", "allOf", "title", "const", "prefixItems", "x-optional"}
    assert [path for path, schema in nodes(schema_of(definition)) if foreign & schema.keys()] == []


@each_definition
def test_every_rule_names_a_field_of_its_object(definition: CrdDefinition) -> None:
    for path, schema, rule in rules(definition):
        field = rule.get("fieldPath")
        assert field is None or field.removeprefix(".") in schema["properties"], f"{path}: {rule}"


@each_definition
def test_no_rule_prints_a_value(definition: CrdDefinition) -> None:
    """A rule on a text prints it. Only the platform, whose values are listed, is part of a message."""
    for path, schema, rule in rules(definition):
        assert schema["type"] == "object", path
        spoken = rule.get("messageExpression", "")
        assert "' + self." not in spoken.replace("' + self.platform", ""), path


@each_definition
def test_no_bound_prints_a_value(definition: CrdDefinition) -> None:
    """The API server prints a text that does not match a pattern or a format, or is not in a list."""
    texts = {path: schema for path, schema in nodes(schema_of(definition)) if schema["type"] == "string"}
    specified = {path: schema for path, schema in texts.items() if path.startswith(".spec")}
    assert [path for path, schema in specified.items() if {"pattern", "format"} & schema.keys()] == []


@each_definition
def test_status_accepts_more_than_the_spec_does(definition: CrdDefinition) -> None:
    """A status that the API server refused would lose an id. Only names of settings, which are ours, have a rule."""
    (names,) = short_names().values()
    assert [path for path, _, rule in rules(definition) if path.startswith(".status") and rule not in names] == []


DEFAULTS: Final = {
    ".spec.connectionRef": {"kind": "ClusterNetBirdConnection", "name": "default"},
    ".spec.adoption": {"policy": "Never"},
    ".spec.adoption.policy": "Never",
    ".spec.enabled": True,
    ".spec.deletionPolicy": "Delete",
    ".spec.driftPolicy": "Correct",
    ".spec.suspend": False,
}


def test_defaults_match_the_design() -> None:
    shown = {path: schema["default"] for path, schema in nodes(schema_of(DEFINITIONS[0])) if "default" in schema}
    assert {path: value for path, value in shown.items() if path.startswith(".spec")} == DEFAULTS


def test_schema_and_models_have_equal_defaults() -> None:
    filled = manifests.integration()["spec"] | {
        path.removeprefix(".spec."): value for path, value in DEFAULTS.items() if path.count(".") == 2
    }
    assert IntegrationSpec.model_validate(filled) == IntegrationSpec.model_validate(manifests.integration()["spec"])


OLD_AND_ODD: Final[list[tuple[type[Model], dict[str, Any]]]] = [
    (types.KeyReference, {"name": "Not A Name", "key": ""}),
    (types.Datadog, {"apiKeySecretRef": {"name": "a", "key": "b"}}),
    (types.GenericHTTP, {"url": "http://" + "a" * 5000, "urlSecretRef": {"name": "a", "key": "b"}}),
    (types.Header, {"name": "Host", "value": "a\nb"}),
    (types.Adoption, {"policy": "Never", "id": -1}),
    (types.RateLimit, {"requestsPerMinute": 0, "burst": 10**9}),
    (types.Access, {"namespaces": ["A"], "namespaceSelector": {}}),
]


@pytest.mark.parametrize(("model", "value"), OLD_AND_ODD, ids=lambda each: getattr(each, "__name__", ""))
def test_stored_object_stays_readable_after_the_schema_refuses_it(model: type[Model], value: dict[str, Any]) -> None:
    model.model_validate(value)


@each_definition
def test_files_hold_no_anchors(definition: CrdDefinition) -> None:
    text = __main__.render(definition)
    assert not [event for event in yaml.parse(text) if isinstance(event, yaml.AliasEvent)]


@each_definition
def test_kubectl_wait_and_get_have_their_fields(definition: CrdDefinition) -> None:
    (version,) = definition.to_object()["spec"]["versions"]
    conditions = schema_of(definition)["properties"]["status"]["properties"]["conditions"]
    assert version["subresources"] == {"status": {}}
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert {"type", "status", "reason", "lastTransitionTime"} <= set(conditions["items"]["required"])
