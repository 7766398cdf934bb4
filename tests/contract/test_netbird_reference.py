"""The vendor's examples against the simulated NetBird API and its OpenAPI description."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import schemathesis
import yaml
from jsonschema_rs import Draft202012Validator

from tests.doubles.netbird.behaviour import Behaviour, PathFamily, UnknownPath
from tests.doubles.netbird.model import NetBird
from tests.doubles.netbird.records import Draft
from tests.doubles.netbird.server import SimulatedNetBird
from tests.doubles.netbird.tenancy import Account, Token, TokenKind

DESCRIPTION: Final = Path(__file__).parents[1] / "doubles" / "netbird" / "openapi.yaml"
CREATED: Final = datetime(2024, 1, 4, 14, 3, 26, 634554, tzinfo=UTC)
ID: Final = 9007199254740993
PATH: Final = "/api/integrations/event-streaming"
TOKEN: Final = Token("robot", "nbp_reference", "acc-1")

# The examples of the vendor's reference, with their placeholders filled in.
CONFIG: Final = {"api_url": "https://http-intake.logs.datadoghq.eu/api/v2/logs", "api_key": "dd-key"}
NEW_CONFIG: Final = {"api_url": "https://http-intake.logs.datadoghq.com/api/v2/logs", "api_key": "dd-key"}
REJECTED: Final = {"api_key": "dd-refused"}
CREATE_REQUEST: Final = {"platform": "datadog", "config": CONFIG, "enabled": True}
UPDATE_REQUEST: Final = {"platform": "datadog", "config": NEW_CONFIG, "enabled": True}
CREATE_ANSWER: Final = {
    "id": ID,
    "account_id": "acc-1",
    "enabled": True,
    "platform": "datadog",
    "created_at": "2024-01-04T14:03:26.634554Z",
    "updated_at": "2024-01-04T14:03:26.634554Z",
    "config": {"api_key": "****", "api_url": "https://http-intake.logs.datadoghq.eu/api/v2/logs"},
}
GET_ANSWER: Final = {"id": ID, "client_id": "client", "tenant_id": "tenant", "sync_interval": 300, "enabled": True}
LIST_ANSWER: Final = [
    {
        "id": ID,
        "account_id": "acc-1",
        "enabled": True,
        "platform": "datadog",
        "created_at": "2024-01-04T15:03:26.634554+01:00",
        "updated_at": "2024-01-04T15:03:26.634554+01:00",
        "config": {"api_key": "****", "api_url": "https://http-intake.logs.datadoghq.eu/api/v2/logs"},
    },
]


def validator(name: str) -> Draft202012Validator:
    description: dict[str, Any] = yaml.safe_load(DESCRIPTION.read_text())
    schema = {"$ref": f"#/components/schemas/{name}", "components": description["components"]}
    return Draft202012Validator(schema, validate_formats=True)


@pytest.fixture
async def netbird() -> AsyncIterator[SimulatedNetBird]:
    model = NetBird(first_id=ID)
    model.directory.add_account(Account("acc-1"))
    model.directory.add_token(TOKEN)
    server = SimulatedNetBird(model, clock=lambda: CREATED)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def client(netbird: SimulatedNetBird) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": TOKEN.authorization, "Accept": "application/json"}
    async with httpx.AsyncClient(base_url=netbird.url, headers=headers, trust_env=False) as opened:
        yield opened


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("NewIntegration", CREATE_REQUEST),
        ("IntegrationChange", UPDATE_REQUEST),
        ("Integration", CREATE_ANSWER),
        ("ThinIntegration", GET_ANSWER),
        ("IntegrationList", LIST_ANSWER),
        ("IntegrationList", None),
        ("Error", {"message": "rate limit exceeded, please try again later", "code": 429}),
    ],
)
def test_vendors_examples_match_the_description(name: str, example: object) -> None:
    validator(name).validate(example)


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("NewIntegration", {**CREATE_REQUEST, "platform": "splunk"}),
        ("NewIntegration", {**CREATE_REQUEST, "config": {"api_key": "no-url"}}),
        ("NewIntegration", {**CREATE_REQUEST, "enabled": "true"}),
        ("IntegrationChange", {"enabled": True}),
        ("Integration", {**CREATE_ANSWER, "config": {"api_key": "dd-key", "api_url": "https://example.com"}}),
        ("Integration", {**CREATE_ANSWER, "id": "123"}),
        ("Integration", {**CREATE_ANSWER, "updated_at": "yesterday"}),
        ("Integration", GET_ANSWER),
        ("ThinIntegration", CREATE_ANSWER),
        ("IntegrationList", {}),
    ],
)
def test_description_refuses_wrong_examples(name: str, example: object) -> None:
    assert not validator(name).is_valid(example)


async def test_server_responds_like_the_vendors_examples(client: httpx.AsyncClient) -> None:
    created = await client.post(PATH, json=CREATE_REQUEST)
    got = await client.get(f"{PATH}/{ID}")
    listed = await client.get(PATH)
    updated = await client.put(f"{PATH}/{ID}", json=UPDATE_REQUEST)
    deleted = await client.delete(f"{PATH}/{ID}")
    empty = await client.get(PATH)
    answers = (created, got, listed, updated, deleted, empty)
    assert [answer.status_code for answer in answers] == [200] * 6
    assert created.json() == CREATE_ANSWER
    assert got.json().keys() == GET_ANSWER.keys()
    assert listed.json() == LIST_ANSWER
    assert updated.json() == CREATE_ANSWER, "the answer to a PUT shows the values from before"
    assert deleted.json() == {}
    assert empty.content == b"null"
    assert {answer.headers["Date"] for answer in answers} == {"Thu, 04 Jan 2024 14:03:26 GMT"}


async def test_change_that_a_put_did_not_show_is_in_the_list(client: httpx.AsyncClient) -> None:
    await client.post(PATH, json=CREATE_REQUEST)
    await client.put(f"{PATH}/{ID}", json=UPDATE_REQUEST)
    (listed,) = (await client.get(PATH)).json()
    assert listed["config"]["api_url"] == NEW_CONFIG["api_url"]


@dataclass(frozen=True)
class Refused:
    """A refused request: `tail` follows the collection's path, `extra` is passed to httpx."""

    status: int
    method: str
    tail: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


