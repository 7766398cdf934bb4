"""Fixtures of the single scenarios."""

from collections.abc import Iterator

import pytest

from netbird_streaming.reasons import Reason
from tests.simulation.scene import Scene


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.world.loop.dispose()


@pytest.fixture
def settled(scene: Scene) -> Scene:
    scene.lead()
    scene.wait(5)
    scene.create()
    scene.wait(5)
    assert scene.ready().reason == Reason.SYNCED
    scene.costs()
    return scene
