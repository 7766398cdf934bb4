"""The rules by which Flux, `helm --wait` and others decide whether a resource is ready.

Those of kstatus for unknown kinds, in its order; source: sigs.k8s.io/cli-utils, pkg/kstatus/status, generic.go and
status.go.
"""

from enum import StrEnum
from typing import Any, Final


class Result(StrEnum):
    """The states of kstatus."""

    CURRENT = "Current"
    FAILED = "Failed"
    IN_PROGRESS = "InProgress"
    TERMINATING = "Terminating"


_MEANING: Final = {
    ("Reconciling", "True"): Result.IN_PROGRESS,
    ("Stalled", "True"): Result.FAILED,
    ("Ready", "True"): Result.CURRENT,
    ("Ready", "False"): Result.IN_PROGRESS,
    ("Ready", "Unknown"): Result.IN_PROGRESS,
}


def compute(resource: dict[str, Any]) -> Result:
    """Judge a resource as the API server returns it."""
    metadata, status = resource["metadata"], resource.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return Result.TERMINATING
    if not is_observed(resource):
        return Result.IN_PROGRESS
    conditions = status.get("conditions") or ()
    # The former two precede Ready, and the first that is true decides.
    for kinds in (("Reconciling", "Stalled"), ("Ready",)):
        for each in conditions:
            found = _MEANING.get((each["type"], each["status"])) if each["type"] in kinds else None
            if found is not None:
                return found
    # A resource without conditions counts as ready.
    return Result.CURRENT


def is_observed(resource: dict[str, Any]) -> bool:
    """Return whether the status is of the current generation, as far as it says."""
    generation = resource["metadata"].get("generation")
    observed = (resource.get("status") or {}).get("observedGeneration")
    return None in (generation, observed) or generation == observed