REFUSALS: Final = {
    "unreadable body": Refused(400, "POST", extra={"content": b"{"}),
    "body of a wrong type": Refused(400, "POST", extra={"json": []}),
    "id that is no number": Refused(400, "DELETE", "/one"),
    "id above 64 bits": Refused(400, "DELETE", "/9223372036854775808"),
    "no token": Refused(401, "GET", extra={"headers": {"Authorization": ""}}),
    "personal token as Bearer": Refused(401, "GET", extra={"headers": {"Authorization": f"Bearer {TOKEN.value}"}}),
    "revoked token": Refused(401, "GET", extra={"headers": {"Authorization": "Bearer old"}}),
    "no right to write": Refused(403, "DELETE", f"/{ID}", {"headers": {"Authorization": "Token reader"}}),
    "id that is not there": Refused(404, "GET", "/1"),
    "second of a platform": Refused(409, "POST", extra={"json": CREATE_REQUEST}),
    "destination that refuses": Refused(412, "PUT", f"/{ID}", {"json": {"config": REJECTED, "enabled": True}}),
    "body that is too large": Refused(413, "POST", extra={"content": b" " * (8 * 2**20 + 1)}),
    "unknown platform": Refused(422, "POST", extra={"json": {**CREATE_REQUEST, "platform": "splunk"}}),
    "token over its budget": Refused(429, "GET", extra={"headers": {"Authorization": "Token spent"}}),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS)
async def test_every_refusal_is_described(netbird: SimulatedNetBird, client: httpx.AsyncClient, case: Refused) -> None:
    directory = netbird.model.directory
    directory.add_token(Token("old", "old", "acc-1", kind=TokenKind.OAUTH2, revoked=True))
    directory.add_token(Token("reader", "reader", "acc-1", may_write=False))
    directory.add_token(Token("spent", "spent", "acc-1"))
    netbird.model.dashboard_create("acc-1", Draft("datadog", CONFIG), CREATED)
    netbird.model.behaviour = Behaviour(
        burst=1, one_per_platform=True, rejected_secrets=frozenset(REJECTED.values()), retry_after=3
    )
    await client.get(PATH, headers={"Authorization": "Token spent"})
    answer = await client.request(case.method, PATH + case.tail, **case.extra)
    assert answer.status_code == case.status
    assert answer.json()["code"] == case.status
    described = schemathesis.openapi.from_path(str(DESCRIPTION))
    described[f"{PATH}/{{id}}" if case.tail else PATH][case.method].validate_response(answer)


@pytest.mark.parametrize("page", UnknownPath)
@pytest.mark.parametrize("behaviour", [{"licensed": False}, {"path_family": PathFamily.PLAIN}])
async def test_missing_path_is_never_json(
    netbird: SimulatedNetBird, client: httpx.AsyncClient, behaviour: dict[str, Any], page: UnknownPath
) -> None:
    netbird.model.behaviour = Behaviour(unknown_path=page, **behaviour)
    answer = await client.get(PATH, headers={"Authorization": "no token is needed here"})
    assert answer.status_code == 404
    assert not answer.headers["Content-Type"].startswith("application/json")
    schemathesis.openapi.from_path(str(DESCRIPTION))[PATH]["GET"].validate_response(answer)


async def test_both_path_families_serve_the_same_integrations(
    netbird: SimulatedNetBird, client: httpx.AsyncClient
) -> None:
    netbird.model.behaviour = Behaviour(path_family=PathFamily.BOTH)
    await client.post(PATH, json=CREATE_REQUEST)
    assert (await client.get("/api/event-streaming")).json() == (await client.get(PATH)).json()


async def test_other_method_is_refused_with_the_allowed_ones(client: httpx.AsyncClient) -> None:
    answer = await client.patch(PATH)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
