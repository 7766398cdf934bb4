"""Builders for the frozen inputs of decisions. Fields that a test does not name have usual values."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from netbird_streaming.api.status import Applied, Intent, Status
from netbird_streaming.api.types import FINALIZER, EventStreamingIntegration
from netbird_streaming.cluster.leader_election.record import LeaseTiming
from netbird_streaming.config.settings import Settings
from netbird_streaming.core.inputs import (
    AccountSnapshot,
    DecisionInput,
    Desired,
    Observed,
    Recorded,
    Target,
    Timeouts,
    own_status_of,
)
from netbird_streaming.core.memory import Memory
from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from netbird_streaming.core.netbird.payload import Payload, resolve, secret_names
from netbird_streaming.core.netbird.types import Integration, Listing
from netbird_streaming.errors import OperatorError

KEY: Final = FingerprintKey(bytes(range(32)))
WALL: Final = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
NOW: Final = 1000.0
_SETTINGS: Final = Settings()
LEASE_TIMING: Final = LeaseTiming(
    _SETTINGS.lease_duration, _SETTINGS.lease_renew_deadline, _SETTINGS.lease_retry_period
)
UID: Final = "uid-1"
ACCOUNT: Final = "acc-1"
AUTHORITY: Final = "authority-1"
URL: Final = "https://siem.example/in"
STAMP: Final = "2026-05-01T11:00:00.000001Z"
LIMITS: Final = Timeouts(late_commit=60.0, post=30.0)


def integration(
    spec: dict[str, Any] | None = None, status: Status | None = None, **metadata: Any
) -> EventStreamingIntegration:
    """Return a generic HTTP resource, with the operator's finalizer unless `finalizers` says otherwise."""
    raw = {
        "metadata": {
            "name": "web",
            "namespace": "team-a",
            "uid": UID,
            "resourceVersion": "7",
            "generation": 1,
            "creationTimestamp": "2026-05-01T10:00:00Z",
            "finalizers": [FINALIZER],
            **metadata,
        },
        "spec": {"platform": "generic_http", "genericHTTP": {"url": URL}, **(spec or {})},
    }
    resource = EventStreamingIntegration.model_validate(raw)
    return resource if status is None else resource.model_copy(update={"status": status})


def payload_of(resource: EventStreamingIntegration) -> Payload:
    """Return the payload when every referenced Secret has the same value."""
    secrets = {name: _AnyKey() for name in secret_names(resource.spec)}
    return resolve(resource.spec, secrets, KEY)


class _AnyKey(dict[str, bytes]):
    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> bytes:
        return b"value"


def item(integration_id: int = 5, **changes: Any) -> Integration:
    """Return NetBird's view of the resource's integration."""
    shown = Integration(
        id=integration_id,
        account_id=ACCOUNT,
        platform="generic_http",
        enabled=True,
        config={"url": URL, "headers": "{}", "body_template": ""},
        created_at=STAMP,
        updated_at=STAMP,
    )
    return replace(shown, **changes)


def view(*items: Integration, begun: float = NOW - 1) -> AccountSnapshot:
    """Return a LIST that began a second ago."""
    return AccountSnapshot(Listing(items, WALL), begun)


def held(resource: EventStreamingIntegration, integration_id: int = 5, **changes: Any) -> Status:
    """Return the status of a resource whose integration NetBird stored unchanged."""
    payload = payload_of(resource)
    status = Status().evolve(
        id=integration_id,
        account_id=ACCOUNT,
        platform="generic_http",
        enabled=True,
        updated_at=STAMP,
        applied=Applied(fingerprint=payload.fingerprint, key_id=KEY.id),
        owner_uid=resource.metadata.uid,
        authority=AUTHORITY,
        proof="proof-1",
    )
    return status.evolve(**changes)


def intent_of(resource: EventStreamingIntegration, **changes: Any) -> Intent:
    """Return the intent of a create of the resource, two hours ago, whose window ends now."""
    payload = payload_of(resource)
    intent = Intent(
        attempt=1,
        authority=AUTHORITY,
        endpoint="endpoint-1",
        account_id=ACCOUNT,
        proof="proof-1",
        platform="generic_http",
        signature=dict(payload.signature),
        key_id=KEY.id,
        since=WALL - timedelta(hours=2),
        until=WALL,
    )
    return intent.model_copy(update=changes)


def route_of(**changes: Any) -> Target:
    """Return a resolved connection with a confirmed account that allows adoption."""
    known: dict[str, Any] = {
        "authority": AUTHORITY,
        "endpoint_digest": "endpoint-1",
        "credential_digest": "proof-1",
        "account": ACCOUNT,
    }
    return Target(**{**known, "allow_adoption": True, **changes})


@dataclass(frozen=True)
class Others:
    """The integrations that other resources own, by id."""

    names: dict[int, str] = field(default_factory=dict)

    def other(self, item: Integration) -> str | None:
        """Return the name of the resource that owns this integration."""
        return self.names.get(item.id)

    def owner(self, item: Integration) -> str | None:
        """Return the name of the resource that surely owns this integration."""
        return self.names.get(item.id)


def case(
    resource: EventStreamingIntegration,
    *,
    memory: Memory | None = None,
    payload: Payload | OperatorError | None = None,
    **observed: Any,
) -> DecisionInput:
    """Return an input at `NOW`, with a finalizer seen long ago and a confirmed account."""
    seen: dict[str, Any] = {
        "now": NOW,
        "wall": WALL,
        "target": route_of(),
        "owners": Others(),
        **observed,
    }
    recorded: Recorded = own_status_of(resource, memory or Memory(finalizer_seen_at=NOW - 100))
    desired = Desired(resource, payload_of(resource) if payload is None else payload)
    return DecisionInput(desired, Observed(**seen), recorded, KEY, LIMITS)
