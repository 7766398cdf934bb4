"""A backup of etcd that is restored in place, while the operator runs."""

import pytest

from netbird_streaming.api.types import EventStreamingIntegration
from netbird_streaming.errors import ConflictError
from netbird_streaming.reasons import Reason
from tests.simulation.broken_controllers import PortWrapper, with_cluster
from tests.simulation.random_faults import RequestFault
from tests.simulation.scene import Scene

VARIANTS = [
    pytest.param(None, 0.1, True, id="back, at once, Secret watch deaf"),
    pytest.param(None, 7.0, False, id="back, 7 s"),
    pytest.param(None, 20.0, True, id="back, 20 s, Secret watch deaf"),
    pytest.param(1_000_000_000, 0.1, False, id="bumped, at once"),
    pytest.param(1_000_000_000, 7.0, False, id="bumped, 7 s"),
    pytest.param(1_000_000_000, 20.0, False, id="bumped, 20 s"),
]


def url_of(scene: Scene, name: str) -> str:
    found = scene.find(name).status.id
    assert found is not None
    return scene.world.netbird.integrations[found].config["api_url"]


def key_of(scene: Scene, name: str) -> str:
    found = scene.find(name).status.id
    assert found is not None
    return scene.world.netbird.integrations[found].config["api_key"]


@pytest.mark.parametrize(("jump", "outage", "deaf"), VARIANTS)
def test_every_resource_is_correct_after_a_restore_in_place(
    scene: Scene, jump: int | None, outage: float, *, deaf: bool
) -> None:
    scene.lead()
    for name in ("x", "y", "s"):
        scene.create(name)
    scene.wait(30)
    backup = scene.world.api.snapshot()
    for number in range(30):
        scene.world.api.annotate(Scene.identity("s"), "example.com/noise", str(number))
    scene.edit("x", datadog=Scene.block("x", "https://hook.example/x/1"))
    scene.delete("y")
    scene.create("z")
    scene.rotate("s")
    scene.wait(60)
    assert scene.is_gone("y")
    scene.world.restore(backup, jump=jump, outage=outage, deaf=deaf)
    scene.values = 3  # the value from before
    scene.world.promises.secret_value("s", "CANARY-s-v3")
    scene.wait(outage + 400)
    assert {name: scene.ready(name).reason for name in ("x", "y", "s")} == dict.fromkeys(("x", "y", "s"), Reason.SYNCED)
    assert url_of(scene, "x") == "https://hook.example/x/0"
    assert key_of(scene, "s") == "CANARY-s-v3"
    assert url_of(scene, "y") == "https://hook.example/y/0"
    scene.edit("x", datadog=Scene.block("x", "https://hook.example/x/2"))
    scene.rotate("s")
    scene.wait(10)
    assert url_of(scene, "x") == "https://hook.example/x/2"
    assert key_of(scene, "s") == "CANARY-s-v4"
    assert len(scene.world.processes) == 1


def test_edit_that_gets_the_version_of_a_known_state_is_applied_before_it_is_called_synced(scene: Scene) -> None:
    scene.lead()
    scene.inject_fault("CREATE", RequestFault.UNANSWERED)
    scene.create("x")
    while scene.find("x").status.internal.creation is None:
        scene.wait(0.01)
    backup = scene.world.api.snapshot()
    scene.wait(60)
    known = scene.find("x").metadata
    scene.world.restore(backup, jump=None, outage=0.1, deaf=False)
    scene.wait(0.05)
    scene.edit("x", datadog=Scene.block("x", "https://hook.example/x/1"))
    edited = scene.find("x").metadata
    assert (edited.resource_version, edited.generation) == (known.resource_version, known.generation + 1)
    scene.wait(400)
    assert scene.ready("x").reason == Reason.SYNCED
    assert url_of(scene, "x") == "https://hook.example/x/1"
    scene.kept()


class NeverHolds(PortWrapper):
    """An API server that refuses every finalizer with a conflict although nothing changed."""

    async def add_finalizer(self, resource: EventStreamingIntegration) -> None:
        raise ConflictError(Reason.PROGRESSING, f"{resource.key.label}: changed since it was read.")


def test_reconcile_that_reaches_its_step_limit_reports_it(scene: Scene) -> None:
    scene.lead()
    scene.create()
    scene.wait(30)
    scene.world.make = with_cluster(NeverHolds)
    scene.world.api.set_finalizers(Scene.identity(), ())
    scene.restart()
    scene.wait(30)
    assert scene.ready().status == "False"
    assert scene.ready().message == "The reconcile did not finish in 25 steps. It is retried with backoff."
    reads = scene.world.processes[-1].calls
    scene.wait(600)
    assert scene.world.processes[-1].calls - reads < 25 * 2 * 12
