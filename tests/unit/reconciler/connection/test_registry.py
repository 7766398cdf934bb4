"""The credentials of a connection whose spec or Secret changes while they are read."""

import random
from collections.abc import Callable, Mapping
from typing import Any, cast

import httpx
import pytest

from netbird_streaming.api.types import NetBirdConnection, ObjectKey
from netbird_streaming.config.settings import Settings
from netbird_streaming.controller_settings import controller_settings
from netbird_streaming.core.netbird.types import Priority
from netbird_streaming.errors import OperatorError
from netbird_streaming.reconciler.connection.registry import ConnectionRegistry
from netbird_streaming.reconciler.connection.resolved import ConnectionState
from netbird_streaming.reconciler.context import new_context
from netbird_streaming.reconciler.ports import Cluster, NoRecorder, Ports
from tests.harness.cases import KEY
from tests.unit.netbird.fakes import FakeClock, Network

FORMER, PRESENT = "https://former.example", "https://present.example"
MAIN = ObjectKey("NetBirdConnection", "team-a", "main")


class Secrets:
    """The Secrets of a namespace. `during` is called once, after a Secret was read and before it is returned."""

    def __init__(self, **tokens: str) -> None:
        self.tokens = tokens
        self.during: Callable[[], object] = lambda: None

    def scopes(self, _: str) -> tuple[None]:
        return (None,)

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        assert namespace == MAIN.namespace
        token = self.tokens.get(name)
        during, self.during = self.during, lambda: None
        during()
        return None if token is None else {"token": token.encode()}


def connection(version: int, url: str, secret: str) -> NetBirdConnection:
    metadata: dict[str, Any] = {
        "name": MAIN.name,
        "namespace": MAIN.namespace,
        "uid": "uid-1",
        "resourceVersion": str(version),
        "creationTimestamp": "2026-05-01T10:00:00Z",
    }
    spec = {"url": url, "tokenSecretRef": {"name": secret, "key": "token"}}
    return NetBirdConnection.model_validate({"metadata": metadata, "spec": spec})


def registry_of(secrets: Secrets) -> tuple[ConnectionRegistry, Network]:
    network = Network(lambda _: httpx.Response(200, json=[]))
    ports = Ports(cast("Cluster", secrets), network.factory, FakeClock(), random.Random(1), KEY, NoRecorder())
    return new_context(ports, controller_settings(Settings(), "netbird-system")).connections, network


async def token_sent(registry: ConnectionRegistry, state: ConnectionState, network: Network) -> dict[str, str]:
    """Send a request with the connection. Return the token that each host received."""
    await registry.check_token_account(state, Priority.HIGH)
    return {each.url.host: each.headers["Authorization"].removeprefix("Token ") for each in network.requests}


async def test_token_of_a_former_spec_is_not_used_with_the_present_one() -> None:
    secrets = Secrets(first="one", second="two")
    registry, network = registry_of(secrets)
    state = registry.apply_event(connection(1, FORMER, "first"))
    secrets.during = lambda: registry.apply_event(connection(2, PRESENT, "second"))
    await registry.load(state)
    assert await token_sent(registry, state, network) == {"present.example": "two"}


async def test_secret_that_changes_while_it_is_read_is_read_again() -> None:
    secrets = Secrets(first="one")
    registry, network = registry_of(secrets)
    state = registry.apply_event(connection(1, FORMER, "first"))

    def rotate() -> None:
        secrets.tokens["first"] = "rotated"
        registry.secret_changed("team-a", "first")

    secrets.during = rotate
    await registry.load(state)
    assert await token_sent(registry, state, network) == {"former.example": "rotated"}


@pytest.mark.parametrize("tenant_id", [None, "tenant-b"])
async def test_token_in_memory_is_not_sent_to_the_server_of_a_later_spec(tenant_id: str | None) -> None:
    registry, network = registry_of(Secrets(first="one"))
    state = registry.apply_event(connection(1, FORMER, "first"))
    await registry.load(state)
    registry.apply_event(connection(2, PRESENT, "missing"))
    await registry.load(state)
    assert registry.account(state, tenant_id) is None
    assert isinstance(await registry.check_token_account(state, priority=1), OperatorError)  # type: ignore[arg-type]
    assert network.requests == []
    assert registry.proof(state) is None


async def test_account_in_use_is_kept_while_the_token_can_not_be_read() -> None:
    secrets = Secrets(first="one")
    registry, _ = registry_of(secrets)
    state = registry.apply_event(connection(1, FORMER, "first"))
    await registry.load(state)
    account = registry.account(state, None)
    secrets.tokens.clear()
    registry.secret_changed("team-a", "first")
    await registry.load(state)
    assert account is not None
    assert registry.account(state, None) is account
