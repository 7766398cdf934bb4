"""The closed list of metrics: each has its name, type, labels and meaning here and nowhere else.

Names follow Prometheus' conventions: base units, `_total` for counters. `docs/metrics.md` is made from this list.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PREFIX: Final = "netbird_streaming"


class Type(StrEnum):
    """A metric's type, in the word that the exposition formats use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric. `labels` are the names of its labels; each has few values, or is empty unless asked for."""

    type: Type
    short_name: str
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name as it is scraped."""
        return f"{PREFIX}_{self.short_name}"


BUILD_INFO: Final = Definition(
    Type.GAUGE, "build_info", "Always 1; the labels say what runs.", labels=("version", "python")
)
LEADER: Final = Definition(
    Type.GAUGE, "leader", "1 while this process may act, 0 while it follows; a follower has no other metric than these."
)
RECONCILE_DURATION: Final = Definition(
    Type.HISTOGRAM,
    "reconcile_duration_seconds",
    "How long reconciles took. Outcomes: settled (came to rest), waiting (for a LIST that many share; it then begins "
    "anew), failed (a problem ended it, and it is tried again), defect (the operator is wrong).",
    labels=("kind", "outcome"),
)
RETRIES: Final = Definition(
    Type.COUNTER,
    "retries_total",
    "Resources and connections that were put back into the queue because of a problem, by its reason.",
    labels=("kind", "reason"),
)
QUEUE_DEPTH: Final = Definition(
    Type.GAUGE,
    "queue_depth",
    "Resources and connections that are due and not settled, those that wait for a LIST or for the rate limit too.",
)
QUEUE_OLDEST_AGE: Final = Definition(
    Type.GAUGE,
    "queue_oldest_age_seconds",
    "For how long the oldest of them has been due. A failed one is due again when its backoff ends.",
)
REQUEST_DURATION: Final = Definition(
    Type.HISTOGRAM,
    "netbird_request_duration_seconds",
    "How long requests to NetBird took, the wait for the budget not included. Operations: list, get, create, update, "
    "delete, account. The code is the HTTP status (other if HTTP knows no such status), or why no answer came: dns, "
    "refused, timeout, tls, proxy, reset.",
    labels=("operation", "code"),
)
BUDGET_REMAINING: Final = Definition(
    Type.GAUGE,
    "budget_remaining_requests",
    "Requests that a token could send at once: of the token that could send the fewest.",
    labels=("connection",),
)
BUDGET_BURST: Final = Definition(
    Type.GAUGE,
    "budget_burst_requests",
    "Requests that the same token could send at once after a rest: its burst.",
    labels=("connection",),
)
BUDGET_WAIT: Final = Definition(
    Type.COUNTER, "budget_wait_seconds_total", "For how long requests have waited for the budget before they were sent."
)
RESOURCES: Final = Definition(
    Type.GAUGE,
    "resources",
    "Resources and connections by what their condition Ready says (ready: true or false).",
    labels=("kind", "ready", "reason"),
)
DRIFTS_FOUND: Final = Definition(
    Type.COUNTER, "drifts_found_total", "Integrations that somebody else was found to have changed or deleted."
)
DRIFTS_CORRECTED: Final = Definition(
    Type.COUNTER, "drifts_corrected_total", "Of these, how many NetBird accepted a correction of."
)
SWEEP_AGE: Final = Definition(
    Type.GAUGE,
    "sweep_age_seconds",
    "Time since the last full LIST of an account began, or since it became known if there was none: of the oldest.",
    labels=("connection",),
)
SWEEP_INTERVAL: Final = Definition(
    Type.GAUGE,
    "sweep_interval_seconds",
    "How long it should be at most between two of them, give or take a tenth: the longest.",
    labels=("connection",),
)
SYNCED: Final = Definition(
    Type.GAUGE,
    "synced",
    "1 once this leader has listed its resources: each list has completed or is refused, and no kind is refused "
    "everywhere. 0 before.",
)
WATCH_FAILING: Final = Definition(
    Type.GAUGE,
    "watch_failing",
    "1 while the list or watch of this kind fails or is refused in this namespace (empty: in the whole cluster). No "
    "series otherwise.",
    labels=("kind", "watched_namespace"),
)
WATCH_RESTARTS: Final = Definition(
    Type.COUNTER,
    "watch_restarts_total",
    "Watches that were begun anew since they had failed or ended (watch: resources or secrets).",
    labels=("watch",),
)

ALL: Final = (
    BUILD_INFO,
    LEADER,
    RECONCILE_DURATION,
    RETRIES,
    QUEUE_DEPTH,
    QUEUE_OLDEST_AGE,
    REQUEST_DURATION,
    BUDGET_REMAINING,
    BUDGET_BURST,
    BUDGET_WAIT,
    RESOURCES,
    DRIFTS_FOUND,
    DRIFTS_CORRECTED,
    SWEEP_AGE,
    SWEEP_INTERVAL,
    SYNCED,
    WATCH_FAILING,
    WATCH_RESTARTS,
)
