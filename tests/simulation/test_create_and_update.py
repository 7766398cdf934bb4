"""Single scenarios of creates and updates: the promises of the design and the cost in requests."""

from collections.abc import Callable

import pytest

from netbird_streaming.api.status import Origin
from netbird_streaming.api.types import DeletionPolicy
from netbird_streaming.errors import WaitError
from netbird_streaming.reasons import Reason
from tests.simulation.network import InjectedFault
from tests.simulation.random_faults import Phase, RequestFault
from tests.simulation.scene import Scene


def test_create_costs_three_writes_one_list_and_one_post(scene: Scene) -> None:
    scene.lead()
    scene.wait(5)
    scene.costs()
    scene.create()
    scene.wait(60)
    writes, calls = scene.costs()
    assert [each.split(" team")[0] for each in writes] == ["ADD FINALIZER", "WRITE STATUS", "WRITE STATUS"]
    assert calls == ["LIST", "CREATE"]
    assert scene.ready().status == "True"
    scene.kept()


def test_many_creates_at_once_share_their_lists(scene: Scene) -> None:
    scene.lead()
    scene.wait(5)
    scene.costs()
    for number in range(30):
        scene.create(f"r{number}")
    scene.wait(60)
    writes, calls = scene.costs()
    assert len(writes) == 90
    assert calls.count("CREATE") == 30
    assert calls.count("LIST") <= 10
    scene.kept()


def test_created_integration_is_not_read_again_by_the_first_resync(settled: Scene) -> None:
    read = InjectedFault(f"GET {settled.identity().label}")
    settled.world.to_cluster.injected_faults.append(read)
    settled.wait(400)
    assert settled.costs() == ([], ["LIST"])
    assert settled.world.to_cluster.injected_faults == [read]


def test_created_integration_is_corrected_to_the_current_spec_not_to_a_lagging_watch(
    settled: Scene,
) -> None:
    (made,) = settled.remote()
    settled.world.dashboard_edits(made, url="https://elsewhere.example/")
    settled.break_watches(400)
    settled.edit(deletion_policy=DeletionPolicy.ORPHAN)
    settled.delete()
    settled.wait(390)
    assert settled.costs() == (["REMOVE FINALIZER team/r0"], ["LIST"])
    assert settled.remote() == [made]
    settled.kept()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda scene: scene.edit(datadog=scene.block("r0", "https://hook.example/r0/1")), id="spec"),
        pytest.param(lambda scene: scene.edit(enabled=False), id="enabled"),
        pytest.param(lambda scene: scene.rotate("r0"), id="secret"),
    ],
)
def test_update_costs_one_write_and_one_put(settled: Scene, change: Callable[[Scene], None]) -> None:
    change(settled)
    settled.wait(60)
    writes, calls = settled.costs()
    assert (len(writes), calls) in [(1, ["UPDATE"]), (0, ["UPDATE"])]
    assert settled.ready().status == "True"
    assert settled.find().status.observed_generation == settled.find().metadata.generation
    settled.kept()


def test_update_is_not_repeated_if_its_status_write_fails(settled: Scene) -> None:
    def edited() -> None:
        settled.edit(deletion_policy=DeletionPolicy.ORPHAN)
        settled.world.to_cluster.injected_faults.append(InjectedFault("GET secret team/secret-r0", RequestFault.BROKEN))

    settled.world.to_cluster.injected_faults.append(InjectedFault("WRITE STATUS team/r0", meanwhile=edited))
    settled.rotate("r0")
    settled.wait(60)
    assert settled.costs()[1].count("UPDATE") == 1
    assert settled.ready().observed_generation == settled.find().metadata.generation == 2
    settled.kept()


@pytest.mark.parametrize("write", ["add_finalizer", "remove_finalizer"])
def test_refused_finalizer_is_reported_and_written_once_allowed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    def refuse(_: object) -> None:
        raise WaitError(Reason.KUBERNETES_REFUSED, "refused")

    with monkeypatch.context() as refusing:
        refusing.setattr(scene.world.api, write, refuse)
        scene.lead()
        scene.create()
        scene.wait(30)
        if write == "remove_finalizer":
            assert scene.ready().reason == Reason.SYNCED
            scene.delete()
            scene.wait(30)
        assert scene.ready().reason == Reason.KUBERNETES_REFUSED
        assert scene.remote() == []
    scene.wait(90)
    assert scene.is_gone() or scene.ready().reason == Reason.SYNCED
    assert scene.is_gone() is (write == "remove_finalizer")
    scene.kept()


def test_update_is_not_repeated_if_its_status_conflicts_and_can_not_be_read(
    settled: Scene,
) -> None:
    def annotate() -> None:
        settled.world.api.annotate(settled.identity(), "example.com/noise", "1")
        settled.world.to_cluster.injected_faults.append(InjectedFault("GET team/r0", RequestFault.BROKEN))

    settled.world.to_cluster.injected_faults.append(InjectedFault("WRITE STATUS team/r0", meanwhile=annotate))
    settled.rotate("r0")
    settled.wait(60)
    writes, calls = settled.costs()
    assert calls.count("UPDATE") == 1
    assert writes == ["WRITE STATUS team/r0"]
    assert settled.ready().reason == Reason.SYNCED
    settled.kept()


def test_deletion_costs_two_writes_and_one_delete(settled: Scene) -> None:
    settled.delete()
    settled.wait(60)
    writes, calls = settled.costs()
    assert writes == ["WRITE STATUS team/r0", "REMOVE FINALIZER team/r0"]
    assert calls == ["DELETE"]
    assert settled.is_gone()
    assert not settled.remote()
    settled.kept()


