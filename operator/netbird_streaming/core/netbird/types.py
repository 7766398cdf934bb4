"""NetBird as the core knows it: an endpoint, what is sent to it, an integration as it shows it, and a LIST."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final, Protocol

from netbird_streaming.api.types import TokenType

UNKNOWN_ID: Final = 0
"""The id of an integration in a LIST whose id can't be read."""


@dataclass(frozen=True, slots=True)
class Integration:
    """An integration as an answer of NetBird's shows it; what a thin GET leaves out is None.

    `config` holds what can be compared of what the server sent; timestamps are kept as sent and parsed where needed.
    `unreadable` says why an element of a LIST can't be read: the integration exists, and nothing else is known of it.
    """

    id: int
    account_id: str | None = None
    platform: str | None = None
    enabled: bool | None = None
    config: Mapping[str, str] | None = field(default=None, hash=False, repr=False)
    created_at: str | None = None
    updated_at: str | None = None
    unreadable: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The answer of one LIST: all integrations of the account, and the server's time (`Date`) where it sends one."""

    items: tuple[Integration, ...]
    date: datetime | None = None


class Priority(IntEnum):
    """The order of reconciles and of requests to NetBird.

    HIGH is a change of an existing resource, its deletion, or a requested reconcile. NEW is a new resource, and STARTED
    one whose account was listed for it: its create follows before the list is too old. LOW is all other work: resyncs,
    retries, and the dependents of a changed Secret or connection.
    """

    HIGH = 0
    STARTED = 1
    NEW = 2
    LOW = 3


class Applicant(Protocol):
    """A place in the queue for a token's rate limit. It can stand for several requests."""

    @property
    def priority(self) -> Priority:
        """The best priority of the requests. It may change while the applicant waits."""
        ...

    @property
    def follow_ups(self) -> int:
        """The number of requests of priority `STARTED` that are expected soon after this one."""
        ...

    def requests_ahead(self, priority: Priority, depth: int) -> int:
        """Return how many of the requests are sent before one of this priority, the `depth`-th of its namespace."""
        ...


@dataclass(frozen=True, slots=True)
class RateLimitState:
    """The number of requests that a token may send at once now, and at most: its burst."""

    remaining: float
    burst: int


class Slot(Protocol):
    """A request that a rate limiter allows now. `waited` is the number of seconds that it waited."""

    waited: float

    def give_back(self) -> None:
        """Return the request to the token, unless it was sent."""
        ...

    def spend(self, limiter: object) -> bool:
        """Return whether a request may be sent now within this limiter; a slot serves one request."""
        ...


class PathFamily(StrEnum):
    """The two paths under which NetBird servers offer the same five operations."""

    INTEGRATIONS = "/api/integrations/event-streaming"
    PLAIN = "/api/event-streaming"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A NetBird API with a token that acts in one tenant. With `read_only` no client writes to it."""

    url: str
    token: str
    token_type: TokenType
    tenant_id: str | None = None
    ca_bundle: str | None = None
    path_family: PathFamily | None = None
    read_only: bool = False

    def __repr__(self) -> str:
        """Leave the token out: a repr ends up in logs."""
        return f"Endpoint(url={self.url!r}, tenant_id={self.tenant_id!r})"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A personal access token as NetBird lists it for its user: no answer contains the token's value."""

    expires_at: datetime
    last_used: datetime | None = None


@dataclass(frozen=True, slots=True)
class IntegrationRequest:
    """The body of a POST or PUT: the full configuration, secrets included."""

    platform: str
    config: Mapping[str, str]
    enabled: bool

    def __repr__(self) -> str:
        """Leave the configuration out: it holds secrets."""
        return f"IntegrationRequest(platform={self.platform!r}, enabled={self.enabled})"
