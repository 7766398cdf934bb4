"""Scenarios of an observed connection: nothing is written to NetBird, and each status reports the pending change."""

from dataclasses import replace

import pytest

from netbird_streaming.api.types import Adoption, AdoptionPolicy, ConnectionKind, ManagementPolicy, ObjectKey
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.controller import Controller
from netbird_streaming.reconciler.ports import ControllerSettings, Ports
from tests.doubles.netbird.records import Draft
from tests.simulation.environment import END
from tests.simulation.random_faults import RequestFault
from tests.simulation.random_scenario import RandomScenario, draw_plan
from tests.simulation.scene import Scene
from tests.simulation.world import TEAM

CONNECTION = ObjectKey(ConnectionKind.NAMESPACED.value, TEAM, "main")
SWEEP = 400.0
SEEDS = range(20_000, 20_150)


def govern(scene: Scene, policy: ManagementPolicy) -> None:
    scene.world.api.edit(CONNECTION, management_policy=policy)


def observed() -> Scene:
    scene = Scene()
    govern(scene, ManagementPolicy.OBSERVE)
    scene.lead()
    return scene


def managed() -> Scene:
    """Return a scene with an integration, whose connection is observed from now on."""
    scene = Scene()
    scene.lead()
    scene.create()
    scene.wait(SWEEP)
    assert scene.ready().reason == Reason.SYNCED
    scene.costs()
    govern(scene, ManagementPolicy.OBSERVE)
    scene.wait(5)
    return scene


def reported(scene: Scene, sentence: str) -> None:
    ready = scene.ready()
    assert (ready.status, ready.reason) == ("False", Reason.OBSERVE_ONLY), ready
    assert ready.message.startswith(sentence)
    _, calls = scene.costs()
    assert set(calls) <= {"LIST", "GET", "ACCOUNTS"}
    assert [each.held_back for each in scene.world.clients] == [[]] * len(scene.world.clients)
    scene.kept()


def test_observed_create_is_reported_and_sent_once_the_connection_is_managed() -> None:
    scene = observed()
    scene.create()
    scene.wait(SWEEP)
    reported(scene, "The operator would create a datadog integration.")
    assert not scene.find().has_finalizer
    assert scene.remote() == []
    govern(scene, ManagementPolicy.MANAGE)
    scene.wait(30)
    assert scene.ready().reason == Reason.SYNCED
    assert len(scene.remote()) == 1
    scene.kept()


def test_observed_resource_without_integration_is_deleted_at_once() -> None:
    scene = observed()
    scene.create()
    scene.wait(10)
    scene.delete()
    scene.wait(1)
    assert scene.is_gone()
    assert {each.rpartition(" ")[0] for each in scene.costs()[0]} == {"WRITE STATUS"}


def test_observed_adoption_is_reported_and_owns_nothing() -> None:
    scene = observed()
    draft = Draft("datadog", {"api_url": "https://hook.example/r0/0", "api_key": "CANARY-stranger-v1"})
    found = scene.world.dashboard_creates("acc-a", draft)
    scene.create(adoption=Adoption(policy=AdoptionPolicy.MATCH, id=found))
    scene.wait(SWEEP)
    reported(scene, f"The operator would adopt integration {found} and send all settings.")
    assert scene.find().status.id is None


def test_observed_integration_is_planned_to_be_adopted_once() -> None:
    scene = observed()
    draft = Draft("datadog", {"api_url": "https://theirs.example/", "api_key": "CANARY-stranger-v1"})
    found = scene.world.dashboard_creates("acc-a", draft)
    for name in ("r0", "r1"):
        scene.create(name, adoption=Adoption(policy=AdoptionPolicy.OVERRIDE, id=found))
    scene.wait(2 * SWEEP)
    assert {str(scene.ready(name).reason) for name in ("r0", "r1")} == {Reason.OBSERVE_ONLY, Reason.ADOPTION_CLAIMED}
    scene.kept()


def test_observed_configuration_is_planned_to_be_created_once() -> None:
    scene = observed()
    for name in ("r0", "r1"):
        scene.create(name, url="https://hook.example/same")
    scene.wait(2 * SWEEP)
    assert {str(scene.ready(name).reason) for name in ("r0", "r1")} == {Reason.OBSERVE_ONLY, Reason.OWNERSHIP_CONFLICT}
    scene.kept()


def test_observed_update_names_the_changed_fields() -> None:
    scene = managed()
    scene.edit(datadog=Scene.block("r0", "https://hook.example/r0/other"), enabled=False)
    scene.wait(30)
    (found,) = scene.remote()
    reported(scene, f"The operator would update api_url, enabled of integration {found}.")


def test_observed_secret_change_is_reported_without_values() -> None:
    scene = managed()
    scene.rotate("r0")
    scene.wait(30)
    reported(scene, f"The operator would update Secret values of integration {scene.remote()[0]}.")


def test_observed_drift_is_reported() -> None:
    scene = managed()
    scene.world.dashboard_edits(scene.remote()[0], enabled=False)
    scene.wait(SWEEP)
    reported(scene, f"The operator would update enabled of integration {scene.remote()[0]}.")
    assert "Drifted" in [each.type for each in scene.find().status.conditions]


def test_observed_deletion_waits_and_reports_why() -> None:
    scene = managed()
    scene.delete()
    scene.wait(SWEEP)
    reported(scene, f"The operator would delete integration {scene.remote()[0]}.")
    govern(scene, ManagementPolicy.MANAGE)
    scene.wait(30)
    assert scene.is_gone()
    assert scene.remote() == []


def test_observed_resource_in_sync_stays_ready() -> None:
    scene = managed()
    scene.wait(SWEEP)
    assert scene.ready().reason == Reason.SYNCED
    assert set(scene.costs()[1]) <= {"LIST"}


def test_lost_create_is_still_searched_while_observed() -> None:
    scene = Scene()
    scene.lead()
    scene.inject_fault("CREATE", RequestFault.UNANSWERED)
    scene.create()
    scene.wait(5)
    govern(scene, ManagementPolicy.OBSERVE)
    scene.wait(SWEEP)
    assert scene.find().status.id == scene.remote()[0]
    scene.kept()


def _observing(ports: Ports, settings: ControllerSettings) -> Controller:
    return Controller(ports, replace(settings, observe_only=True))


@pytest.mark.parametrize("first", SEEDS[::50])
def test_no_observed_scenario_writes_to_netbird(first: int) -> None:
    for seed in range(first, first + 50):
        scenario = RandomScenario(draw_plan(seed), _observing)
        try:
            scenario.run()
            sent = {each.split()[0] for client in scenario.world.clients for each in client.calls}
            assert sent <= {"LIST", "GET", "ACCOUNTS", "USER", "TOKENS"}, seed
            assert [each for client in scenario.world.clients for each in client.held_back] == [], seed
            assert scenario.world.promises.posts == 0, seed
            assert scenario.world.loop.now >= END
        finally:
            scenario.world.loop.dispose()
