"""A process that is starved of processor time: its turns come long after the responses that they wait for."""

import pytest

from netbird_streaming.reasons import Reason
from tests.simulation.random_faults import RequestFault
from tests.simulation.scene import Scene

PAUSES = [25.0, 60.0]
"""Seconds after which a LIST is too old to precede a write, and is not kept."""
RUNS = 0.005
"""Seconds: no request is answered within one turn."""


def starve(scene: Scene, pause: float, turns: int) -> None:
    """Let the process run only for a moment after each pause."""
    (process,) = scene.world.processes
    for _ in range(turns):
        process.owner.frozen = True
        scene.wait(pause)
        scene.world.loop.thaw(process.owner)
        scene.wait(RUNS)


@pytest.mark.parametrize("pause", PAUSES)
def test_starved_process_creates_updates_and_deletes(scene: Scene, pause: float) -> None:
    scene.lead()
    scene.wait(5)
    scene.create()
    starve(scene, pause, 60)
    (made,) = scene.remote()
    starve(scene, pause, 60)
    scene.edit(enabled=False)
    starve(scene, pause, 30)
    assert not scene.world.netbird.integrations[made].enabled
    scene.delete()
    starve(scene, pause, 30)
    assert scene.is_gone()
    assert not scene.remote()
    scene.kept()


@pytest.mark.parametrize("pause", PAUSES)
def test_starved_process_finds_the_outcome_of_a_lost_response(scene: Scene, pause: float) -> None:
    scene.lead()
    scene.wait(5)
    scene.inject_fault("CREATE", RequestFault.UNANSWERED)
    scene.create()
    starve(scene, pause, 60)
    assert scene.posts() == 1
    scene.wait(400)
    assert scene.ready().reason == Reason.SYNCED
    assert scene.remote() == [scene.find().status.id]
    scene.kept()


@pytest.mark.parametrize("pause", PAUSES)
def test_starved_process_re_creates_a_deleted_integration(scene: Scene, pause: float) -> None:
    scene.lead()
    scene.create()
    scene.wait(400)
    scene.world.dashboard_deletes(scene.remote()[0])
    starve(scene, pause, 60)
    assert len(scene.remote()) == 1
    assert scene.posts() == 2
    scene.kept()
