"""The simulated NetBird API on the wire: faults as a client meets them, and the control API."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.doubles.netbird.control import ControlError
from tests.doubles.netbird.faults import (
    Failure,
    Fault,
    Hang,
    Moment,
    Oversize,
    Redirect,
    Reset,
    Slow,
    Truncate,
    error_reply,
    html_reply,
)
from tests.doubles.netbird.model import NetBird
from tests.doubles.netbird.process import NetBirdError, RunningNetBird, running_netbird
from tests.doubles.netbird.records import DASHBOARD, Draft
from tests.doubles.netbird.server import SimulatedNetBird
from tests.doubles.netbird.tenancy import Account, Token
from tests.doubles.netbird.wire import Operation

PATH: Final = "/api/integrations/event-streaming"
TOKEN: Final = Token("robot", "nbp_wire", "acc-1")
HEADERS: Final = {"Authorization": TOKEN.authorization}
CONFIG: Final = {"api_url": "https://intake.example.com", "api_key": "dd-key"}
BODY: Final = {"platform": "datadog", "config": CONFIG, "enabled": True}


@pytest.fixture
async def netbird() -> AsyncIterator[SimulatedNetBird]:
    model = NetBird()
    model.directory.add_account(Account("acc-1"))
    model.directory.add_token(TOKEN)
    async with SimulatedNetBird(model) as server:
        yield server


@pytest.fixture
async def client(netbird: SimulatedNetBird) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=netbird.url, headers=HEADERS, trust_env=False, timeout=5) as opened:
        yield opened


async def create(
    netbird: SimulatedNetBird, client: httpx.AsyncClient, failure: Failure, moment: Moment
) -> httpx.Response:
    netbird.exchange.faults.add(Fault(failure, moment, Operation.CREATE, late=0.05))
    return await client.post(PATH, json=BODY)


async def until(done: Callable[[], bool]) -> None:
    """Wait for an action of the server. The test's own timeout ends a wait in vain."""
    while not done():  # noqa: ASYNC110 - the server under test has no event
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(("moment", "there"), [(Moment.BEFORE, 0), (Moment.AFTER, 1)])
async def test_reset_leaves_the_outcome_unknown(
    netbird: SimulatedNetBird, client: httpx.AsyncClient, moment: Moment, there: int
) -> None:
    with pytest.raises(httpx.ReadError):
        await create(netbird, client, Reset(), moment)
    assert len(netbird.model.integrations) == there
    assert (await client.get(PATH)).status_code == 200, "the server is there again for the next request"


@pytest.mark.parametrize(("moment", "there"), [(Moment.BEFORE, 0), (Moment.AFTER, 1)])
async def test_hang_lasts_until_the_client_gives_up(
    netbird: SimulatedNetBird, client: httpx.AsyncClient, moment: Moment, there: int
) -> None:
    client.timeout = httpx.Timeout(0.1)
    with pytest.raises(httpx.ReadTimeout):
        await create(netbird, client, Hang(), moment)
    assert len(netbird.model.integrations) == there
    await until(lambda: netbird.journal.entries[0].answered_at is not None)
    (entry,) = netbird.journal.entries
    assert (entry.answered_at is not None, entry.status, entry.fault) == (True, None, "hang")


async def test_late_commit_comes_after_its_timeout(netbird: SimulatedNetBird, client: httpx.AsyncClient) -> None:
    answer = await create(netbird, client, error_reply(504), Moment.LATE)
    assert (answer.status_code, (await client.get(PATH)).json()) == (504, None)
    await asyncio.sleep(0.06)
    assert len((await client.get(PATH)).json()) == 1


