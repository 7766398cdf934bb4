"""Single stories of tokens and connections that change while something is under way: what was begun says with which."""

from dataclasses import replace
from typing import Any

import pytest

from netbird_streaming.api.status import Origin
from netbird_streaming.api.types import (
    RECONCILE_ANNOTATION,
    ConnectionKind,
    ConnectionReference,
    ConnectionSpec,
    DeletionPolicy,
    KeyReference,
    NetBirdConnection,
    ObjectKey,
)
from netbird_streaming.reasons import Reason
from tests.doubles.netbird.records import Draft
from tests.simulation.network import Mishap
from tests.simulation.random_faults import Fate, Weather
from tests.simulation.scene import Scene
from tests.simulation.world import TEAM

SHARED = "https://hook.example/shared"


def take_token(scene: Scene, account: str, number: int) -> None:
    """The connection gets a new token, of this account."""
    value = f"CANARY-main-v{number}"
    scene.world.token(f"tok-{account}", account, value)
    scene.world.put_secret("token-main", value)


def move(scene: Scene, name: str, to: str) -> None:
    """A user lets a resource refer to a connection of another account."""
    value = f"CANARY-{to}-v0"
    scene.world.token(f"tok-{to}", "acc-b", value)
    scene.world.put_secret(f"token-{to}", value)
    spec = ConnectionSpec(token_secret_ref=KeyReference(name=f"token-{to}", key="key"))
    scene.world.api.create(NetBirdConnection, TEAM, to, spec)
    scene.edit(name, connection_ref=ConnectionReference(kind=ConnectionKind.NAMESPACED, name=to))


def tell_no_account(scene: Scene) -> None:
    """Tokens may not read their account, the first one included."""
    scene.world.climate = replace(scene.world.climate, reads_accounts=False)
    scene.world.token("tok", "acc-a", "CANARY-main-v0")


def test_creates_that_wait_for_their_account_ask_for_it_once(scene: Scene) -> None:
    for number in range(5):
        scene.create(f"r{number}")
    scene.lead()
    scene.wait(60)
    calls = scene.costs()[1]
    assert (calls.count("CREATE"), calls.count("ACCOUNTS")) == (5, 1)
    scene.kept()


def test_an_account_that_netbird_does_not_tell_holds_no_create_up(scene: Scene) -> None:
    tell_no_account(scene)
    scene.lead()
    scene.create()
    scene.wait(10)
    assert scene.ready().reason == Reason.SYNCED
    scene.kept()


@pytest.mark.parametrize("fate", [Fate.UNANSWERED, Fate.BROKEN])
def test_a_create_under_way_is_settled_with_a_rotated_token(scene: Scene, fate: Fate) -> None:
    scene.mishap("CREATE", fate)
    scene.lead()
    scene.create()
    scene.wait(30)
    take_token(scene, "acc-a", 1)
    scene.wait(300)
    assert scene.ready().reason == Reason.SYNCED
    assert scene.remote() == [scene.find().status.id]
    assert scene.posts() == (1 if fate is Fate.UNANSWERED else 2)
    scene.kept()


def test_an_account_that_netbird_failed_to_tell_before_a_create_is_asked_for_while_its_token_is_there(
    scene: Scene,
) -> None:
    scene.mishap("ACCOUNTS", Fate.BROKEN)
    scene.mishap("ACCOUNTS", Fate.BROKEN)
    scene.mishap("CREATE", Fate.UNANSWERED)
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


def test_where_no_account_is_told_a_create_waits_for_the_token_that_it_was_sent_with(scene: Scene) -> None:
    tell_no_account(scene)
    scene.mishap("CREATE", Fate.UNANSWERED)
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


def test_a_restart_forgets_nothing_of_what_a_create_was_sent_with(scene: Scene) -> None:
    tell_no_account(scene)
    scene.mishap("CREATE", Fate.UNANSWERED)
    scene.lead()
    scene.create()
    scene.wait(10)
    scene.restart()
    scene.wait(300)
    assert scene.find().status.origin is Origin.INFERRED
    assert scene.posts() == 1
    scene.kept()


