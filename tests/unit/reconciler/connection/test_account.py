"""The account of a token: one request for all waiting callers, and another after a new token."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from netbird_streaming.api.types import ObjectKey, TokenType
from netbird_streaming.core.inputs import AccountSnapshot
from netbird_streaming.core.netbird.types import Endpoint, Priority
from netbird_streaming.errors import RetryError, WaitError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.connection.account import Account, EndpointDigests
from netbird_streaming.reconciler.connection.peers import Peers
from tests.harness.cases import AUTHORITY
from tests.unit.netbird.fakes import FakeClock

if TYPE_CHECKING:
    from netbird_streaming.core.netbird.types import Slot
    from netbird_streaming.reconciler.ports import NetBird

FAILURE = RetryError(Reason.UNAVAILABLE, "no answer")


class AccountApi:
    """A NetBird that returns accounts or fails. Each request waits until `answers` is set."""

    def __init__(self, result: str | Exception) -> None:
        self.result = result
        self.asked = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def account_id(self, priority: Priority) -> str:
        assert priority is Priority.HIGH
        self.asked += 1
        await self.answers.wait()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    async def slot(self, _: object) -> "Slot":
        self.asked += 1
        assert isinstance(self.result, Exception)
        raise self.result


class Unheard:
    """Ignores all events."""

    def on_list_done(self, account: Account) -> None:
        """Ignore it."""

    def on_list(self, account: Account, snapshot: AccountSnapshot) -> None:
        """Ignore it."""

    def is_preparing(self, keys: Iterable[ObjectKey]) -> bool:  # noqa: ARG002  # no other resource is new
        return False

    def on_account_identified(self, before: str, account: Account) -> None:
        """Ignore it."""


def account_of(api: AccountApi) -> Account:
    account = Account(cast("NetBird", api), FakeClock(), Unheard(), ObjectKey("NetBirdConnection", "team-a", "main"))
    take(account, api, "one")
    return account


def take(account: Account, api: AccountApi, token: str) -> None:
    endpoint = Endpoint(url="https://api", token=token, token_type=TokenType.PERSONAL_ACCESS_TOKEN)
    account.rebind(cast("NetBird", api), endpoint, EndpointDigests(AUTHORITY, "endpoint", f"proof-{token}"), Peers())


async def test_concurrent_callers_share_one_request_and_its_response() -> None:
    api = AccountApi(FAILURE)
    api.answers.clear()
    account = account_of(api)
    asking = [asyncio.create_task(account.confirm(Priority.HIGH)) for _ in range(3)]
    await asyncio.sleep(0)
    assert not account.account_checked
    api.answers.set()
    assert await asyncio.gather(*asking) == [FAILURE] * 3
    assert (api.asked, account.account_checked) == (1, True)


async def test_later_caller_sends_a_new_request() -> None:
    api = AccountApi(FAILURE)
    account = account_of(api)
    assert await account.confirm(Priority.HIGH) is FAILURE
    api.result = "acc-1"
    assert await account.confirm(Priority.HIGH) is None
    assert (api.asked, account.account_id) == (2, "acc-1")


async def test_response_for_a_previous_token_is_not_used_for_the_next() -> None:
    former, latter = AccountApi("acc-1"), AccountApi("acc-2")
    former.answers.clear()
    account = account_of(former)
    asking = asyncio.create_task(account.confirm(Priority.HIGH))
    await asyncio.sleep(0)
    take(account, latter, "two")
    former.answers.set()
    assert await asking is None
    assert (account.account_id, account.account_checked) == (None, False)
    assert await account.confirm(Priority.HIGH) is None
    assert account.account_id == "acc-2"


async def test_token_that_returns_is_checked_again() -> None:
    api = AccountApi("acc-1")
    account = account_of(api)
    await account.confirm(Priority.HIGH)
    for token in ("two", "one"):
        take(account, api, token)
    assert (account.account_id, account.account_checked) == (None, False)


async def test_created_integration_is_accessible_by_its_token_or_its_account() -> None:
    account = account_of(AccountApi("acc-1"))
    assert account.is_account_of(AUTHORITY, "proof-one", None)
    assert account.is_account_of(AUTHORITY, "proof-one", "acc-1")
    assert not account.is_account_of(AUTHORITY, "proof-two", "acc-1")
    await account.confirm(Priority.HIGH)
    assert account.is_account_of(AUTHORITY, "proof-two", "acc-1")
    assert not account.is_account_of(AUTHORITY, "proof-two", None)
    assert not account.is_account_of(AUTHORITY, "proof-one", "acc-2")
    assert not account.is_account_of("authority-2", "proof-two", "acc-1")


async def test_reason_is_not_given_for_itself() -> None:
    for reason, said in ((Reason.TOKEN_REJECTED, 1), (Reason.ACCOUNT_UNCONFIRMED, 0)):
        problem = await account_of(AccountApi(WaitError(reason, "unknown account"))).confirm(Priority.HIGH)
        assert problem is not None
        assert problem.reason is Reason.ACCOUNT_UNCONFIRMED
        assert problem.message.count(f"({reason})") == said


async def test_internal_error_of_a_client_reaches_waiters_for_a_list_and_for_the_account() -> None:
    account = account_of(AccountApi(ImportError("hunter2")))
    resumed = asyncio.Event()
    key = ObjectKey("EventStreamingIntegration", "team", "hook")
    account.await_list(key, 0.0, Priority.HIGH, resumed.set)
    await asyncio.wait_for(resumed.wait(), 5)
    for problem in (account.take_list_error(key), await account.confirm(Priority.HIGH)):
        assert isinstance(problem, RetryError)
        assert "ImportError" in problem.message
        assert "hunter2" not in repr(problem)
    account.await_list(key, 0.0, Priority.HIGH, lambda: None)
    assert account.problem is not None
