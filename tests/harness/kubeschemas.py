"""JSON schemas of all kinds of an API server, from its own OpenAPI documents, for kubeconform."""

import json
from pathlib import Path
from typing import Any, Final

from tests.harness.controlplane import ControlPlane

TEMPLATE: Final = "{{.ResourceKind}}-{{.Group}}-{{.ResourceAPIVersion}}.json"
_KINDS: Final = "x-kubernetes-group-version-kind"
_PREFIX: Final = "#/components/schemas/"


def write(plane: ControlPlane, folder: Path) -> str:
    """Write them into a folder, and return kubeconform's `-schema-location` for them.

    Unlike the API server's own documents they allow no additional fields.
    """
    for path in _published(plane):
        schemas = _schemas(plane, path)
        for schema in schemas.values():
            for kind in schema.get(_KINDS, ()):
                # kubeconform takes the version for the group if there is none.
                group = kind["group"] or kind["version"]
                name = f"{kind['kind'].lower()}-{group}-{kind['version']}.json"
                (folder / name).write_text(json.dumps(_whole(schema, schemas)))
    return f"{folder}/{TEMPLATE}"


def kinds(plane: ControlPlane, path: str) -> set[str]:
    """Return the kinds with a schema in one of the documents, as `apis/apps/v1`."""
    if path not in _published(plane):
        return set()
    return {kind["kind"] for schema in _schemas(plane, path).values() for kind in schema.get(_KINDS, ())}


def _published(plane: ControlPlane) -> list[str]:
    return list(json.loads(plane.kubectl("get", "--raw", "/openapi/v3"))["paths"])


def _schemas(plane: ControlPlane, path: str) -> dict[str, Any]:
    document = json.loads(plane.kubectl("get", "--raw", f"/openapi/v3/{path}"))
    found: dict[str, Any] = document.get("components", {}).get("schemas") or {}
    return found


def _whole(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with everything that it refers to."""
    definitions: dict[str, Any] = {}
    pending = [schema]
    while pending:
        for name in _references(pending.pop()):
            if name not in definitions:
                definitions[name] = schemas[name]
                pending.append(schemas[name])
    return {**_strict(schema), "components": {"schemas": _strict(definitions)}}


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(_references, node))
    if not isinstance(node, dict):
        return set()
    found = set().union(*map(_references, node.values()))
    reference = node.get("$ref")
    return found | {reference.removeprefix(_PREFIX)} if isinstance(reference, str) else found


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {key: _strict(value) for key, value in node.items()}
    names_fields = isinstance(node.get("properties"), dict) and "type" in node
    if names_fields and not made.keys() & {"additionalProperties", "x-kubernetes-preserve-unknown-fields"}:
        made["additionalProperties"] = False
    return made
