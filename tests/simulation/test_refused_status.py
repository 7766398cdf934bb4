"""Status writes that Kubernetes refuses: an Event reports them, and nothing reports them after the fix."""

from typing import Any

import pytest

from netbird_streaming.api.types import NetBirdConnection, ObjectKey
from netbird_streaming.errors import OperatorError, RetryError, WaitError
from netbird_streaming.reasons import Reason
from tests.simulation.scene import Scene
from tests.simulation.world import TEAM

CONNECTION = ObjectKey(NetBirdConnection.__name__, TEAM, "main")
MINUTE = 60.0
REFUSED = WaitError(Reason.KUBERNETES_REFUSED, "Kubernetes refuses the request (400): apply the CRDs.")
FAILED = RetryError(Reason.UNAVAILABLE, "the Kubernetes API server answered 500; the operator retries.")


class Refusal:
    """A switch of the API server. While it is on, status writes are refused."""

    def __init__(self, scene: Scene, monkeypatch: pytest.MonkeyPatch, problem: OperatorError = REFUSED) -> None:
        self.on = True
        self.written: list[str] = []
        write = scene.world.api.write_status

        def write_status(read: Any, status: Any) -> Any:
            if self.on:
                raise problem
            self.written += [each.reason for each in status.conditions if each.type == "Ready"]
            return write(read, status)

        monkeypatch.setattr(scene.world.api, "write_status", write_status)


def warnings(scene: Scene, identity: ObjectKey) -> list[str]:
    return [note.reason.value for key, note in scene.world.events if key == identity and note.warning]


@pytest.mark.parametrize("minutes", [1, 20])
def test_refused_status_is_reported_once_and_recovers_within_a_minute(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    scene.lead()
    scene.wait(5)
    refusal = Refusal(scene, monkeypatch)
    scene.create()
    scene.wait(minutes * MINUTE)
    assert warnings(scene, scene.identity()) == [Reason.KUBERNETES_REFUSED]
    assert scene.remote() == []
    refusal.on = False
    scene.wait(MINUTE)
    assert scene.ready().reason == Reason.SYNCED
    assert Reason.KUBERNETES_REFUSED not in refusal.written
    assert warnings(scene, scene.identity()) == [Reason.KUBERNETES_REFUSED]
    scene.kept()


@pytest.mark.parametrize("problem", [REFUSED, FAILED], ids=["refused", "failed"])
def test_unwritten_statuses_are_counted_until_they_are_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, problem: OperatorError
) -> None:
    scene.lead()
    scene.create()
    scene.wait(30)
    assert scene.controllers[-1].stats().unwritten_statuses == 0
    refusal = Refusal(scene, monkeypatch, problem)
    scene.edit(enabled=False)
    scene.wait(10 * MINUTE)
    assert scene.ready().reason == Reason.SYNCED
    # The connection's own resync has to write its status, too.
    assert scene.controllers[-1].stats().unwritten_statuses >= 1
    refusal.on = False
    scene.wait(MINUTE)
    assert scene.controllers[-1].stats().unwritten_statuses == 0
    scene.kept()


def test_edited_resource_with_a_refused_status_has_an_event(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.lead()
    scene.create()
    scene.wait(30)
    refusal = Refusal(scene, monkeypatch)
    scene.edit(enabled=False)
    scene.wait(20 * MINUTE)
    assert warnings(scene, scene.identity()) == [Reason.KUBERNETES_REFUSED]
    refusal.on = False
    scene.wait(MINUTE)
    assert scene.ready().observed_generation == 2
    scene.kept()


def test_second_refusal_after_a_recovery_is_reported_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.lead()
    scene.create()
    scene.wait(30)
    refusal = Refusal(scene, monkeypatch)
    for enabled in (False, True):
        refusal.on = True
        scene.edit(enabled=enabled)
        scene.wait(MINUTE)
        refusal.on = False
        scene.wait(MINUTE)
    assert warnings(scene, scene.identity()) == [Reason.KUBERNETES_REFUSED] * 2


def test_refused_status_of_a_connection_is_reported_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Refusal(scene, monkeypatch)
    scene.lead()
    scene.wait(10 * MINUTE)
    assert warnings(scene, CONNECTION) == [Reason.KUBERNETES_REFUSED]
    refusal.on = False
    scene.wait(MINUTE)
    assert scene.connection().reason == Reason.SYNCED


def test_ready_status_never_names_a_deleted_integration(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.lead()
    scene.create()
    scene.wait(30)
    refusal = Refusal(scene, monkeypatch)

    def refuse(_: object) -> None:
        raise WaitError(Reason.KUBERNETES_REFUSED, "Kubernetes denies access (403).")

    with monkeypatch.context() as context:
        context.setattr(scene.world.api, "remove_finalizer", refuse)
        scene.delete()
        scene.wait(5 * MINUTE)
        assert scene.ready().reason == Reason.SYNCED
        assert len(scene.remote()) == 1
    refusal.on = False
    scene.wait(MINUTE)
    assert scene.is_gone()
    assert scene.remote() == []
    scene.kept()
