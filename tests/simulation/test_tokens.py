"""Single scenarios of tokens and connections that change during an operation: it finishes with its own token."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest

from netbird_streaming.api.status import Origin, Status
from netbird_streaming.api.types import (
    RECONCILE_ANNOTATION,
    ConnectionKind,
    ConnectionReference,
    ConnectionSpec,
    DeletionPolicy,
    EventStreamingIntegration,
    KeyReference,
    NetBirdConnection,
    ObjectKey,
)
from netbird_streaming.clock import Clock
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.controller import Controller
from netbird_streaming.reconciler.ports import Cluster, ControllerSettings, Ports
from tests.doubles.netbird.records import Draft
from tests.simulation.network import InjectedFault
from tests.simulation.random_faults import NetworkFaults, RequestFault
from tests.simulation.scene import Scene
from tests.simulation.world import TEAM

SHARED = "https://hook.example/shared"


def take_token(scene: Scene, account: str, number: int) -> None:
    """Set a new token of this account in the connection."""
    value = f"CANARY-main-v{number}"
    scene.world.token(f"tok-{account}", account, value)
    scene.world.put_secret("token-main", value)


def move(scene: Scene, name: str, to: str) -> None:
    """Point a resource to a connection of another account, as a user."""
    value = f"CANARY-{to}-v0"
    scene.world.token(f"tok-{to}", "acc-b", value)
    scene.world.put_secret(f"token-{to}", value)
    spec = ConnectionSpec(token_secret_ref=KeyReference(name=f"token-{to}", key="key"))
    scene.world.api.create(NetBirdConnection, TEAM, to, spec)
    scene.edit(name, connection_ref=ConnectionReference(kind=ConnectionKind.NAMESPACED, name=to))


def tell_no_account(scene: Scene) -> None:
    """Deny all tokens the read of their account, the first one included."""
    scene.world.environment = replace(scene.world.environment, reads_accounts=False)
    scene.world.token("tok", "acc-a", "CANARY-main-v0")


def test_creates_that_wait_for_their_account_share_one_request(scene: Scene) -> None:
    for number in range(5):
        scene.create(f"r{number}")
    scene.lead()
    scene.wait(60)
    calls = scene.costs()[1]
    assert (calls.count("CREATE"), calls.count("ACCOUNTS")) == (5, 1)
    scene.kept()


def test_unknown_account_delays_no_create(scene: Scene) -> None:
    tell_no_account(scene)
    scene.lead()
    scene.create()
    scene.wait(10)
    assert scene.ready().reason == Reason.SYNCED
    scene.kept()


@pytest.mark.parametrize("fault", [RequestFault.UNANSWERED, RequestFault.BROKEN])
def test_create_in_flight_is_resolved_with_a_rotated_token(scene: Scene, fault: RequestFault) -> None:
    scene.inject_fault("CREATE", fault)
    scene.lead()
    scene.create()
    scene.wait(30)
    take_token(scene, "acc-a", 1)
    scene.wait(300)
    assert scene.ready().reason == Reason.SYNCED
    assert scene.remote() == [scene.find().status.id]
    assert scene.posts() == (1 if fault is RequestFault.UNANSWERED else 2)
    scene.kept()


def test_account_is_requested_again_before_a_create_while_its_token_exists(
    scene: Scene,
) -> None:
    scene.inject_fault("ACCOUNTS", RequestFault.BROKEN)
    scene.inject_fault("ACCOUNTS", RequestFault.BROKEN)
    scene.inject_fault("CREATE", RequestFault.UNANSWERED)
    scene.lead()
    scene.create()
    scene.wait(45)
    intent = scene.find().status.internal.creation
    assert intent is not None
    assert intent.account_id == "acc-a"
    take_token(scene, "acc-a", 1)
    scene.wait(300)
    assert scene.find().status.origin is Origin.INFERRED
    scene.kept()


def test_create_with_unknown_account_waits_for_the_token_that_sent_it(scene: Scene) -> None:
    tell_no_account(scene)
    scene.inject_fault("CREATE", RequestFault.UNANSWERED)
    scene.lead()
    scene.create()
    scene.wait(30)
    take_token(scene, "acc-a", 1)
    scene.wait(600)
    assert scene.ready().reason == Reason.ACCOUNT_UNCONFIRMED
    scene.world.put_secret("token-main", "CANARY-main-v0")
    scene.wait(30)
    assert scene.find().status.origin is Origin.INFERRED
    assert scene.posts() == 1
    scene.kept()


def test_restart_keeps_the_token_digest_of_a_create(scene: Scene) -> None:
    tell_no_account(scene)
    scene.inject_fault("CREATE", RequestFault.UNANSWERED)
    scene.lead()
    scene.create()
    scene.wait(10)
    scene.restart()
    scene.wait(300)
    assert scene.find().status.origin is Origin.INFERRED
    assert scene.posts() == 1
    scene.kept()


def test_identical_resource_waits_although_the_creating_one_moves_to_another_account(scene: Scene) -> None:
    scene.inject_fault("CREATE", RequestFault.BROKEN)
    scene.lead()
    scene.create("r0", SHARED)
    scene.wait(5)
    scene.create("r1", SHARED)
    scene.wait(5)
    move(scene, "r0", "foreign")
    scene.wait(30)
    assert scene.ready("r0").reason == Reason.ACCOUNT_UNCONFIRMED
    assert scene.ready("r1").reason == Reason.OWNERSHIP_CONFLICT
    scene.restart()
    scene.wait(200)
    assert scene.ready("r1").reason == Reason.OWNERSHIP_CONFLICT
    assert scene.posts() == 1
    scene.kept()


def test_condition_of_a_previous_generation_is_cleared_while_the_account_is_requested(settled: Scene) -> None:
    def edited() -> None:
        settled.inject_fault("ACCOUNTS", RequestFault.DROPPED)
        take_token(settled, "acc-b", 1)

    settled.world.to_netbird.network_faults = NetworkFaults(latency=1.0)
    settled.world.to_netbird.injected_faults.append(InjectedFault("UPDATE", meanwhile=edited))
    settled.edit(datadog=settled.block("r0", "https://hook.example/r0/1"))
    settled.wait(5)
    assert settled.ready().observed_generation == 2
    assert settled.ready().status == "False"
    settled.wait(200)
    assert settled.ready().reason == Reason.ACCOUNT_MISMATCH
    settled.kept()


def test_integration_of_a_removed_resource_is_deleted_with_a_token_of_its_account(scene: Scene) -> None:
    def forced_away() -> None:
        scene.world.api.set_finalizers(scene.identity(), ())
        scene.delete()
        take_token(scene, "acc-b", 1)

    scene.world.to_netbird.network_faults = NetworkFaults(latency=1.0)
    scene.world.to_netbird.injected_faults.append(InjectedFault("CREATE", meanwhile=forced_away))
    scene.lead()
    scene.create()
    scene.wait(300)
    assert scene.is_gone()
    assert len(scene.remote()) == 1
    take_token(scene, "acc-a", 2)
    scene.wait(300)
    assert scene.remote() == []
    scene.kept()


def let_it_act_in_a_tenant(scene: Scene, tenant_id: str) -> None:
    """Set a tenant that the token has no right to. NetBird then acts in the token's own account."""
    key = ObjectKey(ConnectionKind.NAMESPACED.value, TEAM, "main")
    scene.world.api.edit(key, tenant_id=tenant_id)


