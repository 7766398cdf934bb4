"""The stored integrations of a server: live ones by account, tombstones, history, and each account's list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from tests.doubles.netbird import rendering
from tests.doubles.netbird.behaviour import Behaviour
from tests.doubles.netbird.read_replica import Replica
from tests.doubles.netbird.records import Effect, Integration, Tombstone
from tests.doubles.netbird.wire import Operation

# Above 2^53, where a client that reads numbers as doubles can't distinguish neighbours.
FIRST_ID: Final = 2**53 + 1


@dataclass(frozen=True, slots=True)
class Mark:
    """The time and author of a change, and whether its request had been answered before."""

    at: datetime
    by: str
    late: bool = False


@dataclass(frozen=True, slots=True)
class Backup:
    """The content of a database at one moment."""

    live: tuple[Integration, ...]
    next_id: int


class Shelf:
    """A store of integrations that keeps all history. Every change uses `put` or `remove` and records an effect."""

    def __init__(self, behaviour: Behaviour, first_id: int = FIRST_ID) -> None:
        """Start empty. `first_id` is the id of the first integration of any account."""
        self._behaviour = behaviour
        self._first_id = self._next_id = first_id
        self._live: dict[int, Integration] = {}
        self._by_account: dict[str, dict[int, Integration]] = {}
        self._tombstones: dict[int, Tombstone] = {}
        self._history: list[Effect] = []
        self._items: dict[int, bytes] = {}
        self._lists: dict[str, bytes] = {}
        self._replica = Replica()

    @property
    def next_id(self) -> int:
        """The id of the next integration."""
        return self._next_id

    @property
    def live(self) -> Mapping[int, Integration]:
        """All live integrations, by id."""
        return self._live

    @property
    def tombstones(self) -> Mapping[int, Tombstone]:
        """All deleted integrations, by id."""
        return self._tombstones

    @property
    def history(self) -> Sequence[Effect]:
        """Every change, in order."""
        return self._history

    def of_account(self, account_id: str) -> Mapping[int, Integration]:
        """The integrations of one account, by id."""
        return self._by_account.get(account_id, {})

    def find(self, account_id: str, integration_id: int | None) -> Integration | None:
        """Find an integration in one account. Those of other accounts are not found."""
        return None if integration_id is None else self.of_account(account_id).get(integration_id)

    def take_id(self) -> int:
        """Assign an id: a new one, unless the server reuses ids."""
        if self._behaviour.reuse_ids:
            self._next_id = max(self._live, default=self._first_id - 1) + 1
        self._next_id += 1
        return self._next_id - 1

    def put(self, integration: Integration, mark: Mark) -> None:
        """Store a new integration, or a newer state of a known one."""
        operation = Operation.UPDATE if integration.id in self._live else Operation.CREATE
        self._replicate(integration.account_id, mark.at)
        self._place(integration)
        self._record(operation, integration, mark)

    def remove(self, integration: Integration, mark: Mark) -> None:
        """Delete an integration."""
        self._replicate(integration.account_id, mark.at)
        del self._live[integration.id]
        del self._by_account[integration.account_id][integration.id]
        self._items.pop(integration.id, None)
        self._lists.pop(integration.account_id, None)
        self._tombstones[integration.id] = Tombstone(integration, mark.at, mark.by)
        self._record(Operation.DELETE, integration, mark)

    def back_up(self) -> Backup:
        """Return what the database holds now."""
        return Backup(tuple(self._live.values()), self._next_id)

    def revert(self, backup: Backup) -> None:
        """Restore the database to an earlier content, ids and times included. The history has no entry of it."""
        for account_id in list(self._by_account):
            self._lists.pop(account_id, None)
        self._live.clear()
        self._by_account.clear()
        self._items.clear()
        self._next_id = backup.next_id
        for integration in backup.live:
            self._place(integration)

    def stamp(self, account_id: str, now: datetime) -> None:
        """Move `updated_at` of every integration of an account, as a server that saves its own bookkeeping does."""
        for integration in list(self.of_account(account_id).values()):
            self._place(replace(integration, updated_at=now))

    def listing(self, account_id: str, now: datetime) -> bytes:
        """Serialise an account's list as a client sees it now, with its lag."""
        former = self._replica.shown(account_id, now, self._behaviour.list_lag) if self._behaviour.list_lag else None
        return self._listing(account_id) if former is None else former

    def _listing(self, account_id: str) -> bytes:
        """Serialise an account's list from serialised items, so that a large one is quick."""
        known = self._lists.get(account_id)
        if known is not None:
            return known
        shown = []
        for integration in list(self.of_account(account_id).values())[: self._behaviour.list_limit]:
            item = self._items.get(integration.id)
            if item is None:
                item = self._items[integration.id] = rendering.full(integration, self._behaviour, in_list=True)
            shown.append(item)
        if self._behaviour.strange_items:
            shown += rendering.STRANGE_ITEMS
        content = b"null" if not shown and self._behaviour.null_when_empty else b"[" + b",".join(shown) + b"]"
        self._lists[account_id] = content
        return content

    def change_behaviour(self, behaviour: Behaviour) -> None:
        """Serialise everything again, because the server's behaviour changed."""
        self._behaviour = behaviour
        self._items.clear()
        self._lists.clear()

    def restore(self, live: Sequence[Integration], tombstones: Sequence[Tombstone], history: Sequence[Effect]) -> None:
        """Restore saved integrations, without a new effect.

        Raises:
            ValueError: a saved id was not assigned yet, so that it would be assigned again.
        """
        known = [integration.id for integration in live] + [stone.integration.id for stone in tombstones]
        if any(integration_id >= self._next_id for integration_id in known):
            message = "a saved integration has an id that was not given out yet"
            raise ValueError(message)
        for integration in live:
            self._place(integration)
        self._tombstones.update({stone.integration.id: stone for stone in tombstones})
        self._history.extend(history)

    def _replicate(self, account_id: str, at: datetime) -> None:
        """Keep the old list of an account before a change, for a list that lags."""
        if self._behaviour.list_lag:
            self._replica.changes(account_id, at, self._listing(account_id))

    def _place(self, integration: Integration) -> None:
        """Store a state and serialise it for lists at once, so that the first list after many writes is no slower."""
        self._live[integration.id] = integration
        self._by_account.setdefault(integration.account_id, {})[integration.id] = integration
        self._items[integration.id] = rendering.full(integration, self._behaviour, in_list=True)
        self._lists.pop(integration.account_id, None)

    def _record(self, operation: Operation, integration: Integration, mark: Mark) -> None:
        """Record a change."""
        self._history.append(
            Effect(
                at=mark.at,
                operation=operation,
                integration_id=integration.id,
                account_id=integration.account_id,
                platform=integration.platform,
                config=integration.config,
                enabled=integration.enabled,
                by=mark.by,
                late=mark.late,
            ),
        )
