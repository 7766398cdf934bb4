"""JSON merge patches (RFC 7396) between two statuses: what was removed becomes null, a changed list is sent whole."""

from typing import Any

from netbird_streaming.api.model import Model

Json = dict[str, Any]


def document(model: Model) -> Json:
    """The JSON object of a status: its own absent and empty defaults left out, times in RFC 3339 with `Z` for UTC.

    Inside lists only what is absent is left out, so that a condition keeps its empty message, which the Kubernetes API
    conventions require.
    """
    stored = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    set_fields = model.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    result = {name: stored[name] for name in set_fields if name in stored}
    for name, field in type(model).model_fields.items():
        value, alias = getattr(model, name), field.alias or name
        if alias in result and isinstance(value, Model):
            result[alias] = document(value)
    return result


def merge_patch(old: Json, new: Json) -> Json:
    """The patch that makes `new` of `old`; empty where nothing differs. Neither may hold null."""
    patch: Json = {name: None for name in old if name not in new}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            if changes := merge_patch(before, value):
                patch[name] = changes
        elif name not in old or before != value:
            patch[name] = value
    return patch
