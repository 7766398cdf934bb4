"""The effects of an account's LIST and identification on the resources that use it."""

from collections.abc import Iterable

from netbird_streaming.api.types import ObjectKey
from netbird_streaming.core.inputs import AccountSnapshot, Timeouts
from netbird_streaming.core.netbird.types import Priority
from netbird_streaming.reconciler.connection.account import Account
from netbird_streaming.reconciler.ownership import Ownership, Place
from netbird_streaming.reconciler.queue import KeyQueue
from netbird_streaming.reconciler.records import lane_of
from netbird_streaming.reconciler.store import ResourceStore


class AccountListener:
    """Requeues the connection of an account, and updates the ownership of its integrations."""

    def __init__(
        self, store: ResourceStore, queue: KeyQueue[ObjectKey], ownership: Ownership, timeouts: Timeouts
    ) -> None:
        self._store = store
        self._queue = queue
        self._ownership = ownership
        self._timeouts = timeouts

    def on_list(self, account: Account, snapshot: AccountSnapshot) -> None:
        """Find the owned integrations whose absence from a LIST is not believed."""
        place = Place(account.authority, account.account_id)
        shown_since = account.known_since + self._timeouts.list_lag
        account.missed(
            frozenset(
                record.summary.id or 0
                for record in self._store.dependents(account.connection)
                if record.account is account and record.is_missed(snapshot, place, shown_since)
            )
        )

    def on_list_done(self, account: Account) -> None:
        """Requeue the connection after a LIST arrived or failed."""
        self._queue.add(account.connection)

    def on_account_identified(self, before: str, account: Account) -> None:
        """Move the claims that were made while the account was unknown."""
        self._ownership.rename_account(before, account.ownership_scope)

    def is_preparing(self, keys: Iterable[ObjectKey]) -> bool:
        """Return whether new resources of these namespaces are queued or reconciled now."""
        return any(self._queue.is_busy(lane, Priority.NEW) for lane in {lane_of(key) for key in keys})
