"""Comparison of the served CRDs with our status: an older CRD refuses every write of a field that it lacks.

The fields are read from the OpenAPI document, which every authenticated client may read. No right on CRDs is needed.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from netbird_streaming.api.validation.structural import structural
from netbird_streaming.cluster.client import KubernetesClient, Request
from netbird_streaming.cluster.parsing import API_VERSION, KINDS
from netbird_streaming.errors import OperatorError, RetryError

_PATH: Final = f"/openapi/v3/apis/{API_VERSION}"
_KIND: Final = "x-kubernetes-group-version-kind"


async def missing_fields(client: KubernetesClient) -> tuple[str, ...]:
    """Return the status fields that the operator writes and the served CRDs lack, such as `Kind.status.field`.

    A kind that is not served lacks no field, and neither does a document that can't be read.

    Raises:
        RetryError: The API server does not answer.
    """
    try:
        document = await client.call(Request("the OpenAPI document of the CRDs", _PATH))
    except RetryError:
        raise
    except OperatorError:
        return ()
    served = _served(document)
    return tuple(
        f"{name}.status.{field}"
        for name, kind in KINDS.items()
        if name in served
        for field in _lacking(structural(kind.model)["properties"]["status"], _property(served[name], "status"))
    )


def _served(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the schema of each kind, by its name."""
    schemas = _mapping(_mapping(document.get("components")).get("schemas"))
    found: dict[str, Mapping[str, Any]] = {}
    for schema in map(_mapping, schemas.values()):
        for each in schema.get(_KIND) or ():
            found[str(_mapping(each).get("kind"))] = schema
    return found


def _lacking(needed: Mapping[str, Any], served: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of properties that `served` lacks, the outermost of each."""
    for name, inner in _mapping(needed.get("properties")).items():
        known = _mapping(served.get("properties")).get(name)
        if known is None:
            yield name
            continue
        yield from (f"{name}.{each}" for each in _lacking(inner, _mapping(known)))
    if "items" in needed:
        yield from _lacking(needed["items"], _mapping(served.get("items")))


def _property(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return _mapping(_mapping(schema.get("properties")).get(name))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
