"""What metrics are made of: how resources stand, and what was counted, held to what the servers have."""

from collections import Counter
from dataclasses import replace

from netbird_streaming.api.types import ConnectionKind, DriftPolicy, EventStreamingIntegration, ObjectKey
from netbird_streaming.core.status.conditions import Readiness
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.ports import Outcome
from tests.harness.recording_meter import Tally
from tests.simulation.network import Mishap
from tests.simulation.random_faults import Fate
from tests.simulation.scene import HONEST, Scene
from tests.simulation.world import TEAM

KIND = EventStreamingIntegration.__name__
CONNECTION = ConnectionKind.NAMESPACED.value
REASONS = {each.value: each for each in Reason}
SYNCED = Readiness(ready=True, reason=Reason.SYNCED)


def standing(scene: Scene) -> dict[tuple[str, Readiness], int]:
    return dict(scene.controllers[-1].stats().readiness_counts)


def stored(scene: Scene) -> dict[tuple[str, Readiness], int]:
    """What a reader of all objects would count."""
    objects = scene.world.api.objects.values()
    conditions = [(each.key.kind, each.status.conditions) for each in objects if hasattr(each, "status")]
    return Counter(
        (kind, Readiness(each.status == "True", REASONS[each.reason]))
        for kind, all_of_it in conditions
        for each in all_of_it
        if each.type == "Ready"
    )


def tally(scene: Scene) -> Tally:
    return scene.world.tallies[-1]


def test_how_resources_stand_is_what_the_api_server_has_also_after_a_restart_and_a_deletion(settled: Scene) -> None:
    settled.create("r1")
    settled.create("r2", "https://hook.example/r0/0")
    settled.world.api.delete_secret(TEAM, "secret-r1")
    settled.wait(60)
    conflict = Readiness(ready=False, reason=Reason.OWNERSHIP_CONFLICT)
    missing = Readiness(ready=False, reason=Reason.SECRET_NOT_FOUND)
    expected = {(CONNECTION, SYNCED): 1, (KIND, SYNCED): 1, (KIND, conflict): 1, (KIND, missing): 1}
    assert standing(settled) == stored(settled) == expected
    settled.restart()
    settled.wait(0.5)
    assert standing(settled) == stored(settled) == expected
    settled.delete("r2")
    settled.wait(60)
    del expected[KIND, conflict]
    assert standing(settled) == stored(settled) == expected


def test_a_resource_that_nobody_has_looked_at_waits(scene: Scene) -> None:
    scene.create()
    scene.lead()
    scene.mishap("LIST", Fate.UNANSWERED)
    scene.wait(0.2)
    assert standing(scene)[KIND, Readiness(ready=False, reason=Reason.PENDING)] == 1
    assert scene.controllers[-1].stats().backlog.depth >= 0


def test_a_sweep_ages_from_its_beginning_and_no_failed_one_makes_it_young(settled: Scene) -> None:
    (figures,) = settled.controllers[-1].stats().connections
    assert (figures.label, figures.resync_interval) == (f"{TEAM}/main", 300.0)
    young = figures.resync_age
    assert 0 < young < 10
    settled.world.netbird.directory.revoke_token("tok")
    settled.wait(700)
    (figures,) = settled.controllers[-1].stats().connections
    assert figures.resync_age >= 600
    assert tally(settled).put_backs[CONNECTION, Reason.TOKEN_REJECTED] > 0
    assert tally(settled).outcomes[CONNECTION, Outcome.ERROR] > 0


def test_a_connection_whose_token_was_never_read_has_no_sweep(scene: Scene) -> None:
    scene.world.api.delete_secret(TEAM, "token-main")
    scene.lead()
    scene.wait(5)
    assert scene.controllers[-1].stats().connections == ()
    assert set(tally(scene).put_backs) == {(CONNECTION, Reason.SECRET_NOT_FOUND)}


def test_a_reconcile_settles_or_waits_for_a_list_and_nothing_is_put_back(settled: Scene) -> None:
    assert tally(settled).put_backs == {}
    assert {outcome for _, outcome in tally(settled).outcomes} == {Outcome.SUCCESS, Outcome.WAITING}
    assert tally(settled).outcomes[KIND, Outcome.WAITING] == 1