@pytest.mark.parametrize(
    "faults", [(), (RequestFault.BROKEN,), (RequestFault.BROKEN, RequestFault.BROKEN), (RequestFault.REFUSED,)]
)
def test_nothing_is_created_in_a_tenant_until_its_account_is_known(
    scene: Scene, faults: tuple[RequestFault, ...]
) -> None:
    for fault in faults:
        scene.inject_fault("ACCOUNTS", fault)
    let_it_act_in_a_tenant(scene, "gold")
    scene.lead()
    scene.create()
    scene.wait(60)
    assert scene.posts() == 0
    scene.wait(900)
    assert (scene.posts(), scene.ready().reason) == (0, Reason.PERMISSION_DENIED)
    scene.kept()


def test_nothing_is_created_in_a_tenant_if_the_tokens_account_is_unknown(scene: Scene) -> None:
    tell_no_account(scene)
    scene.world.dashboard_creates("acc-a", Draft("datadog", {"api_url": "https://x.example", "api_key": "k"}))
    let_it_act_in_a_tenant(scene, "gold")
    scene.lead()
    scene.create()
    scene.wait(300)
    assert (scene.posts(), scene.ready().reason) == (0, Reason.ACCOUNT_UNCONFIRMED)
    scene.kept()


def written(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """Record the writes to the connection: Ready's status, its reason, and the number of answered LISTs."""
    found: list[tuple[str, str, int]] = []
    write = scene.world.api.write_status

    def write_status(read: Any, status: Any) -> Any:
        if isinstance(read, NetBirdConnection):
            ready = next(each for each in status.conditions if each.type == "Ready")
            lists = sum(each.startswith("LIST") for client in scene.world.clients for each in client.calls)
            found.append((ready.status, ready.reason, lists))
        return write(read, status)

    monkeypatch.setattr(scene.world.api, "write_status", write_status)
    return found


def test_connection_is_not_ready_before_its_new_token_was_used(settled: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    settled.costs()
    statuses = written(settled, monkeypatch)
    settled.world.put_secret("token-main", "CANARY-unknown-v1")
    settled.wait(60)
    assert statuses[0] == ("False", Reason.PROGRESSING, 0)
    assert statuses[1][:2] == ("False", Reason.TOKEN_REJECTED)
    assert len(statuses) == 2
    take_token(settled, "acc-a", 2)
    settled.wait(60)
    assert settled.connection().reason == Reason.SYNCED
    settled.kept()


def test_token_changed_during_downtime_is_used_before_the_connection_is_ready(
    settled: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled.world.kill(settled.world.processes[-1])
    take_token(settled, "acc-a", 1)
    statuses = written(settled, monkeypatch)
    settled.wait(1)
    settled.lead()
    settled.wait(60)
    assert [each[:2] for each in statuses] == [("False", Reason.PROGRESSING), ("True", Reason.SYNCED)]


def test_restart_with_the_same_token_writes_no_status(settled: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = written(settled, monkeypatch)
    settled.restart()
    settled.wait(600)
    assert statuses == []


def test_request_is_handled_only_after_the_new_token_was_used(settled: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = written(settled, monkeypatch)
    key = ObjectKey(NetBirdConnection.__name__, TEAM, "main")
    settled.world.put_secret("token-main", "CANARY-unknown-v1")
    settled.world.api.annotate(key, RECONCILE_ANNOTATION, "now")
    settled.world.run_until(settled.now + 0.2)
    connection = settled.world.api.objects[key]
    assert isinstance(connection, NetBirdConnection)
    handled = connection.status.last_handled_reconcile_at
    assert (handled == "now") is (statuses[-1][1] == Reason.TOKEN_REJECTED)
    settled.wait(10)
    connection = settled.world.api.objects[key]
    assert isinstance(connection, NetBirdConnection)
    assert connection.status.last_handled_reconcile_at == "now"
    assert settled.connection().reason == Reason.TOKEN_REJECTED


def test_connection_with_another_accounts_token_is_not_ready_while_resources_need_the_former(
    settled: Scene,
) -> None:
    take_token(settled, "acc-b", 1)
    settled.wait(30)
    assert settled.connection().reason == settled.ready().reason == Reason.ACCOUNT_MISMATCH
    assert f"{TEAM}/r0" in settled.connection().message
    assert "token-main" in settled.connection().message
    settled.restart()
    settled.wait(30)
    assert settled.connection().reason == Reason.ACCOUNT_MISMATCH
    settled.edit(deletion_policy=DeletionPolicy.ORPHAN)
    settled.delete()
    settled.wait(30)
    assert settled.is_gone()
    assert settled.connection().reason == Reason.SYNCED
    settled.kept()


class Swapped:
    """The API server, with something that happens while a status is written."""

    def __init__(self, cluster: Cluster, clock: Clock, during: Callable[[], None]) -> None:
        self._cluster, self._clock, self._during = cluster, clock, during

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    async def write_status(self, resource: EventStreamingIntegration, status: Status) -> EventStreamingIntegration:
        written = await self._cluster.write_status(resource, status)
        if resource.deleting:
            self._during()
            await self._clock.sleep(20)
        return written


def test_token_that_changes_before_a_delete_is_not_used_for_it() -> None:
    class Swapping(Scene):
        def _make(self, ports: Ports, settings: ControllerSettings) -> Controller:
            during = partial(take_token, self, "acc-b", 1)
            cluster = cast("Cluster", Swapped(ports.cluster, ports.clock, during))
            return super()._make(replace(ports, cluster=cluster), settings)

    scene = Swapping()
    scene.create()
    scene.lead()
    scene.wait(60)
    scene.delete()
    scene.wait(30)
    assert scene.remote() == []
    scene.kept()