async def test_truncated_body_ends_too_early(netbird: SimulatedNetBird, client: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|without sending complete"):
        await create(netbird, client, Truncate(10), Moment.AFTER)
    assert len(netbird.model.integrations) == 1


@pytest.mark.parametrize(("failure", "status"), [(html_reply(), 200), (error_reply(502), 502), (Redirect("/x"), 307)])
async def test_replaced_response_hides_the_effect(
    netbird: SimulatedNetBird, client: httpx.AsyncClient, failure: Failure, status: int
) -> None:
    answer = await create(netbird, client, failure, Moment.AFTER)
    assert (answer.status_code, len(netbird.model.integrations)) == (status, 1)
    assert netbird.journal.entries[0].applied


async def test_oversized_body_has_the_requested_size(netbird: SimulatedNetBird, client: httpx.AsyncClient) -> None:
    answer = await create(netbird, client, Oversize(1_000_000), Moment.AFTER)
    assert len(answer.content) == 1_000_000
    assert answer.json()["account_id"] == "acc-1"


@pytest.mark.parametrize("slow", [Slow(header=0.2), Slow(body=0.2)])
async def test_slow_response_is_late_and_true(netbird: SimulatedNetBird, client: httpx.AsyncClient, slow: Slow) -> None:
    begun = time.monotonic()
    answer = await create(netbird, client, slow, Moment.AFTER)
    assert time.monotonic() - begun >= 0.2
    assert answer.json()["config"]["api_key"] == "****"


async def test_slow_response_delays_no_other(netbird: SimulatedNetBird, client: httpx.AsyncClient) -> None:
    netbird.exchange.faults.add(Fault(Slow(header=3), Moment.AFTER, Operation.CREATE))
    slow = asyncio.create_task(client.post(PATH, json=BODY))
    await until(lambda: bool(netbird.model.integrations))
    assert (await client.get(PATH)).status_code == 200
    assert not slow.done()
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow


async def test_server_without_a_date_setting_sends_no_date(
    netbird: SimulatedNetBird, client: httpx.AsyncClient
) -> None:
    assert "Date" in (await client.get(PATH)).headers
    assert "Server" not in (await client.get(PATH)).headers
    netbird.model.behaviour = type(netbird.model.behaviour)(date_header=False)
    assert "Date" not in (await client.get(PATH)).headers


async def test_ten_thousand_are_listed_at_once(netbird: SimulatedNetBird, client: httpx.AsyncClient) -> None:
    for _ in range(10_000):
        netbird.model.dashboard_create("acc-1", Draft("datadog", CONFIG), netbird.now())
    assert len((await client.get(PATH)).json()) == 10_000


async def test_journal_names_tokens_without_their_values(netbird: SimulatedNetBird, client: httpx.AsyncClient) -> None:
    await client.post(PATH, params={"account": "acc-1"}, json=BODY)
    (entry,) = netbird.journal.entries
    assert (entry.method, entry.path, entry.query, entry.status) == ("POST", PATH, "account=acc-1", 200)
    assert (entry.operation, entry.token_id, entry.account_id) == (Operation.CREATE, "robot", "acc-1")
    assert json.loads(entry.body) == BODY, "the journal is for tests, and keeps what was sent"
    assert TOKEN.value not in repr(entry)


@pytest.fixture(scope="module")
def process() -> Iterator[RunningNetBird]:
    with running_netbird() as running:
        running.control.add_account(Account("acc-1"))
        running.control.add_token(TOKEN)
        yield running


def ask(process: RunningNetBird, method: str, path: str = PATH, **extra: Any) -> httpx.Response:
    return httpx.request(method, process.url + path, headers=HEADERS, trust_env=False, **extra)


def test_control_client_reads_and_writes_everything(process: RunningNetBird) -> None:
    control = process.control
    before = control.figures().requests
    found = ask(process, "POST", json=BODY).json()["id"]
    control.edit(found, {"api_key": "edited"}, enabled=False)
    (foreign,) = control.create("acc-1", [Draft("datadog", CONFIG)])
    control.delete(foreign)
    kept = {each.id: each for each in control.integrations("acc-1")}
    assert (dict(kept[found].config), kept[found].enabled) == ({**CONFIG, "api_key": "edited"}, False)
    assert foreign not in kept
    assert [effect.by for effect in control.history()[-4:]] == ["token:robot", DASHBOARD, DASHBOARD, DASHBOARD]
    assert [entry.operation for entry in control.journal(before)] == [Operation.CREATE]
    assert control.figures().test_events[found] == 2
    assert control.state().tombstones[-1].integration.id == foreign


def test_faults_are_armed_and_disarmed_by_the_control_api(process: RunningNetBird) -> None:
    first = process.control.add_fault(Fault(error_reply(503), operation=Operation.LIST, times=None))
    assert ask(process, "GET").status_code == 503
    assert process.control.faults()[0].struck == 1
    process.control.remove_fault(first)
    assert ask(process, "GET").status_code == 200
    process.control.add_fault(Fault(Reset()))
    process.control.clear_faults()
    assert ask(process, "GET").status_code == 200


def test_behaviour_and_tokens_are_changed_by_the_control_api(process: RunningNetBird) -> None:
    control = process.control
    assert control.change_behaviour(licensed=False, rejected_secrets={"bad"}).rejected_secrets == {"bad"}
    assert ask(process, "GET").status_code == 404
    assert control.change_behaviour(licensed=True).licensed
    control.add_token(Token("brief", "nbp_brief", "acc-1"))
    control.revoke_token("brief")
    answer = httpx.get(process.url + PATH, headers={"Authorization": "Token nbp_brief"}, trust_env=False)
    assert answer.status_code == 401
    assert control.behaviour().rejected_secrets == {"bad"}


def test_wrong_command_is_refused_with_a_reason(process: RunningNetBird) -> None:
    with pytest.raises(ControlError, match="no such settings: colour"):
        process.control.change_behaviour(colour="blue")
    with pytest.raises(ControlError, match="burst is at least 1"):
        process.control.change_behaviour(burst=0)
    with pytest.raises(ControlError, match="not there"):
        process.control.delete(1)
    with pytest.raises(ControlError, match="not there"):
        process.control.revoke_token("unknown")


def test_state_file_outlives_the_process(tmp_path: Path) -> None:
    state = tmp_path / "netbird.json"
    arguments = ("--state", str(state), "--first-id", "7")
    with running_netbird(arguments) as first:
        first.control.add_account(Account("acc-1"))
        first.control.add_token(TOKEN)
        assert ask(first, "POST", json=BODY).json()["id"] == 7
        before = first.control.state()
    assert state.stat().st_mode & 0o077 == 0, "it holds secrets"
    with running_netbird(arguments) as second:
        assert second.control.state() == before
        assert ask(second, "POST", json=BODY).json()["id"] == 8


def test_process_that_can_not_start_reports_it() -> None:
    with pytest.raises(NetBirdError, match="invalid int value"), running_netbird(("--port", "http")):
        pass
