"""Waits: slow destinations, an exhausted rate limit, and the status meanwhile."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from netbird_streaming.api.types import ConnectionSpec, KeyReference, NetBirdConnection, ObjectKey, RateLimit
from netbird_streaming.reasons import Reason
from tests.doubles.netbird.behaviour import Behaviour
from tests.simulation.scene import HONEST, Scene
from tests.simulation.world import TEAM

DARK = "dark.example"
CLOUD = Behaviour(post_ignores_enabled=False)
ROTATED = 200
MAIN = ObjectKey(NetBirdConnection.__name__, TEAM, "main")
SLOW = RateLimit(requests_per_minute=60, burst=12)


@pytest.fixture
def limited() -> Iterator[Scene]:
    """Yield a scene with NetBird's own rate limit, which the operator keeps."""
    scene = Scene(CLOUD, limited=True)
    yield scene
    scene.world.loop.dispose()


def hang(scene: Scene) -> None:
    scene.world.netbird.behaviour = replace(HONEST, hanging_hosts=frozenset({DARK}))


def until(scene: Scene, ready: str, longest: float) -> float:
    """Wait until the resource's current generation is Ready; return the seconds that it took."""
    for tenth in range(int(longest * 10) + 1):
        found = scene.find(ready)
        condition = scene.ready(ready)
        if condition.status == "True" and condition.observed_generation == found.metadata.generation:
            return tenth / 10
        scene.wait(0.1)
    pytest.fail(f"{ready} is not Ready after {longest} s: {scene.ready(ready)}")


@pytest.mark.parametrize("hanging", [32, 64, 128])
def test_healthy_create_is_done_in_five_seconds_next_to_hanging_ones(scene: Scene, hanging: int) -> None:
    hang(scene)
    scene.lead()
    scene.wait(5)
    for number in range(hanging):
        scene.create(f"dark{number}", f"https://{DARK}/{number}")
    scene.wait(0.2)
    scene.create()
    assert until(scene, "r0", 5.0) <= 5
    scene.kept()


@pytest.mark.parametrize("hanging", [32, 64, 200])
def test_edits_and_deletions_do_not_wait_for_hanging_resources(scene: Scene, hanging: int) -> None:
    hang(scene)
    scene.lead()
    scene.create()
    scene.create("r1")
    scene.wait(5)
    for number in range(hanging):
        scene.create(f"dark{number}", f"https://{DARK}/{number}")
    for number in range(5):
        scene.wait(12)
        scene.edit(enabled=bool(number % 2))
        assert until(scene, "r0", 5.0) <= 5
    scene.delete("r1")
    scene.wait(5)
    assert scene.is_gone("r1")
    scene.kept()


def test_destinations_that_fail_before_a_rotation_delay_no_other(scene: Scene) -> None:
    scene.lead()
    for number in range(24):
        scene.create(f"dark{number}", f"https://{DARK}/{number}")
    scene.create()
    scene.wait(20)
    hang(scene)
    for number in range(24):
        scene.rotate(f"dark{number}")
    scene.wait(0.5)
    scene.edit(enabled=False)
    assert until(scene, "r0", 5.0) <= 5
    scene.delete()
    scene.wait(5)
    assert scene.is_gone()
    scene.kept()


def rotate_all(scene: Scene) -> list[str]:
    """Rotate a Secret with many dependents while the rate limit is exhausted."""
    names = [f"many{number}" for number in range(ROTATED)]
    for name in names:
        scene.create(name)
    scene.create()
    scene.lead()
    scene.wait(600)
    assert {scene.ready(name).reason for name in names} == {Reason.SYNCED}
    scene.spend()
    for name in names:
        scene.rotate(name)
    return names


def test_edit_has_precedence_over_the_dependents_of_a_secret(limited: Scene) -> None:
    rotate_all(limited)
    limited.wait(1)
    limited.costs()
    limited.edit(enabled=False)
    assert until(limited, "r0", 30.0) <= 4
    limited.kept()


def test_resource_that_waits_for_the_rate_limit_reports_it(limited: Scene) -> None:
    names = rotate_all(limited)
    limited.wait(10)
    waiting = [limited.ready(name) for name in names if limited.ready(name).reason != Reason.SYNCED]
    assert len(waiting) > ROTATED * 0.8
    assert {each.status for each in waiting} == {"False"}
    assert {each.message.split(".")[0] for each in waiting} == {"The new Secret values wait for the token's rate limit"}
    assert limited.find(names[-1]).status.conditions[1].type == "Reconciling"
    assert limited.controllers[-1].stats().backlog.depth == pytest.approx(len(waiting), abs=8)
    assert limited.controllers[-1].stats().backlog.oldest_age == pytest.approx(10, abs=1)
    limited.wait(200)
    assert {limited.ready(name).reason for name in names} == {Reason.SYNCED}
    assert limited.controllers[-1].stats().backlog.depth == 0
    limited.kept()


def test_edit_of_a_resource_that_waits_is_sent_at_once(limited: Scene) -> None:
    names = rotate_all(limited)
    limited.wait(10)
    limited.edit(names[-1], enabled=False)
    assert until(limited, names[-1], 30.0) <= 4
    limited.kept()


def test_many_edits_do_not_block_the_resync(limited: Scene) -> None:
    names = rotate_all(limited)
    limited.wait(300)
    for number in range(8):
        limited.spend()
        for name in names:
            limited.edit(name, enabled=bool(number % 2))
        limited.wait(60)
    assert limited.controllers[-1].stats().connections[0].resync_age < 330
    limited.kept()


def test_raised_limit_applies_to_what_waits_already(limited: Scene) -> None:
    names = [f"many{number}" for number in range(60)]
    limited.world.api.edit(MAIN, rate_limit=SLOW)
    limited.lead()
    limited.wait(3)
    for name in names:
        limited.create(name)
    limited.wait(20)
    assert {limited.ready(name).reason for name in names} == {Reason.SYNCED, Reason.PROGRESSING}
    limited.world.api.edit(MAIN, rate_limit=RateLimit(requests_per_minute=6000, burst=1000))
    limited.wait(5)
    assert {limited.ready(name).reason for name in names} == {Reason.SYNCED}
    limited.kept()


def test_deleted_connection_does_not_limit_the_others_of_its_token(limited: Scene) -> None:
    spec = ConnectionSpec(token_secret_ref=KeyReference(name="token-main", key="key"), rate_limit=SLOW)
    limited.lead()
    limited.world.api.create(NetBirdConnection, TEAM, "slow", spec)
    limited.wait(5)
    assert limited.limit() == SLOW
    limited.world.api.delete(ObjectKey(NetBirdConnection.__name__, TEAM, "slow"))
    limited.wait(1)
    assert limited.limit() == RateLimit()
