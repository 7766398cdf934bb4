"""The port through which an account reports its LISTs and its identity."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from netbird_streaming.api.types import ObjectKey
from netbird_streaming.core.inputs import AccountSnapshot

if TYPE_CHECKING:
    from netbird_streaming.reconciler.connection.account import Account


class AccountEvents(Protocol):
    """The receiver of what happens to an account."""

    def on_list_done(self, account: "Account") -> None:
        """Handle a LIST that arrived or failed."""
        ...

    def on_list(self, account: "Account", snapshot: AccountSnapshot) -> None:
        """Handle a LIST that arrived, before any resource acts on it."""
        ...

    def is_preparing(self, keys: Iterable[ObjectKey]) -> bool:
        """Return whether other new resources of these namespaces are being prepared for their create."""
        ...

    def on_account_identified(self, before: str, account: "Account") -> None:
        """Handle that an account became known: claims of `before` are claims of its `ownership_scope`."""
        ...
