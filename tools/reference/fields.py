"""The page of one kind: each field with its type, default, rules and example, as the definition has them."""

import json
from collections.abc import Iterator
from typing import Any, Final

from netbird_streaming.api.validation.structural import Schema
from tools.crds.definitions import CrdDefinition

PRIVATE: Final = "internal"
"""The part of a status that belongs to the operator; its fields are not listed."""
_FORMATS: Final = {"int64": "64-bit integer", "date-time": "RFC 3339 time"}
_BOUNDS: Final = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "maxProperties": "at most {} entries",
}


def kind_page(definition: CrdDefinition) -> str:
    """Return the page of a kind."""
    document = definition.to_object()
    version = document["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    name = definition.model.__name__
    head = (
        f"# {name}\n\nWritten by `make docs` from `crds/`. {_one_line(schema['description'])}\n\n"
        f"API version `{document['spec']['group']}/{version['name']}`, scope {document['spec']['scope']}, "
        f"short name `{definition.short_name}`.\n"
    )
    parts = [head]
    for part in ("spec", "status"):
        inner = schema["properties"][part]
        parts.append(f"## {part}\n\n{_one_line(inner['description'])}\n\n{_rules(inner)}".rstrip() + "\n")
        parts.extend(_fields(inner, part))
    return "\n".join(parts)


def _fields(schema: Schema, path: str) -> Iterator[str]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        yield _field(field, f"{path}.{name}", required=name in required)
        inner = field.get("items", field)
        if name != PRIVATE and isinstance(inner, dict):
            yield from _fields(inner, f"{path}.{name}" + ("[]" if inner is not field else ""))


def _field(field: Schema, path: str, *, required: bool) -> str:
    facts = [_type(field), "required" if required else "optional"]
    if "default" in field:
        facts.append(f"default `{_written(field['default'])}`")
    facts += [text.format(field[key]) for key, text in _BOUNDS.items() if key in field]
    text = f"### `{path}`\n\n*{', '.join(facts)}*\n\n{_one_line(field.get('description', ''))}\n\n"
    if "pattern" in field:
        text += f"Pattern: `` {field['pattern']} ``\n\n"
    return (text + _rules(field)).rstrip() + "\n"


def _type(field: Schema) -> str:
    if "enum" in field:
        return "one of " + ", ".join(f"`{each}`" for each in field["enum"])
    name = _FORMATS.get(field.get("format", ""), str(field.get("type", "")))
    items = field.get("items")
    return f"list of {_type(items)}" if isinstance(items, dict) else name


def _rules(schema: Schema) -> str:
    """Return the messages of the rules that go beyond the type of one field."""
    rules = [*schema.get("x-kubernetes-validations", ())]
    lines = [f"- {_where(rule)}{_one_line(rule['message'])}\n" for rule in rules if "message" in rule]
    return "A value that breaks a rule is rejected with one of these messages:\n\n" + "".join(lines) if lines else ""


def _where(rule: dict[str, Any]) -> str:
    return f"`{rule['fieldPath'].lstrip('.')}`: " if "fieldPath" in rule else ""


def _one_line(text: str) -> str:
    # What stands in angle brackets would be taken for HTML.
    return " ".join(text.split()).replace("<", "&lt;")


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