def test_a_twin_waits_though_the_resource_that_is_creating_moves_to_another_account(scene: Scene) -> None:
    scene.mishap("CREATE", Fate.BROKEN)
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


def test_what_was_said_of_a_former_generation_is_taken_back_while_the_account_is_asked_for(settled: Scene) -> None:
    def edited() -> None:
        settled.mishap("ACCOUNTS", Fate.DROPPED)
        take_token(settled, "acc-b", 1)

    settled.world.to_netbird.weather = Weather(latency=1.0)
    settled.world.to_netbird.mishaps.append(Mishap("UPDATE", meanwhile=edited))
    settled.edit(datadog=settled.block("r0", "https://hook.example/r0/1"))
    settled.wait(5)
    assert settled.ready().observed_generation == 2
    assert settled.ready().status == "False"
    settled.wait(200)
    assert settled.ready().reason == Reason.ACCOUNT_MISMATCH
    settled.kept()


def test_what_a_resource_that_is_gone_has_made_is_deleted_with_a_token_of_its_account(scene: Scene) -> None:
    def forced_away() -> None:
        scene.world.api.set_finalizers(scene.identity(), ())
        scene.delete()
        take_token(scene, "acc-b", 1)

    scene.world.to_netbird.weather = Weather(latency=1.0)
    scene.world.to_netbird.mishaps.append(Mishap("CREATE", meanwhile=forced_away))
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
    """The connection acts in a tenant that the token has no right to: NetBird then acts in the token's own account."""
    key = ObjectKey(ConnectionKind.NAMESPACED.value, TEAM, "main")
    scene.world.api.edit(key, tenant_id=tenant_id)


@pytest.mark.parametrize("fates", [(), (Fate.BROKEN,), (Fate.BROKEN, Fate.BROKEN), (Fate.REFUSED,)])
def test_in_a_tenant_nothing_is_created_until_its_account_is_known_to_be_no_other(
    scene: Scene, fates: tuple[Fate, ...]
) -> None:
    for fate in fates:
        scene.mishap("ACCOUNTS", fate)
    let_it_act_in_a_tenant(scene, "gold")
    scene.lead()
    scene.create()
    scene.wait(60)
    assert scene.posts() == 0
    scene.wait(900)
    assert (scene.posts(), scene.ready().reason) == (0, Reason.PERMISSION_DENIED)
    scene.kept()


def test_where_the_tokens_own_account_is_not_told_nothing_is_created_in_a_tenant(scene: Scene) -> None:
    tell_no_account(scene)
    scene.world.stranger_creates("acc-a", Draft("datadog", {"api_url": "https://x.example", "api_key": "k"}))
    let_it_act_in_a_tenant(scene, "gold")
    scene.lead()
    scene.create()
    scene.wait(300)
    assert (scene.posts(), scene.ready().reason) == (0, Reason.ACCOUNT_UNCONFIRMED)
    scene.kept()


def written(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """Record what is written to the connection: Ready's status and reason, and the LISTs that NetBird had answered."""
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


def test_a_connection_is_not_ready_before_its_new_token_was_tried(
    settled: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_a_token_that_changed_while_no_process_ran_is_tried_before_the_connection_is_ready(
    settled: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled.world.kill(settled.world.processes[-1])
    take_token(settled, "acc-a", 1)
    statuses = written(settled, monkeypatch)
    settled.wait(1)
    settled.lead()
    settled.wait(60)
    assert [each[:2] for each in statuses] == [("False", Reason.PROGRESSING), ("True", Reason.SYNCED)]


def test_a_restart_with_the_same_token_writes_no_status(settled: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = written(settled, monkeypatch)
    settled.restart()
    settled.wait(600)
    assert statuses == []


def test_a_request_is_handled_only_after_the_new_token_was_tried(
    settled: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_a_connection_with_a_token_of_another_account_is_not_ready_while_resources_depend_on_the_former(
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
