"""The health of every reason, as docs/gitops.md documents it, for Argo CD, Flux and kstatus."""

from typing import Any, Final, NamedTuple

from netbird_streaming.reasons import Reason
from tests.harness.gitops.argocd import Health
from tests.harness.gitops.kstatus import Result


class Seen(NamedTuple):
    """The health of a resource for each tool; `kstatus` is Flux without expressions, and Helm."""

    argocd: Health
    kstatus: Result
    flux: Result


DONE: Final = Seen(Health.HEALTHY, Result.CURRENT, Result.CURRENT)
WAITS: Final = Seen(Health.PROGRESSING, Result.IN_PROGRESS, Result.IN_PROGRESS)
FAILED: Final = Seen(Health.DEGRADED, Result.FAILED, Result.FAILED)
SUSPENDED: Final = Seen(Health.SUSPENDED, Result.IN_PROGRESS, Result.CURRENT)
JUDGED: Final[dict[str, Seen]] = {
    Reason.SYNCED: DONE,
    Reason.DRIFTED: DONE,
    Reason.SUSPENDED: SUSPENDED,
    Reason.OBSERVE_ONLY: SUSPENDED,
    **dict.fromkeys(
        (
            Reason.CONNECTION_INVALID,
            Reason.CONFIGURATION_REJECTED,
            Reason.CREATE_AMBIGUOUS,
            Reason.IDENTICAL_EXISTS,
            Reason.OWNERSHIP_CONFLICT,
            Reason.ADOPTION_NOT_ALLOWED,
            Reason.ADOPTION_NOT_FOUND,
            Reason.ADOPTION_CLAIMED,
            Reason.ADOPTION_MISMATCH,
            Reason.ADOPTION_AMBIGUOUS,
            Reason.OWNER_UNKNOWN,
            Reason.RESTORED_STATUS,
            Reason.ACCOUNT_MISMATCH,
            Reason.PLATFORM_MISMATCH,
            Reason.NOT_APPLIED,
            Reason.REMOTE_DELETED,
            Reason.CONTENDED,
            Reason.RESOURCE_UNREADABLE,
        ),
        FAILED,
    ),
}
"""By the reason of Ready. A resource with any other reason waits."""
JUDGED_APART: Final = {
    # NetBird has what is declared. Argo CD shows in addition that the resource is suspended.
    "synced-suspended": Seen(Health.SUSPENDED, Result.CURRENT, Result.CURRENT),
    "suspended-drifted": Seen(Health.SUSPENDED, Result.CURRENT, Result.CURRENT),
    "synced-edited": WAITS,
    # Argo CD and Flux handle a deletion themselves, before they evaluate these.
    "deleting": Seen(Health.PROGRESSING, Result.TERMINATING, Result.IN_PROGRESS),
    "unavailable-deleted": Seen(Health.PROGRESSING, Result.TERMINATING, Result.IN_PROGRESS),
    # Only an edit ends it: the lost create went through another connection.
    "account-unconfirmed-elsewhere": FAILED,
}


def ready(resource: dict[str, Any]) -> dict[str, Any]:
    """Return the Ready condition of a resource."""
    (found,) = (each for each in resource["status"]["conditions"] if each["type"] == "Ready")
    condition: dict[str, Any] = found
    return condition


def documented(name: str, resource: dict[str, Any]) -> Seen:
    """Return the documented health of a resource in the situation of this name."""
    return JUDGED_APART.get(name, JUDGED.get(ready(resource)["reason"], WAITS))
