"""Single scenarios of ownership: identical resources, adoption, restores, drift, deletion, missing Secrets."""

from typing import Any

import pytest

from netbird_streaming.api.status import Origin
from netbird_streaming.api.types import (
    FINALIZER,
    RECONCILE_ANNOTATION,
    Adoption,
    AdoptionPolicy,
    ConnectionKind,
    DeletionPolicy,
    ObjectKey,
)
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.versions import version_of
from tests.doubles.netbird.records import Draft
from tests.doubles.netbird.wire import Answer, Operation, Request, refusal
from tests.simulation.loop import VirtualLoop
from tests.simulation.network import InjectedFault
from tests.simulation.random_faults import RequestFault
from tests.simulation.scene import Scene
from tests.simulation.world import TEAM


def test_older_of_two_identical_resources_owns_the_integration(scene: Scene) -> None:
    scene.lead()
    scene.create("r0", "https://hook.example/same")
    scene.wait(3)
    scene.create("r1", "https://hook.example/same")
    scene.wait(60)
    assert scene.ready("r0").reason == Reason.SYNCED
    assert scene.ready("r1").reason == Reason.OWNERSHIP_CONFLICT
    assert scene.posts() == 1
    scene.delete("r0")
    scene.wait(120)
    assert scene.ready("r1").reason == Reason.SYNCED
    assert len(scene.remote()) == 1
    scene.kept()


def test_one_of_two_identical_resources_created_together_owns_the_integration(scene: Scene) -> None:
    scene.create("r0", "https://hook.example/same")
    scene.create("r1", "https://hook.example/same")
    scene.lead()
    scene.wait(60)
    assert sorted([scene.ready("r0").reason, scene.ready("r1").reason]) == [Reason.OWNERSHIP_CONFLICT, Reason.SYNCED]
    assert scene.posts() == 1
    scene.kept()


def test_late_deletion_event_takes_nothing_from_a_new_resource_with_the_name(settled: Scene) -> None:
    before = settled.find().metadata.uid
    settled.delete()
    settled.wait(60)
    settled.create()
    settled.wait(60)
    settled.controllers[-1].forget(settled.identity(), before)
    settled.create("r1", "https://hook.example/r0/0")
    settled.wait(30)
    assert settled.ready("r1").reason == Reason.OWNERSHIP_CONFLICT
    settled.kept()


def test_identical_unowned_integration_blocks_until_it_is_adopted(scene: Scene) -> None:
    unowned = scene.world.dashboard_creates(
        "acc-a", Draft("datadog", {"api_url": "https://hook.example/r0/0", "api_key": "CANARY-stranger-v1"})
    )
    scene.lead()
    scene.create()
    scene.wait(60)
    assert scene.ready().reason == Reason.IDENTICAL_EXISTS
    assert str(unowned) in scene.ready().message
    assert scene.posts() == 0
    scene.edit(adoption=Adoption(policy=AdoptionPolicy.MATCH))
    scene.wait(60)
    assert scene.find().status.id == unowned
    assert scene.find().status.origin is Origin.ADOPTED
    assert scene.remote() == [unowned]
    scene.kept()


def test_id_of_a_restored_status_is_verified_before_use(settled: Scene) -> None:
    backup = settled.find().status
    settled.world.api.set_finalizers(settled.identity(), ())
    settled.world.kill(settled.world.processes[-1])
    settled.delete()
    settled.create()
    settled.world.api.restore_status(settled.identity(), backup)
    settled.costs()
    settled.lead()
    settled.wait(120)
    _, calls = settled.costs()
    assert set(calls) == {"LIST"}
    assert settled.ready().reason == Reason.RESTORED_STATUS
    assert str(backup.id) in settled.ready().message
    settled.edit(adoption=Adoption(policy=AdoptionPolicy.MATCH, id=backup.id))
    settled.wait(60)
    assert settled.find().status.id == backup.id
    assert settled.ready().reason == Reason.SYNCED


