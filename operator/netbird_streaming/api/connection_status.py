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
    """An account that was seen through this connection."""

    tenant_id: Annotated[
        str | None, doc("The tenant that was acted in; absent for the token's own account.", maxLength=MAX_TENANT)
    ] = Field(default=None, alias="tenantID")
    account_id: Annotated[str, doc("The id of the account in NetBird.", maxLength=MAX_ANSWERED)] = Field(
        alias="accountID"
    )


class ConnectionInternal(Model):
    """The part of a connection's status that is private to the operator."""

    proof: Annotated[
        str | None,
        doc(
            "A keyed digest of the connection, the URL and the token that confirmed status.accounts: after another of"
            " them they are confirmed again.",
            maxLength=MAX_DIGEST,
        ),
    ] = None
    key_id: Annotated[str | None, doc("Which key the digest was made with.", maxLength=MAX_KEY_ID)] = Field(
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
        doc("How many days before the token's expiry the last Event about it was due.", minimum=0, maximum=365),
    ] = None
    owner_uid: Annotated[
        str | None, doc("The uid of the connection that this status was written for.", maxLength=MAX_UID)
    ] = Field(default=None, alias="ownerUID")


class ConnectionStatus(Model):
    """The status of both kinds of connections; `accounts` has one entry for each tenant in use."""

    path_family: Annotated[
        str | None,
        doc("Under which of its two paths this server offers event streaming.", maxLength=256),
    ] = None
    accounts: Annotated[
        tuple[ConfirmedAccount, ...],
        doc(
            "The accounts that the connection leads to, one for each tenant in use.",
            maxItems=MAX_ACCOUNTS,
            **ATOMIC_LIST,
        ),
    ] = ()
    token_expires_at: Annotated[
        datetime | None,
        doc(
            "When the personal access token expires; absent for an OAuth2 token, and while NetBird does not tell.",
            **TIME,
        ),
    ] = None
    observed_generation: Annotated[
        int | None, doc("The generation of the connection that the rest of the status is about.", minimum=0)
    ] = None
    last_handled_reconcile_at: Annotated[
        str | None,
        doc(
            "The value of the annotation integrations.netbird.io/reconcile-requested-at that was acted on last: another"
            " value there asks for a look now.",
            maxLength=MAX_REQUEST,
        ),
    ] = None
    conditions: Annotated[
        tuple[Condition, ...],
        doc("How it stands: Ready; and, only while true, Reconciling and Stalled.", maxItems=MAX_CONDITIONS, **BY_TYPE),
    ] = ()
    internal: Annotated[
        ConnectionInternal,
        doc("Private to the operator: its fields change without notice. Read the rest of the status instead."),
    ] = ConnectionInternal()
