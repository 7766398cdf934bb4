"""Single stories of who owns what: twins, strangers, restored and torn resources, drift, deletion, missing secrets."""

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
from tests.simulation.network import Mishap
from tests.simulation.random_faults import Fate
from tests.simulation.scene import Scene
from tests.simulation.world import TEAM


def test_of_two_identical_resources_the_older_has_it(scene: Scene) -> None:
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


def test_of_two_identical_resources_created_at_once_one_has_it(scene: Scene) -> None:
    scene.create("r0", "https://hook.example/same")
    scene.create("r1", "https://hook.example/same")
    scene.lead()
    scene.wait(60)
    assert sorted([scene.ready("r0").reason, scene.ready("r1").reason]) == [Reason.OWNERSHIP_CONFLICT, Reason.SYNCED]
    assert scene.posts() == 1
    scene.kept()


def test_a_deletion_that_is_told_late_takes_nothing_from_a_namesake(settled: Scene) -> None:
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


def test_an_identical_stranger_blocks_until_it_is_adopted(scene: Scene) -> None:
    stranger = scene.world.stranger_creates(
        "acc-a", Draft("datadog", {"api_url": "https://hook.example/r0/0", "api_key": "CANARY-stranger-v1"})
    )
    scene.lead()
    scene.create()
    scene.wait(60)
    assert scene.ready().reason == Reason.IDENTICAL_EXISTS
    assert str(stranger) in scene.ready().message
    assert scene.posts() == 0
    scene.edit(adoption=Adoption(policy=AdoptionPolicy.MATCH))
    scene.wait(60)
    assert scene.find().status.id == stranger
    assert scene.find().status.origin is Origin.ADOPTED
    assert scene.remote() == [stranger]
    scene.kept()


def test_a_restored_status_is_a_claim_and_no_fact(settled: Scene) -> None:
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


def test_a_namespace_deleted_whole_is_cleaned_up_though_its_secrets_go_first(settled: Scene) -> None:
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


def test_a_resource_deleted_while_its_create_is_under_way_leaves_nothing(scene: Scene) -> None:
    scene.lead()
    scene.wait(2)
    scene.world.to_netbird.mishaps.append(Mishap("CREATE", meanwhile=scene.delete))
    scene.create()
    scene.wait(30)
    assert scene.is_gone()
    assert not scene.remote()
    scene.kept()


def test_what_was_made_for_a_resource_that_is_no_more_is_deleted_by_its_id(scene: Scene) -> None:
    def tear() -> None:
        scene.world.api.set_finalizers(scene.identity(), ())
        scene.delete()
        scene.create()

    scene.lead()
    scene.wait(2)
    scene.world.to_netbird.mishaps.append(Mishap("CREATE", meanwhile=tear))
    scene.create()
    scene.wait(180)
    assert scene.remote() == [scene.find().status.id]
    assert scene.ready().reason == Reason.SYNCED
    scene.kept()


@pytest.mark.parametrize("fate", [Fate.BROKEN, Fate.REFUSED, Fate.LIMITED])
def test_a_deletion_that_fails_keeps_the_resource_and_is_tried_again(settled: Scene, fate: Fate) -> None:
    gone: list[bool] = []
    settled.mishap("DELETE", fate)
    settled.world.to_netbird.mishaps.append(Mishap("DELETE", meanwhile=lambda: gone.append(settled.is_gone())))
    settled.delete()
    settled.wait(400)
    assert gone == [False]
    assert settled.is_gone()
    assert not settled.remote()
    settled.kept()


def test_a_late_answer_takes_back_nothing_that_is_known(settled: Scene) -> None:
    late, known = settled.find(), settled.controllers[-1]._context
    since = known.ports.clock.monotonic()
    settled.edit(enabled=False)
    settled.wait(60)
    record = known.store.get(settled.identity())
    assert record is not None
    known.triggers.apply_response(record, late, since)
    assert record.known.version == version_of(settled.find()) > version_of(late)


def test_what_was_deleted_unseen_is_forgotten_with_the_next_list(settled: Scene) -> None:
    settled.wait(400)
    del settled.world.api.objects[settled.identity()]
    settled.wait(700)
    assert settled.controllers[-1]._context.store.get(settled.identity()) is None


