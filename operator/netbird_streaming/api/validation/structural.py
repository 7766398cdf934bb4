"""Conversion of pydantic's JSON Schema to the structural schema of a CustomResourceDefinition.

A structural schema has no references, no titles and no alternatives with null. For each list and map it defines how
values of several writers merge. Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
custom-resource-definitions/#specifying-a-structural-schema
"""

from typing import Any, Final

from netbird_streaming.api.model import Model
from netbird_streaming.api.validation.fields import EXAMPLES

Schema = dict[str, Any]
_DROPPED: Final = frozenset(("title", "$defs", "anyOf", "$ref", "const", EXAMPLES))


def structural(model: type[Model]) -> Schema:
    """Return the structural schema of a model.

    Raises:
        KeyError: A CRD can't express a type of the model.
    """
    schema = model.model_json_schema(by_alias=True)
    return _node(schema, schema.get("$defs", {}))


def _node(schema: Schema, definitions: Schema) -> Schema:
    base = _flat(schema, definitions)
    node = {name: value for name, value in base.items() if name not in _DROPPED and not _is_no_default(name, value)}
    if "description" in node:
        node["description"] = _unwrapped(node["description"])
    properties = base.get("properties")
    if properties is not None:
        node["properties"] = {name: _node(each, definitions) for name, each in sorted(properties.items())}
        for name, example in base.get(EXAMPLES, {}).items():
            node["properties"][name]["description"] += f" Example: {example}."
        if "required" in base:
            node["required"] = sorted(base["required"])
    for inner in ("items", "additionalProperties"):
        if isinstance(base.get(inner), dict):
            node[inner] = _node(base[inner], definitions)
    if "items" in node:
        node["items"] = _without_defaults(node["items"])
    if node["type"] == "integer":
        node.setdefault("format", "int64")
    return dict(sorted(node.items()))


def _flat(schema: Schema, definitions: Schema) -> Schema:
    """Return the schema with its reference or its only alternative to null resolved. Its own keys take precedence."""
    if "$ref" in schema:
        target = definitions[schema["$ref"].removeprefix("#/$defs/")]
        return _flat(target, definitions) | {name: value for name, value in schema.items() if name != "$ref"}
    if "anyOf" in schema:
        (only,) = (each for each in schema["anyOf"] if each.get("type") != "null")
        return _flat(only, definitions) | {name: value for name, value in schema.items() if name != "anyOf"}
    return schema


def _without_defaults(schema: Schema) -> Schema:
    """Remove the defaults below a list: clients that compare whole lists, such as `kubectl apply`, would see a diff."""
    node = {name: value for name, value in schema.items() if name != "default"}
    if "properties" in node:
        node["properties"] = {name: _without_defaults(each) for name, each in node["properties"].items()}
    for inner in ("items", "additionalProperties"):
        if isinstance(node.get(inner), dict):
            node[inner] = _without_defaults(node[inner])
    return node


def _is_no_default(name: str, value: object) -> bool:
    """Return whether a default is absent or empty, or an object of such defaults. The API server adds nothing."""
    if isinstance(value, dict):
        return name == "default" and all(_is_no_default("default", each) for each in value.values())
    return name == "default" and value in (None, "", [])


def _unwrapped(text: str) -> str:
    """Return the paragraphs of a docstring, each on one line. `kubectl explain` wraps them."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
