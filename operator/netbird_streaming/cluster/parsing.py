"""Parsing of objects of the Kubernetes API into models, once, at the boundary."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from pydantic import ValidationError

from netbird_streaming.api.types import (
    GROUP,
    RECONCILE_ANNOTATION,
    VERSION,
    ClusterNetBirdConnection,
    EventStreamingIntegration,
    NetBirdConnection,
    ObjectKey,
    Resource,
)
from netbird_streaming.errors import EditError
from netbird_streaming.reasons import Reason

API_VERSION: Final = f"{GROUP}/{VERSION}"
_FIELDS_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Kind:
    """Kind of the operator: its model, its name in URLs and RBAC, and whether its objects have a namespace."""

    model: type[Resource]
    plural: str
    namespaced: bool


KINDS: Final[Mapping[str, Kind]] = {
    "EventStreamingIntegration": Kind(EventStreamingIntegration, "eventstreamingintegrations", namespaced=True),
    "NetBirdConnection": Kind(NetBirdConnection, "netbirdconnections", namespaced=True),
    "ClusterNetBirdConnection": Kind(ClusterNetBirdConnection, "clusternetbirdconnections", namespaced=False),
}


def parse(raw: Mapping[str, Any]) -> Resource:
    """Return the resource that an object of the API describes.

    Raises:
        EditError: The kind is not one of the operator's, or a field has an unexpected form. The message names fields,
            no values.
    """
    kind = KINDS.get(str(raw.get("kind")))
    if kind is None:
        raise EditError(Reason.RESOURCE_UNREADABLE, f"kind: must be one of {', '.join(KINDS)}.")
    try:
        return _without_annotations(kind.model.model_validate(raw))
    except ValidationError as error:
        message = f"{_fields(error, kind.model)}: can't be read; correct it, or run the operator that wrote it."
    raise EditError(Reason.RESOURCE_UNREADABLE, message)


def _without_annotations(resource: Resource) -> Resource:
    """Return the resource without the annotations that the operator ignores. They may have 256 KiB."""
    if not resource.metadata.annotations:
        return resource
    request = resource.metadata.reconcile_request
    kept = {} if request is None else {RECONCILE_ANNOTATION: request}
    return resource.model_copy(update={"metadata": resource.metadata.model_copy(update={"annotations": kept})})


def object_key(raw: Mapping[str, Any]) -> ObjectKey:
    """Return the key of an object. Absent names are empty."""
    metadata = raw.get("metadata")
    names: Mapping[str, Any] = metadata if isinstance(metadata, Mapping) else {}
    namespace = names.get("namespace")
    return ObjectKey(str(raw.get("kind") or ""), str(namespace) if namespace else None, str(names.get("name") or ""))


def object_version(raw: Mapping[str, Any]) -> tuple[ObjectKey, str, str]:
    """Return the key of an object, its uid and its version."""
    metadata = raw.get("metadata")
    names: Mapping[str, Any] = metadata if isinstance(metadata, Mapping) else {}
    return object_key(raw), str(names.get("uid")), str(names.get("resourceVersion"))


def _fields(error: ValidationError, model: type[Resource]) -> str:
    """Return the paths in an error, without its inputs. A key of a map is the user's text and becomes `*`."""
    known = _field_names(model)
    paths: dict[str, None] = {}
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        parts = (str(part) if isinstance(part, int) or part in known else "*" for part in detail["loc"])
        paths[".".join(parts)] = None
    named = list(paths)[:_FIELDS_NAMED]
    return ", ".join(named) + (f" and {len(paths) - len(named)} more" if len(paths) > len(named) else "")


@cache
def _field_names(model: type[Resource]) -> frozenset[str]:
    """Return the YAML names of all fields of the model and of the models in it."""
    schema = model.model_json_schema(by_alias=True)
    return frozenset(
        name for part in (schema, *schema.get("$defs", {}).values()) for name in part.get("properties", {})
    )
