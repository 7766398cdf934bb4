"""Fixtures of the tests of the simulated NetBird API."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.doubles.netbird.behaviour import Behaviour
from tests.doubles.netbird.model import NetBird
from tests.doubles.netbird.tenancy import Account, Token
from tests.doubles.netbird.wire import Answer, Caller, Operation, Request

NOW: Final = datetime(2026, 3, 1, 12, 0, 0, 120000, tzinfo=UTC)
LATER: Final = NOW + timedelta(minutes=1)
OWN: Final = Token("own", "nbp_own", "home", tenants=frozenset({"tenant", "gone"}))
CALLER: Final = Caller(OWN.authorization)
DATADOG: Final = {"api_url": "https://Intake.example.com:443/v2", "api_key": "dd-secret"}
S3: Final = {"bucket_name": "b", "region": "eu-west-1", "access_key": "ak", "secret_key": "sk"}
HTTP: Final = {"url": "https://example.com/hook", "headers": '{"X-Key": "h-secret"}', "body_template": "{{.ID}}"}


def server(**behaviour: Any) -> NetBird:
    model = NetBird(Behaviour(**behaviour))
    for account in ("home", "tenant", "stranger"):
        model.directory.add_account(Account(account))
    model.directory.add_token(OWN)
    return model


def body(config: Mapping[str, str], platform: str = "datadog", *, enabled: bool = True) -> dict[str, object]:
    return {"platform": platform, "config": dict(config), "enabled": enabled}


def post(model: NetBird, sent: object, caller: Caller = CALLER, now: datetime = NOW) -> Answer:
    return model.handle(Request(Operation.CREATE, caller, body=sent), now)


def put(model: NetBird, integration_id: int, sent: object, now: datetime = LATER) -> Answer:
    return model.handle(Request(Operation.UPDATE, CALLER, integration_id, sent), now)


def listed(model: NetBird, caller: Caller = CALLER, now: datetime = LATER) -> Any:
    return model.handle(Request(Operation.LIST, caller), now).body


def made(model: NetBird, sent: object) -> int:
    answer = post(model, sent)
    assert answer.status == 200, answer.content
    shown: Any = answer.body
    return int(shown["id"])