def test_a_drift_is_corrected_once(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.wait(400)
    settled.costs()
    settled.world.stranger_edits(made, url="https://elsewhere.example/")
    settled.wait(400)
    _, calls = settled.costs()
    assert calls.count("UPDATE") == 1
    assert settled.world.netbird.integrations[made].config["api_url"] == "https://hook.example/r0/0"
    settled.kept()


def test_a_remote_deletion_is_made_good(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.world.stranger_deletes(made)
    settled.wait(400)
    assert settled.remote() == [settled.find().status.id]
    assert settled.remote() != [made]
    settled.kept()


def test_an_orphan_stays_and_nothing_is_asked_of_netbird(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.edit(deletion_policy=DeletionPolicy.ORPHAN)
    settled.wait(5)
    settled.costs()
    settled.delete()
    settled.wait(30)
    assert settled.is_gone()
    assert settled.remote() == [made]
    assert "DELETE" not in settled.costs()[1]
    assert any(str(made) in line for line in settled.world.story if "event" in line)
    settled.kept()


def test_what_a_slow_watch_tells_of_a_resource_that_is_gone_is_not_acted_on(settled: Scene) -> None:
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


def test_what_is_known_to_be_gone_is_not_remembered_for_ever(settled: Scene) -> None:
    uid, controller = settled.find().metadata.uid, settled.controllers[-1]
    settled.delete()
    settled.wait(30)
    controller.expire()
    assert controller._context.store.tombstones.hides(uid, None)
    settled.wait(700)
    controller.expire()
    assert not controller._context.store.tombstones.hides(uid, None)


def test_a_stripped_finalizer_is_put_back(settled: Scene) -> None:
    settled.world.api.set_finalizers(settled.identity(), ())
    settled.wait(5)
    assert FINALIZER in settled.find().metadata.finalizers
    settled.kept()


def test_a_missing_secret_is_said_and_its_return_needs_no_edit(settled: Scene) -> None:
    settled.world.api.delete_secret(TEAM, "secret-r0")
    settled.wait(5)
    assert settled.ready().reason == Reason.SECRET_NOT_FOUND
    settled.rotate("r0")
    settled.wait(5)
    assert settled.ready().reason == Reason.SYNCED
    settled.kept()


def test_a_revoked_token_is_said_and_a_new_one_needs_no_edit(settled: Scene) -> None:
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
def test_a_404_for_what_the_list_shows_is_told_and_not_asked_for_without_a_pause(
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


def test_a_drift_that_netbird_refuses_to_have_undone_is_not_called_in_order_meanwhile(
    settled: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    netbird = settled.world.netbird
    honest = netbird.apply

    def refusing(request: Request, *given: Any) -> Answer:
        return refusal(400, "no") if request.operation is Operation.UPDATE else honest(request, *given)

    monkeypatch.setattr(netbird, "apply", refusing)
    (made,) = settled.remote()
    settled.world.stranger_edits(made, url="https://elsewhere.example/")
    settled.world.api.annotate(settled.identity(), RECONCILE_ANNOTATION, "now")
    for _ in range(20):
        settled.wait(10)
        assert settled.ready().reason == Reason.CONFIGURATION_REJECTED
    monkeypatch.undo()
    settled.wait(200)
    assert settled.ready().reason == Reason.SYNCED
    assert netbird.integrations[made].config["api_url"] == "https://hook.example/r0/0"
    settled.kept()


def test_a_refused_update_is_sent_again_only_as_its_user_wants_it_by_then(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.mishap("UPDATE", Fate.LIMITED)
    settled.edit(datadog=settled.block("r0", "https://hook.example/r0/1"))
    settled.wait(0.5)
    assert settled.ready().reason == Reason.RATE_LIMITED
    settled.break_watches(100)
    settled.edit(suspend=True)
    settled.wait(90)
    assert "UPDATE" not in settled.costs()[1]
    assert settled.world.netbird.integrations[made].config["api_url"] == "https://hook.example/r0/0"
    settled.kept()


def test_a_connection_is_ready_again_soon_after_a_list_that_failed_for_a_resource(settled: Scene) -> None:
    settled.wait(10)
    settled.mishap("LIST", Fate.BROKEN)
    settled.world.api.annotate(settled.identity(), RECONCILE_ANNOTATION, "now")
    settled.wait(0.7)
    assert settled.connection().reason == Reason.UNAVAILABLE
    settled.wait(15)
    assert settled.connection().reason == Reason.SYNCED
    settled.kept()


def test_an_account_that_netbird_fails_to_tell_is_asked_for_again_and_no_other_token_is_called_for(
    settled: Scene,
) -> None:
    (made,) = settled.remote()
    settled.world.stranger_deletes(made)
    for _ in range(3):
        settled.mishap("ACCOUNTS", Fate.BROKEN)
    settled.world.token("tok", "acc-a", "CANARY-main-v9")
    settled.world.put_secret("token-main", "CANARY-main-v9")
    settled.wait(1)
    assert settled.ready().reason == Reason.UNAVAILABLE
    settled.wait(90)
    assert settled.ready().reason == Reason.SYNCED
    settled.kept()


def test_a_frozen_leaders_create_lands_late_and_is_found_by_the_next(scene: Scene) -> None:
    scene.lead()
    scene.wait(2)
    old = scene.world.processes[0]
    scene.mishap("CREATE", Fate.LATE)
    scene.world.to_netbird.mishaps[0].meanwhile = lambda: scene.world.freeze(old)
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


def test_time_passes_only_where_somebody_waits() -> None:
    loop = VirtualLoop()
    loop.run_until(5_000.0)
    assert loop.now == 5_000.0


def test_what_changed_while_a_watch_was_broken_is_acted_on_once_it_works(scene: Scene) -> None:
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


def test_a_resource_that_can_no_longer_be_read_is_not_forgotten(settled: Scene) -> None:
    settled.world.api.unreadable.add(settled.identity())
    settled.edit(enabled=False)
    settled.wait(700)
    assert sum(settled.controllers[-1].stats().readiness_counts.values()) == 2
    settled.kept()


def test_who_adopts_one_of_what_a_lost_create_may_have_made_is_told_of_the_others(scene: Scene) -> None:
    scene.mishap("CREATE", Fate.UNANSWERED)
    scene.lead()
    scene.create()
    scene.wait(10)
    config = {"api_url": "https://hook.example/r0/0", "api_key": "CANARY-stranger-v1"}
    theirs = scene.world.stranger_creates("acc-a", Draft("datadog", config))
    scene.edit(adoption=Adoption(policy=AdoptionPolicy.OVERRIDE, id=theirs))
    scene.wait(200)
    assert (scene.find().status.id, scene.find().status.origin) == (theirs, Origin.ADOPTED)
    told = [note.note for _, note in scene.world.events if note.reason == Reason.CREATE_AMBIGUOUS]
    assert len(told) == 1
    assert all(str(each) in told[0] for each in scene.remote())
    scene.kept()