def test_namespace_deletion_is_finished_although_its_secrets_go_first(settled: Scene) -> None:
    settled.create("r1")
    settled.wait(10)
    api = settled.world.api
    for name in ("secret-r0", "secret-r1", "token-main"):
        api.delete_secret(TEAM, name)
    api.delete(ObjectKey(ConnectionKind.NAMESPACED.value, TEAM, "main"))
    settled.delete("r0")
    settled.delete("r1")
    settled.wait(20)
    assert not settled.remote()
    assert not api.objects
    settled.kept()


def test_resource_deleted_during_its_create_leaves_no_integration(scene: Scene) -> None:
    scene.lead()
    scene.wait(2)
    scene.world.to_netbird.injected_faults.append(InjectedFault("CREATE", meanwhile=scene.delete))
    scene.create()
    scene.wait(30)
    assert scene.is_gone()
    assert not scene.remote()
    scene.kept()


def test_integration_of_a_removed_resource_is_deleted_by_its_id(scene: Scene) -> None:
    def tear() -> None:
        scene.world.api.set_finalizers(scene.identity(), ())
        scene.delete()
        scene.create()

    scene.lead()
    scene.wait(2)
    scene.world.to_netbird.injected_faults.append(InjectedFault("CREATE", meanwhile=tear))
    scene.create()
    scene.wait(180)
    assert scene.remote() == [scene.find().status.id]
    assert scene.ready().reason == Reason.SYNCED
    scene.kept()


@pytest.mark.parametrize("fault", [RequestFault.BROKEN, RequestFault.REFUSED, RequestFault.LIMITED])
def test_failed_deletion_keeps_the_resource_and_is_retried(settled: Scene, fault: RequestFault) -> None:
    gone: list[bool] = []
    settled.inject_fault("DELETE", fault)
    settled.world.to_netbird.injected_faults.append(
        InjectedFault("DELETE", meanwhile=lambda: gone.append(settled.is_gone()))
    )
    settled.delete()
    settled.wait(400)
    assert gone == [False]
    assert settled.is_gone()
    assert not settled.remote()
    settled.kept()


def test_late_response_does_not_revert_known_state(settled: Scene) -> None:
    late, known = settled.find(), settled.controllers[-1]._context
    since = known.ports.clock.monotonic()
    settled.edit(enabled=False)
    settled.wait(60)
    record = known.store.get(settled.identity())
    assert record is not None
    known.triggers.apply_response(record, late, since)
    assert record.known.version == version_of(settled.find()) > version_of(late)


def test_unobserved_deletion_is_detected_by_the_next_list(settled: Scene) -> None:
    settled.wait(400)
    del settled.world.api.objects[settled.identity()]
    settled.wait(700)
    assert settled.controllers[-1]._context.store.get(settled.identity()) is None


