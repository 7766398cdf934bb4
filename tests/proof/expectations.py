"""What a user wants of a resource, and how it is to be seen whether it is so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Wanted:
    """What NetBird shall hold for a resource: some of its settings, and whether it is switched on."""

    config: Mapping[str, str]
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Writes:
    """How NetBird is changed in a flow when nothing disturbs it."""

    posts: int = 0
    puts: int = 0
    deletes: int = 0


def is_ready(found: Mapping[str, Any] | None) -> bool:
    """Whether an object is Ready in its present generation."""
    if found is None:
        return False
    conditions = found.get("status", {}).get("conditions", ())
    ready = next((each for each in conditions if each["type"] == "Ready"), None)
    current = ready is not None and ready.get("observedGeneration") == found["metadata"]["generation"]
    return current and ready is not None and ready["status"] == "True"


def url_of(name: str) -> str:
    """The URL by which a resource's integration differs from all others."""
    return f"https://siem.example.com/{name}"
