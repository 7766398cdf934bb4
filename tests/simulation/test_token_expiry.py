"""The expiry of a token: its requests, its place in the status, and the Events that warn of it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from netbird_streaming.api.connection_status import ConnectionStatus
from netbird_streaming.api.types import NetBirdConnection, ObjectKey, TokenType
from netbird_streaming.core.status.events import EventReason
from tests.doubles.netbird.tenancy import Token
from tests.doubles.netbird.wire import Caller, Operation, Request
from tests.simulation.random_faults import RequestFault
from tests.simulation.scene import Scene
from tests.simulation.test_tokens import take_token
from tests.simulation.world import TEAM

DAY = 24 * 3600.0
CONNECTION = ObjectKey(NetBirdConnection.__name__, TEAM, "main")
TOKEN = Token("tok", "CANARY-main-v0", "acc-a")


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.world.environment = replace(scene.world.environment, token_expiry=True)
    scene.world.api.edit(CONNECTION, resync_interval="3h")
    return scene


def lasting(scene: Scene, days: float, **changes: Any) -> Token:
    """Register a token in NetBird that expires in so many days."""
    token = replace(TOKEN, expires_at=scene.world.now() + timedelta(days=days), **changes)
    scene.world.netbird.directory.add_token(token)
    return token


def status(scene: Scene) -> ConnectionStatus:
    (connection,) = scene.world.api.of_kind(NetBirdConnection.__name__)
    assert isinstance(connection, NetBirdConnection)
    return connection.status


def asked(scene: Scene) -> list[str]:
    calls = [call for client in scene.world.clients for call in client.calls]
    return [call for call in calls if call in {"USER", "TOKENS"}]


def notices(scene: Scene) -> list[str]:
    return [note.note for _, note in scene.world.events if note.reason is EventReason.TOKEN_EXPIRES]


def test_expiry_is_requested_once_and_not_again_by_the_next_leader(scene: Scene) -> None:
    token = lasting(scene, 300)
    scene.lead()
    scene.wait(60)
    assert status(scene).token_expires_at == token.expires_at
    scene.wait(3 * DAY)
    scene.restart()
    scene.wait(DAY)
    assert asked(scene) == ["USER", "TOKENS"]
    assert notices(scene) == []


@pytest.mark.parametrize(
    ("days", "expected"), [(30.5, ["30 days"]), (7.5, ["30 days", "7 days"]), (1.5, ["7 days", "1 day"]), (32, [])]
)
def test_events_warn_30_7_and_1_days_before_and_never_twice(scene: Scene, days: float, expected: list[str]) -> None:
    lasting(scene, days)
    scene.lead()
    scene.wait(DAY / 4)
    scene.restart()
    scene.wait(DAY)
    counted = [sentence.partition(" within ")[2].partition(".")[0] for sentence in notices(scene)]
    assert counted == expected


def test_new_token_clears_the_warning_and_is_requested(scene: Scene) -> None:
    lasting(scene, 5)
    scene.lead()
    scene.wait(60)
    assert len(notices(scene)) == 1
    take_token(scene, "acc-a", 1)
    scene.wait(60)
    assert (status(scene).internal.expiry_notice, len(notices(scene))) == (None, 1)
    assert asked(scene) == ["USER", "TOKENS"] * 2


@pytest.mark.parametrize("denied", ["tokens", "paths", "another token"])
def test_unknown_expiry_is_requested_at_most_twice_a_day(scene: Scene, denied: str) -> None:
    token = lasting(scene, 5, may_read_tokens=denied != "tokens", user="shared")
    if denied == "paths":
        scene.world.netbird.behaviour = replace(scene.world.netbird.behaviour, users=False)
    if denied == "another token":
        other = replace(token, id="other", value="other")
        scene.world.netbird.directory.add_token(other)
        scene.world.netbird.handle(Request(Operation.LIST, Caller(other.authorization)), scene.world.now())
    scene.lead()
    scene.wait(2.5 * DAY if denied != "another token" else 30)
    assert status(scene).token_expires_at is None
    assert {each.reason for each in status(scene).conditions} == {"Synced"}
    assert len(asked(scene)) == {"tokens": 6, "paths": 3, "another token": 2}[denied]


def test_failed_expiry_request_is_repeated_the_next_day(scene: Scene) -> None:
    token = lasting(scene, 300)
    scene.inject_fault("USER", RequestFault.BROKEN)
    scene.lead()
    scene.wait(DAY / 2)
    assert status(scene).token_expires_at is None
    scene.wait(DAY)
    assert status(scene).token_expires_at == token.expires_at


@pytest.mark.parametrize("off", ["setting", "OAuth2"])
def test_expiry_is_not_requested_if_disabled_or_without_a_personal_token(scene: Scene, off: str) -> None:
    lasting(scene, 5)
    if off == "setting":
        scene.world.environment = replace(scene.world.environment, token_expiry=False)
    else:
        scene.world.api.edit(CONNECTION, token_type=TokenType.OAUTH2)
    scene.lead()
    scene.wait(DAY)
    assert asked(scene) == []
