"""The check which account a token is for."""

import asyncio
from collections.abc import Callable

from netbird_streaming import background
from netbird_streaming.core.netbird.types import Priority
from netbird_streaming.errors import OperatorError, RetryError, WaitError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.ports import NetBird


class AccountCheck:
    """Asks `GET /api/accounts` once for all resources that need the account at the same time."""

    def __init__(self) -> None:
        self._credential_digest: str | None = None
        self._task: asyncio.Task[OperatorError | None] | None = None

    def is_done(self, credential_digest: str) -> bool:
        """Return whether NetBird was asked with this token, whatever the result."""
        return self._credential_digest == credential_digest and self._task is not None and self._task.done()

    async def run(
        self, client: NetBird, credential_digest: str, priority: Priority, found: Callable[[str], None]
    ) -> OperatorError | None:
        """Ask for the account, and pass its id to `found`. Return why NetBird did not answer with one."""
        if self._task is None or self._task.done() or self._credential_digest != credential_digest:
            self._credential_digest = credential_digest
            self._task = background.start(_check(client, priority, found), "account check")
        return await asyncio.shield(self._task)

    def reset(self) -> None:
        """Forget the result: the token changed."""
        self._credential_digest = None

    def cancel(self) -> None:
        """Stop asking."""
        if self._task is not None:
            self._task.cancel()


async def _check(client: NetBird, priority: Priority, found: Callable[[str], None]) -> OperatorError | None:
    try:
        found(await client.account_id(priority))
    except RetryError as problem:
        return problem
    except Exception as problem:  # noqa: BLE001  # the waiting resources must not wait for ever
        if not isinstance(problem, OperatorError):
            return background.unexpected(problem, "Reading the token's account")
        why = f" ({problem.reason})" if problem.reason is not Reason.ACCOUNT_UNCONFIRMED else ""
        message = (
            "No listed integration and no other answer of NetBird identifies the account of the token"
            f"{why}. {Reason.ACCOUNT_UNCONFIRMED.remedy}"
        )
        return WaitError(Reason.ACCOUNT_UNCONFIRMED, message)
    return None
