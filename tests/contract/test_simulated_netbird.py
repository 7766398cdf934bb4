"""The simulation's NetBird client gives the same results as the shipped one over HTTP, with the same server.

Both run the same scenario, and their results are compared field by field. Times are numbered in order of appearance.
"""

import asyncio
import random
from collections.abc import Awaitable
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from netbird_streaming.api.types import RateLimit, TokenType
from netbird_streaming.core.netbird.types import Endpoint, IntegrationRequest, Listing, Priority
from netbird_streaming.errors import EditError, NotFoundError, OperatorError, RetryError, WaitError
from netbird_streaming.netbird.client import ClientContext
from netbird_streaming.netbird.factory import ClientFactory
from netbird_streaming.netbird.http_clients import EnvironmentHttpClients
from netbird_streaming.reconciler.ports import NetBird as Client
from tests.doubles.netbird import faults
from tests.doubles.netbird.behaviour import Behaviour, HeaderMask, TimeForm, UpdateForm
from tests.doubles.netbird.faults import Fault, Moment, error_reply
from tests.doubles.netbird.model import NetBird
from tests.doubles.netbird.server import SimulatedNetBird
from tests.doubles.netbird.tenancy import Account, Token
from tests.doubles.netbird.wire import Operation
from tests.simulation.host import EPOCH
from tests.simulation.loop import BEGIN, VirtualLoop
from tests.simulation.netbird import NO_OBSERVER, SimNetBirdFactory
from tests.simulation.network import InjectedFault, Network, Process
from tests.simulation.random_faults import NetworkFaults, RequestFault, ScriptedFaults

TOKEN: Final = Token("robot", "nbp_personal", "acc-1", tenants=frozenset({"acc-2"}))
PLENTY: Final = RateLimit(requests_per_minute=60_000, burst=60_000)
REJECTED: Final = "rejected-key"
DATADOG: Final = IntegrationRequest("datadog", {"api_url": "https://IN.example/", "api_key": "key"}, enabled=True)
WEBHOOK: Final = IntegrationRequest(
    "generic_http", {"url": "https://siem.example/in", "headers": '{"X-Key":"v"}', "body_template": ""}, enabled=False
)
PLAIN: Final = Behaviour(
    post_ignores_enabled=False, put_answers_before=False, thin_get=False, null_when_empty=False, burst=100_000
)
HARD: Final = Behaviour(burst=100_000)
BRANCHES: Final = (NotFoundError, RetryError, EditError, WaitError)
LONG: Final = 600.0
HABITS: Final = {
    "plain": PLAIN,
    "hard": HARD,
    "replaces": replace(PLAIN, update_form=UpdateForm.REPLACE, mask_headers=HeaderMask.VALUES, date_header=False),
    "forms": replace(HARD, normalise_urls=True, mask_headers=HeaderMask.NONE, time_form=TimeForm.UTC),
    "one for each platform": replace(PLAIN, one_per_platform=True),
    "rejects by 422": replace(PLAIN, rejection_status=422),
}


class Clock:
    """The machine's clock."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 1000)


class Results:
    """The results, one line each."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._moments: dict[str, int] = {}

    async def says(self, what: str, asked: Awaitable[Any]) -> Any:
        try:
            answer = await asked
        except OperatorError as error:
            branch = next(each for each in BRANCHES if isinstance(error, each))
            self.lines.append(f"{what}: {branch.__name__}, {error.reason}, {error.effect.name}")
            return None
        self.lines.append(f"{what}: {self._shown(answer)}")
        return answer

    def _shown(self, answer: object) -> str:
        if isinstance(answer, Listing):
            return f"{[self._shown(each) for each in answer.items]}, {'dated' if answer.date else 'undated'}"
        if not is_dataclass(answer):
            return repr(answer)
        shown = {each.name: getattr(answer, each.name) for each in fields(answer)}
        for name in ("created_at", "updated_at"):
            if shown[name] is not None:
                shown[name] = self._moments.setdefault(str(shown[name]), len(self._moments))
        return repr(shown)


def model(habits: Behaviour) -> NetBird:
    made = NetBird(replace(habits, rejected_secrets=frozenset({REJECTED})), first_id=2**53 + 1)
    for account in ("acc-1", "acc-2"):
        made.directory.add_account(Account(account))
    made.directory.add_token(TOKEN)
    return made


