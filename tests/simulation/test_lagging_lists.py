"""Single scenarios in which NetBird's LIST lags behind its other responses, as a read replica does."""

from dataclasses import replace

import pytest

from netbird_streaming.api.types import DeletionPolicy
from netbird_streaming.core.status.events import EventReason
from netbird_streaming.reasons import Reason
from tests.simulation.random_faults import RequestFault
from tests.simulation.scene import HONEST, Scene

LAG = 4.0


@pytest.fixture(params=[True, False], ids=["PUT answers before", "PUT answers after"])
def lagging(request: pytest.FixtureRequest) -> Scene:
    """Create one resource and wait until it is in sync."""
    scene = Scene(replace(HONEST, list_lag=LAG, put_answers_before=request.param))
    scene.lead()
    scene.create()
    scene.wait(320)
    assert scene.ready().reason == Reason.SYNCED
    scene.costs()
    return scene


def puts(scene: Scene) -> int:
    return scene.costs()[1].count("UPDATE")


def test_correction_that_shows_late_is_made_once(lagging: Scene) -> None:
    lagging.world.dashboard_edits(lagging.remote()[0], enabled=False)
    lagging.wait(1000)
    assert puts(lagging) == 1
    assert lagging.ready().reason == Reason.SYNCED
    assert [each.reason for _, each in lagging.world.events].count(EventReason.CORRECTED) == 1
    lagging.kept()


def test_write_of_another_client_just_after_ours_is_corrected(lagging: Scene) -> None:
    lagging.edit(enabled=False)
    lagging.wait(1)
    lagging.world.dashboard_edits(lagging.remote()[0], url="https://elsewhere.example/r0")
    lagging.wait(700)
    assert puts(lagging) == 2
    found = lagging.world.netbird.integrations[lagging.remote()[0]]
    assert (found.config["api_url"], found.enabled) == ("https://hook.example/r0/0", False)
    lagging.kept()


def test_repeated_write_of_another_client_is_not_taken_for_a_normalized_form(lagging: Scene) -> None:
    held = lagging.remote()[0]
    for _ in range(2):
        lagging.world.dashboard_edits(held, url="https://elsewhere.example/r0")
        while lagging.world.netbird.integrations[held].config["api_url"] != "https://hook.example/r0/0":
            lagging.wait(1)
            assert lagging.now < 2000
    lagging.wait(700)
    assert lagging.ready().reason == Reason.SYNCED
    assert puts(lagging) == 2
    lagging.kept()


def test_write_before_a_restart_is_not_taken_for_another_clients(lagging: Scene) -> None:
    lagging.rotate("r0")
    lagging.wait(1)
    lagging.restart()
    lagging.wait(1000)
    assert puts(lagging) == 1
    lagging.kept()


def test_correction_just_before_a_process_ends_is_checked_by_the_next(lagging: Scene) -> None:
    lagging.create("r1")
    lagging.wait(2)
    made = lagging.remote()[-1]
    lagging.world.dashboard_edits(made, url="https://elsewhere.example/")
    while not puts(lagging):
        lagging.wait(0.1)
    lagging.wait(LAG)
    lagging.restart()
    lagging.wait(15)
    lagging.world.dashboard_edits(made, url="https://elsewhere.example/")
    lagging.wait(1000)
    assert puts(lagging) == 1
    assert lagging.world.netbird.integrations[made].config["api_url"] == "https://hook.example/r1/0"
    lagging.kept()


def test_created_integration_is_not_missed_after_a_restart(lagging: Scene) -> None:
    lagging.create("r1")
    lagging.wait(0.5)
    lagging.restart()
    lagging.wait(2)
    assert lagging.ready("r1").reason == Reason.SYNCED
    lagging.wait(400)
    assert len(lagging.remote()) == lagging.posts() == 2
    lagging.kept()


def test_deleted_integration_does_not_block_a_new_resource_with_its_name(lagging: Scene) -> None:
    lagging.delete()
    lagging.wait(0.5)
    lagging.create()
    lagging.wait(LAG + 2)
    assert lagging.ready().reason == Reason.SYNCED
    assert len(lagging.remote()) == 1
    lagging.kept()


def test_orphaned_integration_blocks_a_new_resource_with_its_name(lagging: Scene) -> None:
    lagging.edit(deletion_policy=DeletionPolicy.ORPHAN)
    lagging.delete()
    lagging.wait(0.5)
    lagging.create()
    lagging.wait(60)
    assert lagging.ready().reason == Reason.IDENTICAL_EXISTS


def test_integration_deleted_by_another_client_is_created_once_more(lagging: Scene) -> None:
    lagging.world.dashboard_deletes(lagging.remote()[0])
    lagging.wait(400)
    assert lagging.ready().reason == Reason.SYNCED
    assert len(lagging.remote()) == 1
    assert lagging.posts() == 2
    lagging.kept()


@pytest.mark.parametrize("fault", [RequestFault.UNANSWERED, RequestFault.LATE])
def test_create_with_a_lost_response_is_found_once_the_list_shows_it(lagging: Scene, fault: RequestFault) -> None:
    lagging.inject_fault("CREATE", fault)
    lagging.create("r1")
    lagging.wait(200)
    assert lagging.ready("r1").reason == Reason.SYNCED
    assert len(lagging.remote()) == lagging.posts() == 2
    lagging.kept()


def test_create_with_a_lost_response_is_found_behind_a_proxy_that_caches_lists() -> None:
    scene = Scene(replace(HONEST, list_lag=45.0))
    scene.lead()
    scene.wait(5)
    scene.inject_fault("CREATE", RequestFault.UNANSWERED)
    scene.create()
    scene.wait(600)
    assert scene.ready().reason == Reason.SYNCED
    assert len(scene.remote()) == scene.posts() == 1
    scene.kept()
