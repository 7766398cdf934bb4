"""The ports of the reconciler; the adapters in `netbird/` and `cluster/` implement them."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol, Self, TypeVar

from netbird_streaming.api.connection_status import ConnectionStatus
from netbird_streaming.api.status import Status
from netbird_streaming.api.types import Connection, EventStreamingIntegration, ObjectKey, RateLimit, Resource
from netbird_streaming.clock import Clock
from netbird_streaming.core.actions import Action
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from netbird_streaming.core.netbird.types import (
    Applicant,
    Endpoint,
    Integration,
    IntegrationRequest,
    Listing,
    PathFamily,
    Priority,
    RateLimitState,
    Slot,
)
from netbird_streaming.core.status.documentation import Documentation
from netbird_streaming.core.status.events import EventNote
from netbird_streaming.errors import OperatorError
from netbird_streaming.reasons import Reason

R = TypeVar("R", bound=Resource)


class NetBird(Protocol):
    """The NetBird API of one endpoint. Every method raises a branch of `OperatorError` and nothing else.

    Each call first waits for the token's budget, in order of priority; the factory's guard is called at the last moment
    before bytes are sent and raises `LeaseLostError` when this process may no longer act. Whether a failed POST, PUT
    or DELETE may have been applied is the error's `effect`. GETs and LISTs repeat themselves a little; writes never do.
    """

    @property
    def path_family(self) -> PathFamily | None:
        """The family that answered, once one has."""
        ...

    @property
    def rate_limit_state(self) -> RateLimitState:
        """The remaining budget of the token, for all clients of the token together."""
        ...

    def wait(self, priority: Priority, depth: int) -> float:
        """Estimate the seconds until a request is sent that begins to wait now, the `depth`-th of its namespace."""
        ...

    async def slot(self, applicant: Applicant) -> Slot:
        """Wait for the rate limit. Raises `RetryError` where the server asked for a long pause."""
        ...

    def holding(self, slot: Slot) -> Self:
        """Return the same client; its next request uses the slot."""
        ...

    async def list_integrations(self, priority: Priority) -> Listing:
        """All integrations of the account; `null` is none."""
        ...

    async def get(self, integration_id: int, priority: Priority) -> Integration:
        """Return an integration, possibly without all fields. Raises `NotFoundError` on a JSON 404."""
        ...

    async def create(self, request: IntegrationRequest, priority: Priority) -> Integration:
        """Create an integration; the answer always has an id, or the outcome is unknown."""
        ...

    async def update(self, integration_id: int, request: IntegrationRequest, priority: Priority) -> Integration:
        """Replace the configuration; the answer may show the old values. Raises `NotFoundError` on a JSON 404."""
        ...

    async def delete(self, integration_id: int, priority: Priority) -> None:
        """Delete. Raises `NotFoundError` on a JSON 404."""
        ...

    async def account_id(self, priority: Priority) -> str:
        """The account's id by `GET /api/accounts`; raises where the server or the token does not answer it."""
        ...

    async def token_expiry(self, priority: Priority) -> datetime | None:
        """Return when the personal access token in use expires; None if NetBird's answers do not tell."""
        ...


class NetBirdFactory(Protocol):
    """Returns clients for endpoints. Those of one URL and token share a rate limiter with the lowest limit."""

    def client(self, endpoint: Endpoint, limit: RateLimit) -> NetBird:
        """A client for this endpoint, its budget shared by token."""
        ...

    def set_rate_limits(self, limits: Mapping[tuple[str, str], RateLimit]) -> None:
        """Set the budgets of all (URL, token) pairs in use; others are forgotten once idle."""
        ...


