"""The expected state of a resource in NetBird, and its comparison."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected integration of a resource: some of its settings, and whether it is enabled."""

    config: Mapping[str, str]
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Writes:
    """The number of writes to NetBird in an undisturbed flow."""

    posts: int = 0
    puts: int = 0
    deletes: int = 0


def is_ready(found: Mapping[str, Any] | None) -> bool:
    """Return whether an object is Ready in its current generation."""
    if found is None:
        return False
    conditions = found.get("status", {}).get("conditions", ())
    ready = next((each for each in conditions if each["type"] == "Ready"), None)
    current = ready is not None and ready.get("observedGeneration") == found["metadata"]["generation"]
    return current and ready is not None and ready["status"] == "True"


def url_of(name: str) -> str:
    """The unique URL of a resource's integration."""
    return f"https://siem.example.com/{name}"
