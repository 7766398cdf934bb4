"""The connection that a resource refers to, with the account to use."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from netbird_streaming.api.types import Connection, ConnectionKind, EventStreamingIntegration, ObjectKey
from netbird_streaming.errors import NotInChargeError, OperatorError, WaitError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.connection.account import Account
from netbird_streaming.reconciler.reporting import Published
from netbird_streaming.reconciler.versions import Known, version_of


@dataclass(slots=True)
class TokenExpiry:
    """The expiry of a token. `at` is None while it is unknown; NetBird is asked again at `due_at`."""

    proof: str
    due_at: float
    at: datetime | None = None
    check: asyncio.Task[None] | None = None


@dataclass(slots=True)
class ConnectionState:
    """The state of a connection: what was read for it, and an account for each tenant in use.

    `token_account_id` is the token's own account, or why NetBird does not report it. It is None until a
    tenant needs it. `published` is what was last published about the connection. The token stays in memory until
    the connection is gone: if the whole namespace is deleted, the Secret goes first.
    """

    connection: Connection
    known: Known
    token: str | None = None
    ca_bundle: str | None = None
    problem: OperatorError | None = None
    loaded: bool = False
    changes: int = 0
    """The number of changes after which the token and the CA had to be read again."""
    token_account_id: str | OperatorError | None = None
    token_check: asyncio.Task[OperatorError | None] | None = None
    accounts: dict[str | None, Account] = field(default_factory=dict)
    published: Published = field(default_factory=Published)
    not_in_charge: NotInChargeError | None = None
    """Set while another installation manages the connection."""
    informed: set[str] = field(default_factory=set)
    """The uids of the objects with an Event about that."""
    token_expiry: TokenExpiry | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def take(self, connection: Connection, now: float) -> None:
        """Replace the known version by one that is known since now."""
        self.connection, self.known = connection, Known(version_of(connection), now)

    def invalidate(self) -> None:
        """Have the token and the CA read again, also if they are being read now."""
        self.loaded = False
        self.changes += 1

    def close(self) -> None:
        """Forget what was read, and requeue the resources that wait for a LIST."""
        self.loaded, self.token, self.ca_bundle = False, None, None
        if self.token_expiry is not None and self.token_expiry.check is not None:
            self.token_expiry.check.cancel()
        for account in self.accounts.values():
            account.close()
        self.accounts.clear()


@dataclass(frozen=True, slots=True)
class ResolvedConnection:
    """The way of a resource to NetBird."""

    state: ConnectionState
    account: Account
    allow_adoption: bool
    tenant_id: str | None = None
    observe_only: bool = False

    @property
    def account_id(self) -> str | OperatorError | None:
        """The confirmed account; None while it is not, an error where it may be the token's own and no tenant's.

        NetBird does not refuse an `account` parameter that the token has no right to: it acts in the token's own. So a
        tenant's account is one that is named as the tenant, or that is known to be another than the token's own.
        """
        found = self.account.account_id
        if self.tenant_id in (None, found) or found is None:
            return found
        if self.state.token_account_id is None or isinstance(self.state.token_account_id, OperatorError):
            return self.state.token_account_id
        if found != self.state.token_account_id:
            return found
        message = f"NetBird ignores tenant {self.tenant_id}: the token may not act in it. "
        return WaitError(Reason.PERMISSION_DENIED, message + Reason.PERMISSION_DENIED.remedy)


def connection_key(resource: EventStreamingIntegration) -> ObjectKey:
    """Return the key of the connection that a resource refers to."""
    ref = resource.spec.connection_ref
    namespace = resource.metadata.namespace if ref.kind is ConnectionKind.NAMESPACED else None
    return _interned_key(ref.kind.value, namespace, ref.name)


@lru_cache
def _interned_key(kind: str, namespace: str | None, name: str) -> ObjectKey:
    """Return one object for all resources that refer to the connection."""
    return ObjectKey(kind, namespace, name)