def test_drift_is_corrected_once(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.wait(400)
    settled.costs()
    settled.world.dashboard_edits(made, url="https://elsewhere.example/")
    settled.wait(400)
    _, calls = settled.costs()
    assert calls.count("UPDATE") == 1
    assert settled.world.netbird.integrations[made].config["api_url"] == "https://hook.example/r0/0"
    settled.kept()


def test_integration_deleted_in_netbird_is_created_again(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.world.dashboard_deletes(made)
    settled.wait(400)
    assert settled.remote() == [settled.find().status.id]
    assert settled.remote() != [made]
    settled.kept()


def test_orphaned_integration_stays_and_netbird_gets_no_request(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.edit(deletion_policy=DeletionPolicy.ORPHAN)
    settled.wait(5)
    settled.costs()
    settled.delete()
    settled.wait(30)
    assert settled.is_gone()
    assert settled.remote() == [made]
    assert "DELETE" not in settled.costs()[1]
    assert any(str(made) in line for line in settled.world.log if "event" in line)
    settled.kept()


def test_late_watch_event_of_a_removed_resource_is_ignored(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.edit(deletion_policy=DeletionPolicy.ORPHAN)
    settled.delete()
    late = settled.find()
    settled.wait(30)
    assert settled.is_gone()
    settled.costs()
    settled.controllers[-1].apply_event(late)
    settled.wait(400)
    assert settled.costs() == ([], ["LIST"])
    assert settled.remote() == [made]
    settled.kept()


def test_absence_is_not_remembered_forever(settled: Scene) -> None:
    uid, controller = settled.find().metadata.uid, settled.controllers[-1]
    settled.delete()
    settled.wait(30)
    controller.expire()
    assert controller._context.store.tombstones.hides(uid, None)
    settled.wait(700)
    controller.expire()
    assert not controller._context.store.tombstones.hides(uid, None)


def test_removed_finalizer_is_added_again(settled: Scene) -> None:
    settled.world.api.set_finalizers(settled.identity(), ())
    settled.wait(5)
    assert FINALIZER in settled.find().metadata.finalizers
    settled.kept()


def test_missing_secret_is_reported_and_its_return_needs_no_edit(settled: Scene) -> None:
    settled.world.api.delete_secret(TEAM, "secret-r0")
    settled.wait(5)
    assert settled.ready().reason == Reason.SECRET_NOT_FOUND
    settled.rotate("r0")
    settled.wait(5)
    assert settled.ready().reason == Reason.SYNCED
    settled.kept()


def test_revoked_token_is_reported_and_a_new_one_needs_no_edit(settled: Scene) -> None:
    settled.world.netbird.directory.revoke_token("tok")
    settled.rotate("r0")
    settled.wait(5)
    assert settled.ready().reason == Reason.TOKEN_REJECTED
    settled.world.token("tok", "acc-a", "CANARY-main-v9")
    settled.world.put_secret("token-main", "CANARY-main-v9")
    settled.wait(10)
    assert settled.ready().reason == Reason.SYNCED
    settled.kept()


@pytest.mark.parametrize("operation", [Operation.UPDATE, Operation.DELETE])
def test_404_for_a_listed_integration_is_reported_and_retried_with_pauses(
    settled: Scene, monkeypatch: pytest.MonkeyPatch, operation: Operation
) -> None:
    netbird = settled.world.netbird
    honest = netbird.apply

    def lying(request: Request, *given: Any) -> Answer:
        return refusal(404, "not found") if request.operation is operation else honest(request, *given)

    monkeypatch.setattr(netbird, "apply", lying)
    settled.rotate("r0")
    if operation is Operation.DELETE:
        settled.delete()
    settled.wait(60)
    assert settled.ready().reason == Reason.UNEXPECTED_ANSWER
    assert str(settled.find().status.id) in settled.ready().message
    assert len(settled.costs()[1]) < 20
    monkeypatch.undo()
    settled.wait(120)
    assert settled.is_gone() if operation is Operation.DELETE else settled.ready().reason == Reason.SYNCED
    settled.kept()


def test_drift_whose_correction_is_refused_is_not_reported_in_sync(
    settled: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    netbird = settled.world.netbird
    honest = netbird.apply

    def refusing(request: Request, *given: Any) -> Answer:
        return refusal(400, "no") if request.operation is Operation.UPDATE else honest(request, *given)

    monkeypatch.setattr(netbird, "apply", refusing)
    (made,) = settled.remote()
    settled.world.dashboard_edits(made, url="https://elsewhere.example/")
    settled.world.api.annotate(settled.identity(), RECONCILE_ANNOTATION, "now")
    for _ in range(20):
        settled.wait(10)
        assert settled.ready().reason == Reason.CONFIGURATION_REJECTED
    monkeypatch.undo()
    settled.wait(200)
    assert settled.ready().reason == Reason.SYNCED
    assert netbird.integrations[made].config["api_url"] == "https://hook.example/r0/0"
    settled.kept()


def test_refused_update_is_repeated_with_the_current_spec(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.inject_fault("UPDATE", RequestFault.LIMITED)
    settled.edit(datadog=settled.block("r0", "https://hook.example/r0/1"))
    settled.wait(0.5)
    assert settled.ready().reason == Reason.RATE_LIMITED
    settled.break_watches(100)
    settled.edit(suspend=True)
    settled.wait(90)
    assert "UPDATE" not in settled.costs()[1]
    assert settled.world.netbird.integrations[made].config["api_url"] == "https://hook.example/r0/0"
    settled.kept()


def test_connection_is_ready_soon_after_a_failed_list_of_a_resource(settled: Scene) -> None:
    settled.wait(10)
    settled.inject_fault("LIST", RequestFault.BROKEN)
    settled.world.api.annotate(settled.identity(), RECONCILE_ANNOTATION, "now")
    settled.wait(0.7)
    assert settled.connection().reason == Reason.UNAVAILABLE
    settled.wait(15)
    assert settled.connection().reason == Reason.SYNCED
    settled.kept()


def test_failed_account_request_is_repeated_and_needs_no_other_token(
    settled: Scene,
) -> None:
    (made,) = settled.remote()
    settled.world.dashboard_deletes(made)
    for _ in range(3):
        settled.inject_fault("ACCOUNTS", RequestFault.BROKEN)
    settled.world.token("tok", "acc-a", "CANARY-main-v9")
    settled.world.put_secret("token-main", "CANARY-main-v9")
    settled.wait(1)
    assert settled.ready().reason == Reason.UNAVAILABLE
    settled.wait(90)
    assert settled.ready().reason == Reason.SYNCED
    settled.kept()


def test_late_create_of_a_frozen_leader_is_found_by_the_next(scene: Scene) -> None:
    scene.lead()
    scene.wait(2)
    old = scene.world.processes[0]
    scene.inject_fault("CREATE", RequestFault.LATE)
    scene.world.to_netbird.injected_faults[0].meanwhile = lambda: scene.world.freeze(old)
    scene.create()
    scene.wait(20)
    scene.lead()
    scene.wait(20)
    scene.world.thaw(old)
    scene.wait(200)
    assert not old.owner.alive
    assert scene.remote() == [scene.find().status.id]
    assert scene.posts() == 1
    scene.kept()


def test_time_advances_only_while_a_task_waits() -> None:
    loop = VirtualLoop()
    loop.run_until(5_000.0)
    assert loop.now == 5_000.0


def test_changes_during_a_broken_watch_are_handled_after_it(scene: Scene) -> None:
    scene.lead()
    scene.create("kept")
    scene.create("edited")
    scene.create("deleted")
    scene.wait(30)
    held = {name: scene.find(name).status.id for name in ("kept", "edited", "deleted")}
    scene.break_watches(20)
    scene.edit("edited", enabled=False)
    scene.delete("deleted")
    scene.create("made")
    scene.wait(19)
    assert scene.remote() == sorted(each for each in held.values() if each is not None)
    scene.wait(10)
    assert scene.find("edited").status.enabled is False
    assert scene.is_gone("deleted")
    assert scene.ready("made").reason == Reason.SYNCED
    assert len(scene.remote()) == 3
    scene.kept()


def test_unreadable_resource_is_not_forgotten(settled: Scene) -> None:
    settled.world.api.unreadable.add(settled.identity())
    settled.edit(enabled=False)
    settled.wait(700)
    assert sum(settled.controllers[-1].stats().readiness_counts.values()) == 2
    settled.kept()


def test_adoption_of_one_candidate_reports_the_others(scene: Scene) -> None:
    scene.inject_fault("CREATE", RequestFault.UNANSWERED)
    scene.lead()
    scene.create()
    scene.wait(10)
    config = {"api_url": "https://hook.example/r0/0", "api_key": "CANARY-stranger-v1"}
    theirs = scene.world.dashboard_creates("acc-a", Draft("datadog", config))
    scene.edit(adoption=Adoption(policy=AdoptionPolicy.OVERRIDE, id=theirs))
    scene.wait(200)
    assert (scene.find().status.id, scene.find().status.origin) == (theirs, Origin.ADOPTED)
    messages = [note.note for _, note in scene.world.events if note.reason == Reason.CREATE_AMBIGUOUS]
    assert len(messages) == 1
    assert all(str(each) in messages[0] for each in scene.remote())
    scene.kept()