class Cluster(Protocol):
    """The Kubernetes API. Every method raises a branch of `OperatorError` and nothing else.

    Every write carries the resource's version and raises `ConflictError` (409) when it is not the newest,
    `ObjectGoneError` when the object is gone, and answers the object as the API server now has it.
    """

    async def read(self, key: ObjectKey) -> Resource | None:
        """The object as it is now (a consistent read), or None."""
        ...

    def scopes(self, kind: str) -> Sequence[str | None]:
        """The namespaces in which this kind is listed; None is one list of the whole cluster."""
        ...

    async def list_resources(
        self,
        kind: str,
        namespace: str | None,
        is_newer: Callable[[ObjectKey, str, str], bool],
        handle: Callable[[Resource], None],
    ) -> str:
        """A consistent LIST of one kind in one namespace, or in the whole cluster, page by page.

        `is_newer` is asked of each object (its uid, its version); those that are, and can be read, go to `handle`.
        """
        ...

    async def add_finalizer(self, resource: R) -> R:
        """Put our finalizer beside the others'."""
        ...

    async def remove_finalizer(self, resource: Resource) -> None:
        """Remove our finalizer and keep the others. Succeeds if the object is gone."""
        ...

    async def write_status(self, resource: EventStreamingIntegration, status: Status) -> EventStreamingIntegration:
        """Make `status` the resource's status, by a merge patch of what differs; no request where nothing does."""
        ...

    async def write_connection_status(self, resource: Connection, status: ConnectionStatus) -> Connection:
        """Make `status` the connection's status."""
        ...

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """The decoded data of a Secret, or None where there is none."""
        ...

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """The data of a ConfigMap, or None where there is none."""
        ...

    async def lease_version(self, namespace: str, name: str) -> str | None:
        """Return the resourceVersion of a Lease, which each renewal changes; None if there is no such Lease."""
        ...

    async def namespace_labels(self, name: str) -> Mapping[str, str]:
        """The labels of a namespace."""
        ...

    def publish(self, resource: Resource, notes: Sequence[EventNote]) -> None:
        """Hand over Events, to be published soon: nothing waits for it, failing to is logged and never raised."""
        ...


class Outcome(StrEnum):
    """The outcome of a reconcile."""

    SUCCESS = "success"
    """It came to rest: in order, held on purpose, or gone."""
    WAITING = "waiting"
    """The resource waits for a LIST, and is reconciled again after it."""
    ERROR = "error"
    """A problem ended it, which the condition `Ready` or the log names; it is tried again."""
    INTERNAL_ERROR = "internal_error"
    """The operator itself is wrong."""


class MetricsRecorder(Protocol):
    """Receives what is counted. No method raises."""

    def reconciled(self, kind: str, outcome: Outcome, seconds: float) -> None:
        """Count a reconcile of a resource of this kind, and its duration in seconds."""
        ...

    def requeued(self, kind: str, reason: Reason) -> None:
        """A resource of this kind is looked at again because of a problem."""
        ...

    def drift_found(self) -> None:
        """Count an integration that another client changed or deleted."""
        ...

    def drift_corrected(self) -> None:
        """NetBird accepted what sets a drifted integration back."""
        ...


class DecisionObserver(Protocol):
    """Observer of reconciles. No method raises."""

    def decided(self, key: ObjectKey, inputs: DecisionInput, action: Action) -> None:
        """Observe an action that is about to be executed, or the report of one that failed."""
        ...

    def ended(self, key: ObjectKey, outcome: Outcome, problem: OperatorError | None) -> None:
        """Observe the end of a reconcile; `problem` is the error that ended it."""
        ...


class NoObserver:
    """Observer that does nothing."""

    def decided(self, key: ObjectKey, inputs: DecisionInput, action: Action) -> None:
        """Do nothing."""

    def ended(self, key: ObjectKey, outcome: Outcome, problem: OperatorError | None) -> None:
        """Do nothing."""


NO_OBSERVER: Final = NoObserver()


class NoRecorder:
    """Recorder that counts nothing."""

    def reconciled(self, kind: str, outcome: Outcome, seconds: float) -> None:
        """Do nothing."""

    def requeued(self, kind: str, reason: Reason) -> None:
        """Do nothing."""

    def drift_found(self) -> None:
        """Do nothing."""

    def drift_corrected(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The outside world of one process."""

    cluster: Cluster
    netbird: NetBirdFactory
    clock: Clock
    random: random.Random
    key: FingerprintKey
    recorder: MetricsRecorder
    observer: DecisionObserver = NO_OBSERVER


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """The settings of the reconciler; times in seconds."""

    operator_namespace: str
    installation: str
    """The Lease of this installation, as `namespace/name`."""
    documentation: Documentation
    has_lease: bool
    request_timeout: float
    late_commit_window: float
    absence_window: float
    workers: int
    relist_interval: float
    shutdown_grace: float
    allow_http: bool
    allowed_urls: tuple[str, ...]
    namespaced_connections: bool
    connections_per_namespace: int
    token_expiry: bool
    observe_only: bool = False
    """Whether all connections are observed only."""