async def play(server: NetBird, client: Client, results: Results) -> None:
    """Call every operation, with success and with failure."""
    await results.says("nothing", client.list_integrations(Priority.LOW))
    await results.says("account", client.account_id(Priority.LOW))
    made = await results.says("made", client.create(DATADOG, Priority.HIGH))
    await results.says("made again", client.create(DATADOG, Priority.HIGH))
    await results.says("made off", client.create(WEBHOOK, Priority.HIGH))
    await results.says("listed", client.list_integrations(Priority.LOW))
    await results.says("got", client.get(made.id, Priority.LOW))
    await results.says("switched off", client.update(made.id, replace(DATADOG, enabled=False), Priority.HIGH))
    await results.says("listed after", client.list_integrations(Priority.LOW))
    rejected = replace(DATADOG, config={**DATADOG.config, "api_key": REJECTED})
    await results.says("rejected", client.create(rejected, Priority.HIGH))
    await results.says("rejected update", client.update(made.id, rejected, Priority.HIGH))
    await results.says("deleted", client.delete(made.id, Priority.HIGH))
    for what, asked in (
        ("no get", client.get(made.id, Priority.LOW)),
        ("no update", client.update(made.id, DATADOG, Priority.HIGH)),
        ("no delete", client.delete(made.id, Priority.HIGH)),
    ):
        await results.says(what, asked)
    server.directory.add_token(replace(TOKEN, may_write=False, may_read_accounts=False))
    await results.says("may not write", client.create(DATADOG, Priority.HIGH))
    await results.says("may not read accounts", client.account_id(Priority.LOW))
    server.directory.revoke_token(TOKEN.id)
    await results.says("unknown token", client.list_integrations(Priority.LOW))
    await results.says("unknown token writes", client.create(DATADOG, Priority.HIGH))


async def fail(client: Client, results: Results) -> None:
    """Send a write and one read, with any outcome."""
    await results.says("write", client.create(DATADOG, Priority.HIGH))
    await results.says("read", client.list_integrations(Priority.LOW))


class Virtual:
    """The simulation's client, under a virtual clock."""

    def __init__(self, habits: Behaviour = PLAIN) -> None:
        self.loop = VirtualLoop()
        self.server = model(habits)
        self.line = Network(self.loop, ScriptedFaults({}), NetworkFaults(), lambda _: None, 0.0)

    def client(self, tenant: str | None = None) -> Client:
        process = Process("p0", self.loop)
        clients = SimNetBirdFactory(
            self.server, lambda: EPOCH + timedelta(seconds=self.loop.now), self.line, process, NO_OBSERVER
        )
        return clients.client(Endpoint("", TOKEN.value, TokenType.PERSONAL_ACCESS_TOKEN, tenant_id=tenant), PLENTY)

    def run(self, played: Any) -> None:
        task = self.loop.create_task(played)
        self.loop.run_until(BEGIN + LONG)
        task.result()


def factory(timeout: float) -> ClientFactory:
    context = ClientContext(Clock(), random.Random(1), lambda: None)
    return ClientFactory(context, timeout=timeout, initial_fraction=1.0, http=EnvironmentHttpClients({}))


@pytest.mark.parametrize("tenant", [None, "acc-2"], ids=["home", "tenant"])
@pytest.mark.parametrize("habits", HABITS)
async def test_both_clients_give_the_same_results_for_every_operation(habits: str, tenant: str | None) -> None:
    real, simulated = Results(), Results()
    async with SimulatedNetBird(model(HABITS[habits])) as server, factory(timeout=10) as clients:
        endpoint = Endpoint(server.url, TOKEN.value, TokenType.PERSONAL_ACCESS_TOKEN, tenant_id=tenant)
        client = clients.client(endpoint, PLENTY)  # its connections last as long as it does
        await play(server.model, client, real)
    virtual = Virtual(HABITS[habits])
    await asyncio.to_thread(virtual.run, play(virtual.server, virtual.client(tenant), simulated))
    assert simulated.lines == real.lines


@pytest.mark.parametrize(
    ("fault", "failure", "moment"),
    [
        (RequestFault.DROPPED, faults.Hang(), Moment.BEFORE),
        (RequestFault.UNANSWERED, faults.Hang(), Moment.AFTER),
        (RequestFault.BROKEN, error_reply(503), Moment.BEFORE),
        (RequestFault.BROKEN_APPLIED, error_reply(500), Moment.AFTER),
        (RequestFault.LIMITED, error_reply(429), Moment.BEFORE),
        # The first of the refusals that the simulation chooses from.
        (RequestFault.REFUSED, error_reply(401), Moment.BEFORE),
    ],
)
async def test_both_clients_give_the_same_result_for_a_fault(fault: RequestFault, failure: Any, moment: Moment) -> None:
    real, simulated = Results(), Results()
    async with SimulatedNetBird(model(PLAIN)) as server, factory(timeout=0.3) as clients:
        for operation in (Operation.CREATE, Operation.LIST):
            server.exchange.faults.add(Fault(failure, moment, operation, times=None))
        endpoint = Endpoint(server.url, TOKEN.value, TokenType.PERSONAL_ACCESS_TOKEN)
        client = clients.client(endpoint, PLENTY)
        await fail(client, real)
        made = len(server.model.integrations)
    virtual = Virtual()
    virtual.line.injected_faults = [InjectedFault("CREATE", fault), InjectedFault("LIST", fault)]
    await asyncio.to_thread(virtual.run, fail(virtual.client(), simulated))
    assert simulated.lines == real.lines
    assert len(virtual.server.integrations) == made
