"""Tests of the values behind metrics: readiness counts and counters match the state of the servers."""

from collections import Counter
from dataclasses import replace

from netbird_streaming.api.types import ConnectionKind, DriftPolicy, EventStreamingIntegration, ObjectKey
from netbird_streaming.core.status.conditions import Readiness
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.ports import Outcome
from tests.harness.recording_meter import Tally
from tests.simulation.network import InjectedFault
from tests.simulation.random_faults import RequestFault
from tests.simulation.scene import HONEST, Scene
from tests.simulation.world import TEAM

KIND = EventStreamingIntegration.__name__
CONNECTION = ConnectionKind.NAMESPACED.value
REASONS = {each.value: each for each in Reason}
SYNCED = Readiness(ready=True, reason=Reason.SYNCED)


def standing(scene: Scene) -> dict[tuple[str, Readiness], int]:
    return dict(scene.controllers[-1].stats().readiness_counts)


def stored(scene: Scene) -> dict[tuple[str, Readiness], int]:
    """Count the resources by reading all objects."""
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


def test_readiness_counts_match_the_api_server_after_restart_and_deletion(settled: Scene) -> None:
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


def test_resource_is_counted_as_waiting_before_its_first_reconcile(scene: Scene) -> None:
    scene.create()
    scene.lead()
    scene.inject_fault("LIST", RequestFault.UNANSWERED)
    scene.wait(0.2)
    assert standing(scene)[KIND, Readiness(ready=False, reason=Reason.PENDING)] == 1
    assert scene.controllers[-1].stats().backlog.depth >= 0


def test_resync_age_counts_from_its_start_and_ignores_failed_ones(settled: Scene) -> None:
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


def test_connection_without_a_readable_token_has_no_resync(scene: Scene) -> None:
    scene.world.api.delete_secret(TEAM, "token-main")
    scene.lead()
    scene.wait(5)
    assert scene.controllers[-1].stats().connections == ()
    assert set(tally(scene).put_backs) == {(CONNECTION, Reason.SECRET_NOT_FOUND)}


def test_reconcile_succeeds_or_waits_for_a_list_without_requeue(settled: Scene) -> None:
    assert tally(settled).put_backs == {}
    assert {outcome for _, outcome in tally(settled).outcomes} == {Outcome.SUCCESS, Outcome.WAITING}
    assert tally(settled).outcomes[KIND, Outcome.WAITING] == 1


def test_unchanged_event_causes_no_reconcile(settled: Scene) -> None:
    settled.wait(60)
    before = sum(tally(settled).outcomes.values())
    settled.controllers[-1].apply_event(settled.find())
    settled.wait(5)
    assert sum(tally(settled).outcomes.values()) == before


def test_refused_write_is_an_error_and_requeued_with_its_reason(scene: Scene) -> None:
    scene.lead()
    scene.wait(5)
    scene.inject_fault("CREATE", RequestFault.LIMITED)
    scene.create()
    scene.wait(60)
    assert scene.ready().reason == Reason.SYNCED
    assert tally(scene).put_backs == {(KIND, Reason.RATE_LIMITED): 1}
    assert tally(scene).outcomes[KIND, Outcome.ERROR] == 1


def test_kubernetes_failure_is_an_error(settled: Scene) -> None:
    settled.world.to_cluster.injected_faults.append(InjectedFault("WRITE STATUS", RequestFault.DROPPED))
    settled.edit(datadog=settled.block("r0", "https://hook.example/r0/1"))
    settled.wait(60)
    assert settled.ready().reason == Reason.SYNCED
    assert tally(settled).outcomes[KIND, Outcome.ERROR] == 1
    assert tally(settled).put_backs[KIND, Reason.UNAVAILABLE] == 1


def test_corrected_drift_is_counted_once_as_found_and_once_as_corrected(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.wait(400)
    for number in (1, 2):
        settled.world.dashboard_edits(made, url="https://elsewhere.example/")
        settled.inject_fault("UPDATE", RequestFault.LIMITED)
        settled.wait(400)
        assert (tally(settled).found, tally(settled).corrected) == (number, number)


def test_reported_drift_is_counted_once_and_corrected_by_the_next_spec(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.edit(drift_policy=DriftPolicy.REPORT)
    settled.wait(400)
    settled.world.dashboard_edits(made, url="https://elsewhere.example/")
    settled.wait(1500)
    assert settled.ready().reason == Reason.DRIFTED
    assert (tally(settled).found, tally(settled).corrected) == (1, 0)
    settled.rotate("r0")
    settled.wait(400)
    assert (tally(settled).found, tally(settled).corrected) == (1, 1)


def test_drift_that_another_client_reverts_is_not_counted_as_corrected(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.edit(drift_policy=DriftPolicy.REPORT)
    settled.world.dashboard_edits(made, enabled=False)
    settled.wait(400)
    settled.delete()
    settled.wait(60)
    assert (tally(settled).found, tally(settled).corrected) == (1, 0)
    assert settled.is_gone()


def test_deletion_in_netbird_is_drift_and_its_re_creation_a_correction(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.world.dashboard_deletes(made)
    settled.wait(400)
    assert settled.remote() != [made]
    assert (tally(settled).found, tally(settled).corrected) == (1, 1)


def test_normalized_values_are_no_drift() -> None:
    scene = Scene(replace(HONEST, normalise_urls=True))
    scene.lead()
    scene.wait(5)
    scene.create(url="https://HOOK.example:443/r0")
    scene.wait(400)
    scene.edit(datadog=scene.block("r0", "https://HOOK.example:443/r1"))
    scene.wait(400)
    assert scene.ready().reason == Reason.SYNCED
    assert (tally(scene).found, tally(scene).corrected) == (0, 0)
    scene.world.dashboard_edits(scene.remote()[0], url="https://elsewhere.example/")
    scene.wait(400)
    assert (tally(scene).found, tally(scene).corrected) == (1, 1)
    scene.world.loop.dispose()


def test_contention_is_found_once_more_than_it_is_corrected(settled: Scene) -> None:
    (made,) = settled.remote()
    settled.wait(400)
    for number in range(5):
        settled.world.dashboard_edits(made, url=f"https://elsewhere.example/{number}")
        settled.wait(400)
    assert settled.ready().reason == Reason.CONTENDED
    assert (tally(settled).found, tally(settled).corrected) == (4, 3)


def test_removed_connection_has_no_readiness_count(settled: Scene) -> None:
    settled.delete()
    settled.wait(30)
    settled.world.api.delete(ObjectKey(CONNECTION, TEAM, "main"))
    settled.wait(30)
    assert standing(settled) == {}
    assert settled.controllers[-1].stats().connections == ()
