"""Integrations that the operator created for resources that were deleted before the id could be written."""

import logging
from collections.abc import Container
from typing import Final, NamedTuple

from netbird_streaming.api.types import ObjectKey
from netbird_streaming.core.memory import CreatedIntegration
from netbird_streaming.core.netbird.types import Priority
from netbird_streaming.errors import NotFoundError, WaitError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.connection.account import Account
from netbird_streaming.reconciler.ports import Outcome
from netbird_streaming.reconciler.queue import KeyQueue

logger = logging.getLogger(__name__)

UNOWNED: Final = "UnownedIntegration"
"""The kind of the key of such an integration in the queue."""


class UnownedIntegration(NamedTuple):
    """The answer to the POST, and the account that the POST went to."""

    account: Account
    created: CreatedIntegration

    @property
    def is_reachable(self) -> bool:
        """Return whether the connection still leads to that account: another token may be another account's."""
        created = self.created
        return self.account.is_account_of(created.authority, created.credential_digest, created.item.account_id)


class UnownedIntegrations:
    """Deletes the integrations that no status names, so that nothing else will ever delete them."""

    def __init__(self, queue: KeyQueue[ObjectKey]) -> None:
        self._queue = queue
        self._known: dict[ObjectKey, UnownedIntegration] = {}

    def add(self, account: Account, created: CreatedIntegration) -> None:
        """Queue an integration to be deleted."""
        key = ObjectKey(UNOWNED, None, str(created.item.id))
        self._known[key] = UnownedIntegration(account, created)
        self._queue.add(key, Priority.HIGH)

    def ids_in(self, accounts: Container[Account]) -> list[str]:
        """Return the ids of the integrations in these accounts."""
        return [key.name for key, unowned in self._known.items() if unowned.account in accounts]

    async def delete(self, key: ObjectKey) -> Outcome:
        """Delete one.

        Raises:
            WaitError: The connection is not known to lead to the integration's account.
        """
        unowned = self._known.get(key)
        if unowned is None:
            return Outcome.SUCCESS
        if not unowned.is_reachable:
            message = (
                f"Integration {key.name} was created for a resource that is gone, with another token, and the "
                f"connection is not known to lead to its account. {Reason.ACCOUNT_UNCONFIRMED.remedy}"
            )
            raise WaitError(Reason.ACCOUNT_UNCONFIRMED, message)
        try:
            async with self._queue.slot_released(key):
                await unowned.account.client.delete(int(key.name), Priority.HIGH)
        except NotFoundError:
            pass
        del self._known[key]
        logger.info("deleted unowned integration", extra={"reason": Reason.DELETING, "integration": int(key.name)})
        return Outcome.SUCCESS
