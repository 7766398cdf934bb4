"""Records of each integration, resource and write, against which the promises are checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from netbird_streaming.api.status import Condition, Former, Status
from netbird_streaming.api.types import EventStreamingIntegration, IntegrationSpec, ObjectKey
from netbird_streaming.core.netbird import compare
from netbird_streaming.core.netbird.endpoints import authority
from tests.doubles.netbird.wire import Operation, Request
from tests.simulation.host import KEY
from tests.simulation.network import Process

CANARY: Final = re.compile(r"CANARY-([a-z0-9]+)-v[0-9]+")
SECRET_WORD: Final = "CANARY"
TENANT: Final = "tenant"
"""The namespace of a hostile tenant."""
HONEST: Final = authority("https://api.netbird.io", trusted_by=None)

Key = tuple[str, str, bool]
"""The key of a payload in these scenarios: URL, secret value and `enabled`."""


def key_of(config: Mapping[str, str], *, enabled: bool) -> Key:
    """Return the key of a configuration as it is sent to or stored in NetBird."""
    url = config.get("api_url") or config.get("url") or ""
    found = CANARY.search(config.get("api_key", "") + config.get("headers", ""))
    return url.lower().rstrip("/"), found.group() if found else "", enabled


def url_of(spec: IntegrationSpec) -> str:
    """Return the URL that a spec of these scenarios declares."""
    return _declared_url(spec).lower().rstrip("/")


def _declared_url(spec: IntegrationSpec) -> str:
    url = spec.datadog.api_url if spec.datadog is not None else spec.generic_http.url if spec.generic_http else ""
    return url or ""


def _signature(spec: IntegrationSpec, uid: str) -> dict[str, str]:
    """Return the digest of the URL, as an intent holds it."""
    name = "api_url" if spec.datadog is not None else "url"
    digests = compare.signature(spec.platform, {name: _declared_url(spec)}, KEY.of(uid))
    return {name: digests[name]}


@dataclass(slots=True)
class IntegrationHistory:
    """The history of one integration in NetBird. `maker` is the uid of the resource that it was created for.

    `disguised`: another client restored a value that the operator had just corrected, before the next read.
    """

    id: int
    account_id: str
    maker: str | None
    key: Key
    live: bool = True
    touched: bool = False
    foreign_writes: int = 0
    foreign_urls: set[str] = field(default_factory=set)
    disguised: bool = False
    answered: Key | None = None
    answered_at: float = float("-inf")
    possible: list[Key] = field(default_factory=list)
    overtaken: bool = False
    excused: bool = False
    unsaved: bool = False
    undone: str | None = None
    """The uid of the resource that it was created for, if a restored backup of etcd does not know that."""
    born: float = float("-inf")
    """Time at which another client created it, or another integration with its id."""
    corrected_forms: set[str] = field(default_factory=set)


@dataclass(slots=True)
class ResourceHistory:
    """The history of one resource, from creation to removal.

    The key is the uid, so that a resource with the same name has its own.
    """

    uid: str
    identity: ObjectKey
    resource: EventStreamingIntegration
    specs: dict[int, tuple[float, IntegrationSpec]] = field(default_factory=dict)
    gone: bool = False
    torn: bool = False
    orphaned: bool = False
    released_unseen: bool = False
    """Whether it was released while NetBird did not show its integration. A Warning names what may be left."""
    unknown_posts: int = 0
    intent_undone_at: float = float("-inf")
    """When a restored backup of etcd undid its intent. A POST may be about to leave then."""
    hostile: bool = False
    made: int = 0
    """The number of applied POSTs for it."""
    lost: int = 0
    """The number of its integrations that other clients deleted or a restored database lost."""
    hidden_posts: int = 0
    """The number of those while NetBird showed nothing for a long time."""
    held: IntegrationHistory | None = None
    taken: set[int] = field(default_factory=set)

    def former(self) -> tuple[Former, ...]:
        """Return the integrations that it owned and gave up as absent."""
        return self.resource.status.internal.former

    def holds(self, integration_id: int) -> bool:
        """Return whether its own status names this integration of the simulated NetBird."""
        status = self.resource.status
        return status.id == integration_id and is_honest(status) and status.internal.owner_uid == self.uid

    def intends(self, url: str) -> bool:
        """Return whether its status holds an intent for this URL. The spec may declare another one by now."""
        intent = self.resource.status.internal.creation
        if intent is None:
            return False
        declared = (spec for _, spec in self.specs.values() if url_of(spec) == url)
        return any(_signature(spec, self.uid).items() <= intent.signature.items() for spec in declared)

    def may_share_account(self, other: "ResourceHistory") -> bool:
        """Return whether both have an intent through one connection and, as far as the intents say, in one account."""
        intents = [each.resource.status.internal.creation for each in (self, other)]
        endpoints = {each.endpoint for each in intents if each is not None}
        accounts = {each.account_id for each in intents if each is not None} - {None}
        return len(endpoints) <= 1 and len(accounts) <= 1


@dataclass(slots=True)
class PendingWrite:
    """A write.

    `over` means that it can't be applied any more, `settled` that its client has a response or has given up. `undone`
    is the uid of its resource, if a backup of etcd was restored since it was sent.
    """

    process: Process
    request: Request
    history: ResourceHistory | None
    over: bool = False
    settled: bool = False
    undone: str | None = None

    @property
    def threatens(self) -> bool:
        """Return whether it may still create an integration."""
        return not self.over and self.request.operation is Operation.CREATE


def is_honest(status: Status) -> bool:
    """Return whether the id in the status is from the simulated NetBird and not from a tenant's server."""
    return status.internal.authority == HONEST


def ready_of(status: Status) -> Condition | None:
    """Return the condition `Ready`."""
    return next((each for each in status.conditions if each.type == "Ready"), None)


def key_of_request(request: Request) -> Key:
    body: Any = request.body
    return key_of(body["config"], enabled=body["enabled"])