def test_restart_costs_no_write_and_one_list(settled: Scene) -> None:
    settled.wait(400)
    settled.costs()
    settled.restart()
    settled.wait(60)
    assert settled.costs() == ([], ["LIST"])
    settled.kept()


def test_nothing_is_written_while_nothing_changes(settled: Scene) -> None:
    settled.wait(400)
    settled.costs()
    settled.wait(3_600)
    writes, calls = settled.costs()
    assert not writes
    assert set(calls) == {"LIST"}
    assert len(calls) <= 14


@pytest.mark.parametrize("fault", [RequestFault.UNANSWERED, RequestFault.BROKEN_APPLIED, RequestFault.LATE])
def test_create_with_a_lost_response_is_found_and_recorded(scene: Scene, fault: RequestFault) -> None:
    scene.inject_fault("CREATE", fault)
    scene.lead()
    scene.create()
    scene.wait(50)
    assert scene.ready().reason in {Reason.CREATE_OUTCOME_UNKNOWN, Reason.PROGRESSING}
    scene.wait(250)
    assert scene.posts() == 1
    assert scene.find().status.origin is Origin.INFERRED
    assert scene.remote() == [scene.find().status.id]
    assert scene.ready().reason == Reason.SYNCED
    scene.kept()


@pytest.mark.parametrize("fault", [RequestFault.DROPPED, RequestFault.BROKEN])
def test_create_that_never_arrived_is_repeated_after_the_window(scene: Scene, fault: RequestFault) -> None:
    scene.inject_fault("CREATE", fault)
    scene.lead()
    scene.create()
    scene.wait(60)
    assert not scene.remote()
    scene.wait(240)
    assert scene.posts() == 2
    assert scene.ready().reason == Reason.SYNCED
    scene.kept()


@pytest.mark.parametrize("fault", [RequestFault.LIMITED, RequestFault.REFUSED])
def test_refused_create_is_repeated_without_delay(scene: Scene, fault: RequestFault) -> None:
    scene.inject_fault("CREATE", fault)
    scene.lead()
    scene.create()
    scene.wait(55)
    assert scene.posts() == 2
    assert len(scene.remote()) == 1
    assert scene.ready().reason == Reason.SYNCED
    scene.kept()


def test_failures_are_retried_with_growing_backoff(scene: Scene) -> None:
    for _ in range(40):
        scene.inject_fault("CREATE", RequestFault.LIMITED)
    scene.lead()
    scene.create()
    scene.wait(300)
    assert 5 < scene.posts() < 12
    scene.kept()


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("moment", ["ADD FINALIZER team/r0", "WRITE STATUS team/r0", "CREATE", "LIST"])
def test_crash_at_any_point_of_a_create_makes_no_second_integration(scene: Scene, moment: str, phase: Phase) -> None:
    line = scene.world.to_netbird if moment in ("CREATE", "LIST") else scene.world.to_cluster
    line.injected_faults.append(InjectedFault(moment, phase=phase))
    scene.lead()
    scene.create()
    scene.wait(10)
    assert not scene.world.processes[0].owner.alive
    scene.lead()
    scene.wait(300)
    assert scene.remote() == [scene.find().status.id]
    assert scene.ready().reason == Reason.SYNCED
    scene.kept()


def test_response_for_a_previous_token_does_not_set_the_account_of_the_next(scene: Scene) -> None:
    def switch() -> None:
        scene.world.token("tok-b", "acc-b", "CANARY-main-v9")
        scene.world.put_secret("token-main", "CANARY-main-v9")

    scene.world.to_netbird.injected_faults.append(InjectedFault("CREATE", meanwhile=switch))
    scene.lead()
    scene.create()
    scene.wait(300)
    assert scene.posts() == 1
    assert scene.ready().reason == Reason.ACCOUNT_MISMATCH
    scene.kept()


def test_crash_before_the_status_write_is_recovered(scene: Scene) -> None:
    lost = InjectedFault("WRITE STATUS team/r0", phase=Phase.BEFORE)
    scene.world.to_netbird.injected_faults.append(
        InjectedFault("CREATE", meanwhile=lambda: scene.world.to_cluster.injected_faults.append(lost))
    )
    scene.lead()
    scene.create()
    scene.wait(10)
    assert not scene.world.processes[0].owner.alive
    assert len(scene.remote()) == 1
    scene.lead()
    scene.wait(200)
    assert scene.posts() == 1
    assert scene.find().status.origin is Origin.INFERRED
    scene.kept()


@pytest.mark.parametrize("fault", [RequestFault.BROKEN, RequestFault.DROPPED, RequestFault.LIMITED])
def test_id_is_kept_until_its_status_write_succeeds(scene: Scene, fault: RequestFault) -> None:
    lost = InjectedFault("WRITE STATUS team/r0", fault)
    scene.world.to_netbird.injected_faults.append(
        InjectedFault("CREATE", meanwhile=lambda: scene.world.to_cluster.injected_faults.append(lost))
    )
    scene.lead()
    scene.create()
    scene.wait(50)
    assert scene.find().status.origin is Origin.CREATED
    assert scene.remote() == [scene.find().status.id]
    assert scene.posts() == 1
    scene.kept()


def test_conflict_on_the_intent_prevents_the_post(scene: Scene) -> None:
    scene.lead()
    scene.wait(2)

    def edit() -> None:
        scene.edit(datadog=scene.block("r0", "https://hook.example/r0/other"))

    scene.world.to_cluster.injected_faults.append(InjectedFault("WRITE STATUS team/r0", meanwhile=edit))
    scene.create()
    scene.wait(60)
    assert scene.posts() == 1
    (made,) = scene.world.netbird.integrations.values()
    assert made.config["api_url"] == "https://hook.example/r0/other"
    scene.kept()
