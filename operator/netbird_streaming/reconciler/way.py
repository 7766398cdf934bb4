"""How a resource reaches NetBird: by the connection that it refers to, in one of the accounts behind that."""

import asyncio
from dataclasses import dataclass, field
from functools import lru_cache

from netbird_streaming.core.events import Told
from netbird_streaming.core.resources import Connection, ConnectionKind, EventStreamingIntegration, Identity
from netbird_streaming.errors import OperatorError, WaitError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.accounts import Account


@dataclass(slots=True)
class Link:
    """One connection at work: what was read for it, and an account for each tenant in use.

    `home` is the token's own account, or why NetBird does not tell it; None until it was asked for, which it is only
    where tenants are in use; `told` is how the connection stood when
    its status was last written, `refused` the last published refusal of such a write. The token stays in memory while
    the link lives: in a namespace that is deleted whole, the Secret goes first.
    """

    connection: Connection
    token: str | None = None
    ca_bundle: str | None = None
    problem: OperatorError | None = None
    loaded: bool = False
    home: str | OperatorError | None = None
    accounts: dict[str | None, Account] = field(default_factory=dict)
    told: Told | None = None
    refused: str | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def close(self) -> None:
        """Keep nothing that was read for it, and let those look again that wait for a LIST."""
        self.loaded, self.token, self.ca_bundle = False, None, None
        for account in self.accounts.values():
            account.close()
        self.accounts.clear()


@dataclass(frozen=True, slots=True)
class Way:
    """How a resource reaches NetBird."""

    link: Link
    account: Account
    allow_adoption: bool
    tenant_id: str | None = None

    @property
    def account_id(self) -> str | OperatorError | None:
        """The confirmed account; None while it is not, an error where it may be the token's own and no tenant's.

        NetBird does not refuse an `account` parameter that the token has no right to: it acts in the token's own. So a
        tenant's account is one that is named as the tenant, or that is known to be another than the token's own.
        """
        found = self.account.account_id
        if self.tenant_id in (None, found) or found is None:
            return found
        if self.link.home is None or isinstance(self.link.home, OperatorError):
            return self.link.home
        if found != self.link.home:
            return found
        message = f"NetBird takes no notice of tenant {self.tenant_id}: the token may not act in it. "
        return WaitError(Reason.PERMISSION_DENIED, message + Reason.PERMISSION_DENIED.cure)


def identity_for(resource: EventStreamingIntegration) -> Identity:
    """The connection that a resource refers to."""
    ref = resource.spec.connection_ref
    namespace = resource.metadata.namespace if ref.kind is ConnectionKind.NAMESPACED else None
    return _identity(ref.kind.value, namespace, ref.name)


@lru_cache
def _identity(kind: str, namespace: str | None, name: str) -> Identity:
    """One object for the many resources that refer to it."""
    return Identity(kind, namespace, name)
