"""The `status` of both kinds of connections, which the operator reads back after a restart."""

from datetime import datetime
from typing import Annotated, Final

from pydantic import Field

from netbird_streaming.api.connection import MAX_ENTRIES
from netbird_streaming.api.model import Model
from netbird_streaming.api.status import (
    BY_TYPE,
    MAX_ANSWERED,
    MAX_CONDITIONS,
    MAX_DIGEST,
    MAX_KEY_ID,
    MAX_REQUEST,
    MAX_UID,
    Condition,
)
from netbird_streaming.api.tenant import MAX_TENANT
from netbird_streaming.api.validation.fields import ATOMIC_LIST, TIME, doc

MAX_ACCOUNTS: Final = MAX_ENTRIES + 1
"""One for each tenant of `spec.access`, and the connection's own."""


MAX_INSTALLATION: Final = 320
"""A namespace, a slash and the name of a Lease."""


class ConfirmedAccount(Model):
    """Account that the operator confirmed through this connection."""

    tenant_id: Annotated[
        str | None, doc("The tenant of the account; absent for the token's own account.", maxLength=MAX_TENANT)
    ] = Field(default=None, alias="tenantID")
    account_id: Annotated[str, doc("The id of the account in NetBird.", maxLength=MAX_ANSWERED)] = Field(
        alias="accountID"
    )


class ConnectionInternal(Model):
    """Part of the status of a connection that is private to the operator."""

    proof: Annotated[
        str | None,
        doc(
            "A keyed digest of the connection, the URL and the token that confirmed status.accounts. After a change,"
            " the operator confirms the accounts again.",
            maxLength=MAX_DIGEST,
        ),
    ] = None
    key_id: Annotated[str | None, doc("The id of the key of the digest.", maxLength=MAX_KEY_ID)] = Field(
        default=None, alias="keyID"
    )
    installation: Annotated[
        str | None,
        doc(
            "The Lease (namespace/name) of the installation of the operator that manages the connection and its"
            " resources; another installation writes nothing for them.",
            maxLength=MAX_INSTALLATION,
        ),
    ] = None
    expiry_notice: Annotated[
        int | None,
        doc(
            "The days before the expiry of the token at which the last Event about it was due.", minimum=0, maximum=365
        ),
    ] = None
    owner_uid: Annotated[str | None, doc("The uid of the connection of this status.", maxLength=MAX_UID)] = Field(
        default=None, alias="ownerUID"
    )


class ConnectionStatus(Model):
    """Status of both kinds of connections. `accounts` has one entry for each tenant in use."""

    path_family: Annotated[
        str | None,
        doc("The path of event streaming at this server, one of two.", maxLength=256),
    ] = None
    accounts: Annotated[
        tuple[ConfirmedAccount, ...],
        doc(
            "The accounts of the connection, one for each tenant in use.",
            maxItems=MAX_ACCOUNTS,
            **ATOMIC_LIST,
        ),
    ] = ()
    token_expires_at: Annotated[
        datetime | None,
        doc(
            "The expiry of the personal access token; absent for an OAuth2 token, and while it is unknown.",
            **TIME,
        ),
    ] = None
    observed_generation: Annotated[
        int | None, doc("The generation of the connection that the rest of the status describes.", minimum=0)
    ] = None
    last_handled_reconcile_at: Annotated[
        str | None,
        doc(
            "The last value of the annotation integrations.netbird.io/reconcile-requested-at that the operator handled."
            " A new value requests a reconcile now.",
            maxLength=MAX_REQUEST,
        ),
    ] = None
    conditions: Annotated[
        tuple[Condition, ...],
        doc(
            "The conditions: Ready always; Reconciling and Stalled only while true.", maxItems=MAX_CONDITIONS, **BY_TYPE
        ),
    ] = ()
    internal: Annotated[
        ConnectionInternal,
        doc("Private to the operator. Its fields change without notice. Read the rest of the status instead."),
    ] = ConnectionInternal()
