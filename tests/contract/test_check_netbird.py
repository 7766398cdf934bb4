"""`check` of an account, against the simulated NetBird on the wire."""

import argparse
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from netbird_streaming.api.types import RateLimit, TokenType
from netbird_streaming.cli import check_netbird
from netbird_streaming.cli.account_access import AccountAccess
from netbird_streaming.cli.commands import Invocation
from netbird_streaming.cli.output import State
from netbird_streaming.cli.session import netbird_clients
from netbird_streaming.clock import SystemClock
from netbird_streaming.config.settings import Settings
from netbird_streaming.core.netbird.types import Endpoint
from netbird_streaming.netbird.factory import ClientFactory
from netbird_streaming.reasons import Reason
from tests.doubles.netbird.model import NetBird
from tests.doubles.netbird.records import Draft
from tests.doubles.netbird.server import SimulatedNetBird
from tests.doubles.netbird.tenancy import Account, Token

TOKEN = Token("robot", "nbp_check", "acc-1", tenants=frozenset({"tenant-a"}))
CONFIG = {"api_url": "https://intake.example.com", "api_key": "dd-key"}


class AheadClock(SystemClock):
    """Clock that is ten minutes ahead."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(minutes=10)


@pytest.fixture
async def server() -> AsyncIterator[SimulatedNetBird]:
    model = NetBird()
    for account in ("acc-1", "tenant-a", "tenant-b"):
        model.directory.add_account(Account(account))
    model.directory.add_token(TOKEN)
    async with SimulatedNetBird(model) as running:
        yield running


@pytest.fixture
async def clients() -> AsyncIterator[ClientFactory]:
    invocation = Invocation(argparse.Namespace(), {}, io.StringIO(), io.StringIO())
    async with netbird_clients(invocation, Settings(request_timeout=5), SystemClock()) as factory:
        yield factory


def access(url: str, clients: ClientFactory, token: str = TOKEN.value) -> AccountAccess:
    return AccountAccess(Endpoint(url, token, TokenType.PERSONAL_ACCESS_TOKEN), clients, RateLimit())


async def test_account_without_integrations_is_named(server: SimulatedNetBird, clients: ClientFactory) -> None:
    found = await check_netbird.account("NetBird", access(server.url, clients), None, SystemClock())
    (finding,) = found.findings
    assert found.account_id == "acc-1"
    assert finding.state is State.OK
    assert f"{server.url} accepts the token: account acc-1, 0 integrations" in finding.message


async def test_server_with_an_ipv6_address_is_reached(server: SimulatedNetBird, clients: ClientFactory) -> None:
    await server.stop()
    url = await server.start("::1")
    found = await check_netbird.account("NetBird", access(url, clients), None, SystemClock())
    assert url.startswith("http://[::1]:")
    assert found.account_id == "acc-1"


async def test_tenant_has_its_own_account(server: SimulatedNetBird, clients: ClientFactory) -> None:
    server.model.dashboard_create("tenant-a", Draft("datadog", CONFIG), server.now())
    found = await check_netbird.account("NetBird", access(server.url, clients), "tenant-a", SystemClock())
    assert (found.account_id, found.findings[0].state) == ("tenant-a", State.OK)


async def test_rejected_token_has_the_remedy_of_the_status(server: SimulatedNetBird, clients: ClientFactory) -> None:
    found = await check_netbird.account("NetBird", access(server.url, clients, "nbp_other"), None, SystemClock())
    (finding,) = found.findings
    assert (finding.state, finding.reason) == (State.PROBLEM, Reason.TOKEN_REJECTED)
    assert finding.remedy == Reason.TOKEN_REJECTED.remedy
    assert Reason.TOKEN_REJECTED.remedy not in finding.message


async def test_wrong_clock_is_a_problem(server: SimulatedNetBird, clients: ClientFactory) -> None:
    found = await check_netbird.account("NetBird", access(server.url, clients), None, AheadClock())
    assert [each.state for each in found.findings] == [State.OK, State.PROBLEM]
    assert "differ by" in found.findings[1].message


async def test_unreachable_server_is_a_problem(clients: ClientFactory) -> None:
    found = await check_netbird.account("NetBird", access("http://127.0.0.1:1", clients), None, SystemClock())
    assert (found.findings[0].state, found.findings[0].reason) == (State.PROBLEM, Reason.UNAVAILABLE)
