"""Single stories in which NetBird's LIST lags behind its other answers, as that of a read replica does."""

from dataclasses import replace

import pytest

from netbird_streaming.api.types import DeletionPolicy
from netbird_streaming.core.status.events import EventReason
from netbird_streaming.reasons import Reason
from tests.simulation.random_faults import Fate
from tests.simulation.scene import HONEST, Scene

LAG = 4.0


@pytest.fixture(params=[True, False], ids=["PUT answers before", "PUT answers after"])
def lagging(request: pytest.FixtureRequest) -> Scene:
    """One resource, in order for a while."""
    scene = Scene(replace(HONEST, list_lag=LAG, put_answers_before=request.param))
    scene.lead()
    scene.create()
    scene.wait(320)
    assert scene.ready().reason == Reason.SYNCED
    scene.costs()
    return scene


def puts(scene: Scene) -> int:
    return scene.costs()[1].count("UPDATE")


def test_a_correction_that_shows_late_is_made_once(lagging: Scene) -> None:
    lagging.world.stranger_edits(lagging.remote()[0], enabled=False)
    lagging.wait(1000)
    assert puts(lagging) == 1
    assert lagging.ready().reason == Reason.SYNCED
    assert [each.reason for _, each in lagging.world.events].count(EventReason.CORRECTED) == 1
    lagging.kept()


def test_what_a_stranger_writes_just_after_our_own_write_is_undone(lagging: Scene) -> None:
    lagging.edit(enabled=False)
    lagging.wait(1)
    lagging.world.stranger_edits(lagging.remote()[0], url="https://elsewhere.example/r0")
    lagging.wait(700)
    assert puts(lagging) == 2
    found = lagging.world.netbird.integrations[lagging.remote()[0]]
    assert (found.config["api_url"], found.enabled) == ("https://hook.example/r0/0", False)
    lagging.kept()


def test_what_a_stranger_writes_again_just_after_it_was_undone_is_no_form_of_the_servers_own(lagging: Scene) -> None:
    held = lagging.remote()[0]
    for _ in range(2):
        lagging.world.stranger_edits(held, url="https://elsewhere.example/r0")
        while lagging.world.netbird.integrations[held].config["api_url"] != "https://hook.example/r0/0":
            lagging.wait(1)
            assert lagging.now < 2000
    lagging.wait(700)
    assert lagging.ready().reason == Reason.SYNCED
    assert puts(lagging) == 2
    lagging.kept()


def test_a_write_before_a_restart_is_not_taken_for_a_strangers(lagging: Scene) -> None:
    lagging.rotate("r0")
    lagging.wait(1)
    lagging.restart()
    lagging.wait(1000)
    assert puts(lagging) == 1
    lagging.kept()


def test_what_a_process_undid_just_before_its_end_is_looked_at_by_the_next_at_once(lagging: Scene) -> None:
    lagging.create("r1")
    lagging.wait(2)
    made = lagging.remote()[-1]
    lagging.world.stranger_edits(made, url="https://elsewhere.example/")
    while not puts(lagging):
        lagging.wait(0.1)
    lagging.wait(LAG)
    lagging.restart()
    lagging.wait(15)
    lagging.world.stranger_edits(made, url="https://elsewhere.example/")
    lagging.wait(1000)
    assert puts(lagging) == 1
    assert lagging.world.netbird.integrations[made].config["api_url"] == "https://hook.example/r1/0"
    lagging.kept()


def test_what_was_just_created_is_not_missed_after_a_restart(lagging: Scene) -> None:
    lagging.create("r1")
    lagging.wait(0.5)
    lagging.restart()
    lagging.wait(2)
    assert lagging.ready("r1").reason == Reason.SYNCED
    lagging.wait(400)
    assert len(lagging.remote()) == lagging.posts() == 2
    lagging.kept()


def test_what_was_just_deleted_does_not_stop_its_namesake(lagging: Scene) -> None:
    lagging.delete()
    lagging.wait(0.5)
    lagging.create()
    lagging.wait(LAG + 2)
    assert lagging.ready().reason == Reason.SYNCED
    assert len(lagging.remote()) == 1
    lagging.kept()


def test_what_was_left_a_moment_ago_stops_its_namesake(lagging: Scene) -> None:
    lagging.edit(deletion_policy=DeletionPolicy.ORPHAN)
    lagging.delete()
    lagging.wait(0.5)
    lagging.create()
    lagging.wait(60)
    assert lagging.ready().reason == Reason.IDENTICAL_EXISTS


def test_what_a_stranger_deleted_is_created_once_more(lagging: Scene) -> None:
    lagging.world.stranger_deletes(lagging.remote()[0])
    lagging.wait(400)
    assert lagging.ready().reason == Reason.SYNCED
    assert len(lagging.remote()) == 1
    assert lagging.posts() == 2
    lagging.kept()


@pytest.mark.parametrize("fate", [Fate.UNANSWERED, Fate.LATE])
def test_a_create_whose_answer_was_lost_is_found_when_the_list_shows_it(lagging: Scene, fate: Fate) -> None:
    lagging.mishap("CREATE", fate)
    lagging.create("r1")
    lagging.wait(200)
    assert lagging.ready("r1").reason == Reason.SYNCED
    assert len(lagging.remote()) == lagging.posts() == 2
    lagging.kept()
