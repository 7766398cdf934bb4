"""JSON codecs of this package's values, for the control API, its client and saved states."""

from collections.abc import Hashable
from functools import cache
from typing import TypeVar, cast

from pydantic import TypeAdapter

T = TypeVar("T")


@cache
def _built(kind: Hashable) -> TypeAdapter[object]:
    """Build the codec of a type once, when it is first needed. A cache takes no type variable."""
    return TypeAdapter(cast("type[object]", kind))


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    """Return the codec of a type."""
    return cast("TypeAdapter[T]", _built(cast("Hashable", kind)))


def dump(kind: type[T], value: T) -> object:
    """Convert a value to plain JSON types."""
    written: object = _adapter(kind).dump_python(value, mode="json")
    return written


def load(kind: type[T], value: object) -> T:
    """Read a value of a type from parsed JSON.

    Raises:
        ValueError: it does not fit the type.
    """
    return _adapter(kind).validate_python(value)
