"""What this operator writes into `status`, and reads back after a restart.

Status is authorised apart from the rest of a resource and survives `kubectl replace`, so what ownership rests on lives
here and nowhere else. Nothing in it changes unless the thing that it describes changed.
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from netbird_streaming.core.model import Model


class Condition(Model):
    """A condition of the Kubernetes API conventions."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""
    observed_generation: int | None = None
    last_transition_time: datetime


class Applied(Model):
    """What NetBird last accepted from us: a keyed fingerprint of the whole request, secrets included."""

    fingerprint: str
    key_id: str = Field(alias="keyID")


class Intent(Model):
    """A create in flight: written before the POST, so that a lost answer can be looked for.

    `signature` holds a keyed digest of each value by which NetBird's LIST tells integrations apart, `known_ids` those
    that had the same ones then, `since` the server's time (`Date`) of that LIST, absent where it sends none.
    """

    attempt: int
    endpoint: str
    account_id: str | None = Field(default=None, alias="accountID")
    platform: str
    config: dict[str, str] = {}
    signature: dict[str, str]
    key_id: str = Field(alias="keyID")
    known_ids: tuple[int, ...] = Field(default=(), alias="knownIDs")
    since: datetime | None = None
    until: datetime | None = None


class Correction(Model):
    """A drift that was corrected: the remote `updatedAt` that showed it, the values that differed, and when."""

    at: datetime
    updated_at: str | None = None
    values: dict[str, str] = {}


class Origin(StrEnum):
    """How this resource came by its integration."""

    CREATED = "Created"
    ADOPTED = "Adopted"
    INFERRED = "Inferred"


class Status(Model):
    """The status of an `EventStreamingIntegration`."""

    id: int | None = None
    origin: Origin | None = None
    account_id: str | None = Field(default=None, alias="accountID")
    platform: str | None = None
    enabled: bool | None = None
    config: dict[str, str] | None = None
    created_at: str | None = None
    updated_at: str | None = None
    observed_generation: int | None = None
    last_handled_reconcile_at: str | None = None
    applied: Applied | None = None
    creation: Intent | None = None
    unresolved_creations: tuple[Intent, ...] = ()
    corrections: tuple[Correction, ...] = ()
    kept: dict[str, str] = {}
    owner_uid: str | None = Field(default=None, alias="ownerUID")
    claimed_id: int | None = Field(default=None, alias="claimedID")
    conditions: tuple[Condition, ...] = ()


class ConfirmedAccount(Model):
    """An account that was seen through this connection; `proof` is a keyed digest of URL, token and tenant."""

    tenant_id: str | None = Field(default=None, alias="tenantID")
    account_id: str = Field(alias="accountID")
    proof: str
    key_id: str = Field(alias="keyID")


class ConnectionStatus(Model):
    """The status of both kinds of connections; `accounts` has one entry for each tenant in use."""

    path_family: str | None = None
    accounts: tuple[ConfirmedAccount, ...] = ()
    observed_generation: int | None = None
    last_handled_reconcile_at: str | None = None
    owner_uid: str | None = Field(default=None, alias="ownerUID")
    conditions: tuple[Condition, ...] = ()
