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
class MetricDefinition:
    """A metric. `labels` are the names of its labels; each has few values, or is empty unless asked for."""

    type: Type
    short_name: str
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name as it is scraped."""
        return f"{PREFIX}_{self.short_name}"


BUILD_INFO: Final = MetricDefinition(
    Type.GAUGE, "build_info", "Always 1; the labels say what runs.", labels=("version", "python")
)
LEADER: Final = MetricDefinition(
    Type.GAUGE, "leader", "1 while this process may act, 0 while it follows; a follower has no other metric than these."
)
RECONCILE_DURATION: Final = MetricDefinition(
    Type.HISTOGRAM,
    "reconcile_duration_seconds",
    "How long reconciles took. Results: success (nothing left to do), waiting (for a LIST that many share, then it "
    "continues), error (a problem ended it, and it is retried), internal_error (a bug in the operator).",
    labels=("kind", "result"),
)
RETRIES: Final = MetricDefinition(
    Type.COUNTER,
    "retries_total",
    "Resources and connections that were put back into the queue because of a problem, by its reason.",
    labels=("kind", "reason"),
)
QUEUE_DEPTH: Final = MetricDefinition(
    Type.GAUGE,
    "queue_depth",
    "Resources and connections that are due, including those that wait for a LIST or for the rate limit.",
)
QUEUE_OLDEST_AGE: Final = MetricDefinition(
    Type.GAUGE,
    "queue_oldest_age_seconds",
    "For how long the oldest of them has been due. A failed one is due again when its backoff ends.",
)
UNWRITTEN_STATUSES: Final = MetricDefinition(
    Type.GAUGE,
    "unwritten_statuses",
    "Resources and connections whose last reconciles failed and whose status does not say so, because Kubernetes "
    "refuses the write, or the API server or an admission webhook fails.",
)
REQUEST_DURATION: Final = MetricDefinition(
    Type.HISTOGRAM,
    "netbird_request_duration_seconds",
    "How long requests to NetBird took, the wait for the rate limiter not included. Operations: list, get, "
    "create, update, delete, account, user, tokens, tenants. The code is the HTTP status (other if HTTP knows no such "
    "status), or why no answer came: dns, refused, timeout, tls, proxy, reset.",
    labels=("operation", "code"),
)
RATE_LIMIT_REMAINING: Final = MetricDefinition(
    Type.GAUGE,
    "rate_limit_remaining_requests",
    "Requests that a token could send at once: of the token that could send the fewest.",
    labels=("connection",),
)
RATE_LIMIT_BURST: Final = MetricDefinition(
    Type.GAUGE,
    "rate_limit_burst_requests",
    "Requests that the same token could send at once after a rest: its burst.",
    labels=("connection",),
)
RATE_LIMIT_WAIT: Final = MetricDefinition(
    Type.COUNTER,
    "rate_limit_wait_seconds_total",
    "For how long requests have waited for the rate limiter before they were sent.",
)
RESOURCES: Final = MetricDefinition(
    Type.GAUGE,
    "resources",
    "Resources and connections by what their condition Ready says (ready: true or false).",
    labels=("kind", "ready", "reason"),
)
DRIFTS_FOUND: Final = MetricDefinition(
    Type.COUNTER, "drifts_found_total", "Integrations that another client changed or deleted."
)
DRIFTS_CORRECTED: Final = MetricDefinition(
    Type.COUNTER, "drifts_corrected_total", "Of these, how many the operator corrected."
)
RESYNC_AGE: Final = MetricDefinition(
    Type.GAUGE,
    "resync_age_seconds",
    "Time since the last full LIST of an account began, or since it became known if there was none: of the oldest. "
    "Connections that are not Ready are left out, since resources has their reason.",
    labels=("connection",),
)
RESYNC_INTERVAL: Final = MetricDefinition(
    Type.GAUGE,
    "resync_interval_seconds",
    "How long it should be at most between two of them, give or take a tenth: the longest.",
    labels=("connection",),
)
TOKEN_EXPIRATION: Final = MetricDefinition(
    Type.GAUGE,
    "token_expiration_timestamp_seconds",
    "When a connection's token expires, in Unix time: of the one that expires first. No series while it is not known.",
    labels=("connection",),
)
SYNCED: Final = MetricDefinition(
    Type.GAUGE,
    "synced",
    "1 once this leader has listed its resources: each list has completed or is refused, and no kind is refused "
    "everywhere. 0 before.",
)
WATCH_FAILING: Final = MetricDefinition(
    Type.GAUGE,
    "watch_failing",
    "1 while the list or watch of this kind fails or is refused in this namespace (empty: in the whole cluster). No "
    "series otherwise.",
    labels=("kind", "watched_namespace"),
)
WATCH_RESTARTS: Final = MetricDefinition(
    Type.COUNTER,
    "watch_restarts_total",
    "Lists and watches that failed, were refused, or ended and began again (watch: resources or secrets). One that "
    "fails again and again counts once: watch_failing shows it.",
    labels=("watch",),
)

ALL: Final = (
    BUILD_INFO,
    LEADER,
    RECONCILE_DURATION,
    RETRIES,
    QUEUE_DEPTH,
    QUEUE_OLDEST_AGE,
    UNWRITTEN_STATUSES,
    REQUEST_DURATION,
    RATE_LIMIT_REMAINING,
    RATE_LIMIT_BURST,
    RATE_LIMIT_WAIT,
    RESOURCES,
    DRIFTS_FOUND,
    DRIFTS_CORRECTED,
    RESYNC_AGE,
    RESYNC_INTERVAL,
    TOKEN_EXPIRATION,
    SYNCED,
    WATCH_FAILING,
    WATCH_RESTARTS,
)