def test_what_is_known_already_is_no_work(settled: Scene) -> None:
    settled.wait(60)
    before = sum(tally(settled).outcomes.values())
    settled.controllers[-1].apply_event(settled.find())
    settled.wait(5)
    assert sum(tally(settled).outcomes.values()) == before


def test_a_refused_write_is_a_failure_that_is_put_back_for_its_reason(scene: Scene) -> None:
    scene.lead()
    scene.wait(5)
    scene.mishap("CREATE", Fate.LIMITED)
    scene.create()
    scene.wait(60)
    assert scene.ready().reason == Reason.SYNCED
    assert tally(scene).put_backs == {(KIND, Reason.RATE_LIMITED): 1}
    assert tally(scene).outcomes[KIND, Outcome.ERROR] == 1


def test_a_kubernetes_that_fails_is_a_failure_too(settled: Scene) -> None:
    settled.world.to_cluster.mishaps.append(Mishap("WRITE STATUS", Fate.DROPPED))
    settled.edit(datadog=settled.block("r0", "https://hook.example/r0/1"))
    settled.wait(60)
    assert settled.ready().reason == Reason.SYNCED
    assert tally(settled).outcomes[KIND, Outcome.ERROR] == 1
    assert tally(settled).put_backs[KIND, Reason.UNAVAILABLE] == 1


def test_a_drift_counts_once_when_it_is_found_and_once_when_it_is_corrected(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.wait(400)
    for number in (1, 2):
        settled.world.stranger_edits(made, url="https://elsewhere.example/")
        settled.mishap("UPDATE", Fate.LIMITED)
        settled.wait(400)
        assert (tally(settled).found, tally(settled).corrected) == (number, number)


def test_a_drift_that_is_only_reported_counts_once_and_is_corrected_by_the_next_spec(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.edit(drift_policy=DriftPolicy.REPORT)
    settled.wait(400)
    settled.world.stranger_edits(made, url="https://elsewhere.example/")
    settled.wait(1500)
    assert settled.ready().reason == Reason.DRIFTED
    assert (tally(settled).found, tally(settled).corrected) == (1, 0)
    settled.rotate("r0")
    settled.wait(400)
    assert (tally(settled).found, tally(settled).corrected) == (1, 1)


def test_a_drift_that_somebody_else_undoes_was_not_corrected_by_us(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.edit(drift_policy=DriftPolicy.REPORT)
    settled.world.stranger_edits(made, enabled=False)
    settled.wait(400)
    settled.delete()
    settled.wait(60)
    assert (tally(settled).found, tally(settled).corrected) == (1, 0)
    assert settled.is_gone()


def test_a_deletion_in_netbird_is_a_drift_and_creating_it_again_its_correction(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.world.stranger_deletes(made)
    settled.wait(400)
    assert settled.remote() != [made]
    assert (tally(settled).found, tally(settled).corrected) == (1, 1)


def test_a_server_that_writes_values_its_own_way_is_no_drift() -> None:
    scene = Scene(replace(HONEST, normalise_urls=True))
    scene.lead()
    scene.wait(5)
    scene.create(url="https://HOOK.example:443/r0")
    scene.wait(400)
    scene.edit(datadog=scene.block("r0", "https://HOOK.example:443/r1"))
    scene.wait(400)
    assert scene.ready().reason == Reason.SYNCED
    assert (tally(scene).found, tally(scene).corrected) == (0, 0)
    scene.world.stranger_edits(scene.remote()[0], url="https://elsewhere.example/")
    scene.wait(400)
    assert (tally(scene).found, tally(scene).corrected) == (1, 1)
    scene.world.loop.dispose()


def test_contention_is_found_once_more_than_it_was_corrected(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.wait(400)
    for number in range(5):
        settled.world.stranger_edits(made, url=f"https://elsewhere.example/{number}")
        settled.wait(400)
    assert settled.ready().reason == Reason.CONTENDED
    assert (tally(settled).found, tally(settled).corrected) == (4, 3)


def test_a_connection_that_is_gone_stands_no_more(settled: Scene) -> None:
    settled.delete()
    settled.wait(30)
    settled.world.api.delete(ObjectKey(CONNECTION, TEAM, "main"))
    settled.wait(30)
    assert standing(settled) == {}
    assert settled.controllers[-1].stats().connections == ()
