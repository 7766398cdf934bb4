"""A hostile tenant: responses of its server never affect requests with the administrator's token.

The tenant may use the administrator's connection without the right to adopt, and has a connection to its own server.
The integrations of another team and of the dashboard stay unchanged, and so do their conditions.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from netbird_streaming.api.types import (
    Access,
    Adoption,
    AdoptionPolicy,
    ClusterConnectionSpec,
    ClusterNetBirdConnection,
    ConnectionKind,
    ConnectionReference,
    ConnectionSpec,
    DeletionPolicy,
    EventStreamingIntegration,
    IntegrationSpec,
    KeyReference,
    NetBirdConnection,
    ObjectKey,
    Platform,
)
from netbird_streaming.core.netbird.types import Integration, IntegrationRequest, Listing
from netbird_streaming.errors import Effect, RetryError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.controller import Controller
from netbird_streaming.reconciler.ports import ControllerSettings, Ports
from tests.doubles.netbird.records import Draft
from tests.simulation.bookkeeping import TENANT, ready_of
from tests.simulation.hostile_server import URL, HostileServer
from tests.simulation.netbird import DEFAULT_URL
from tests.simulation.scene import Scene
from tests.simulation.world import OPERATOR, TEAM

SHARED = ConnectionReference(kind=ConnectionKind.CLUSTER, name="shared")
OWN = ConnectionReference(kind=ConnectionKind.NAMESPACED, name="own")
EVIL = ObjectKey(EventStreamingIntegration.__name__, TENANT, "evil")
EVIL_URL = "https://hook.example/evil"
CA = KeyReference(name="own-ca", key="ca.crt")


class Liar(HostileServer):
    """A server that claims one id and one account, and responds to creates or not."""

    def __init__(self, scene: Scene, claimed: int, account: str | None, *, answers: bool) -> None:
        super().__init__(0, lambda: [claimed], scene.world.now)
        self._scene, self._claimed, self._answers = scene, claimed, answers
        self._account = account
        self.created = False

    @property
    def account(self) -> str | None:
        return self._account

    def fail(self) -> None:
        if self.asked is not None and not self.created:
            self.created = True
            if not self._answers:
                raise RetryError(Reason.UNAVAILABLE, "The server did not answer.", effect=Effect.UNKNOWN)

    def integration(self, integration_id: int | None = None) -> Integration:
        asked = self.asked or IntegrationRequest("datadog", {"api_url": EVIL_URL}, enabled=True)
        stamp = self._scene.world.now().isoformat()
        named = integration_id or self._claimed
        return Integration(named, self._account, "datadog", asked.enabled, dict(asked.config), stamp, stamp)

    def listing(self) -> Listing:
        items = (self.integration(),) if self.created and self._answers else ()
        return Listing(items, self._scene.world.now())


class Stage:
    """A team and a tenant that share the administrator's connection, and an integration from the dashboard."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.world = scene, scene.world
        self.world.token("tok-shared", "acc-a", "CANARY-shared-v0")
        self.world.put_secret("token-shared", "CANARY-shared-v0", OPERATOR)
        access = (Access(namespaces=(TEAM,)), Access(namespaces=(TENANT,)))
        ref = KeyReference(name="token-shared", key="key")
        spec = ClusterConnectionSpec(token_secret_ref=ref, access=access)
        self.world.api.create(ClusterNetBirdConnection, None, "shared", spec)
        scene.lead()
        scene.create("victim", connection_ref=SHARED)
        draft = Draft("datadog", {"api_url": EVIL_URL, "api_key": "CANARY-stranger-v1"})
        self.unowned = self.world.dashboard_creates("acc-a", draft)
        scene.wait(30)
        found = scene.find("victim").status.id
        assert found is not None
        self.victim = found
        self.before = self.seen()

    def seen(self) -> tuple[object, ...]:
        """Return the state of the others: their integrations in NetBird, and the version of the team's resource."""
        kept = self.world.netbird.integrations
        version = self.scene.find("victim").metadata.resource_version
        return (dict(kept), version, self.scene.ready("victim").reason)

    def invade(self, server: HostileServer, url: str = URL, ca: KeyReference | None = None) -> None:
        """Create a connection to the tenant's server, and a resource that uses it."""
        self.world.hostile = server
        self.world.clients[-1].hostile = server
        self.world.api.config_maps[TENANT, CA.name] = {CA.key: "-----BEGIN CERTIFICATE-----"}
        self.world.put_secret("token-own", "CANARY-own-v0", TENANT)
        self.world.promises.secret_value("evil", "CANARY-evil-v1")
        self.world.api.put_secret(TENANT, "secret-evil", {"key": b"CANARY-evil-v1"})
        own = KeyReference(name="token-own", key="key")
        connection = ConnectionSpec(url=url, token_secret_ref=own, ca_bundle_config_map_ref=ca)
        self.world.api.create(NetBirdConnection, TENANT, "own", connection)
        block = self.scene.block("evil", EVIL_URL)
        spec = IntegrationSpec(connection_ref=OWN, platform=Platform.DATADOG, datadog=block)
        self.world.api.create(EventStreamingIntegration, TENANT, "evil", spec)
        self.scene.wait(20)

    def evil(self) -> EventStreamingIntegration | None:
        found = self.world.api.objects.get(EVIL)
        return found if isinstance(found, EventStreamingIntegration) else None

    def condition(self) -> tuple[str, str]:
        """Return the reason and the message of the tenant's resource."""
        found = self.evil()
        ready = ready_of(found.status) if found is not None else None
        assert ready is not None
        return ready.reason, ready.message

    def untouched(self) -> None:
        """Check that the others are unchanged and that the tenant's status shows nothing of them."""
        assert self.seen() == self.before
        assert "victim" not in self.condition()[1]
        self.scene.kept()


@pytest.fixture
def stage(scene: Scene) -> Stage:
    return Stage(scene)


def of_the_victim(stage: Stage) -> int:
    return stage.victim


def of_unowned(stage: Stage) -> int:
    return stage.unowned


@pytest.mark.parametrize("account", ["acc-a", "acc-b", None])
@pytest.mark.parametrize("claimed", [of_the_victim, of_unowned])
@pytest.mark.parametrize("url", [URL, DEFAULT_URL])
def test_id_from_a_tenants_server_is_used_with_no_other_token(
    stage: Stage, url: str, claimed: Callable[[Stage], int], account: str | None
) -> None:
    stage.invade(Liar(stage.scene, claimed(stage), account, answers=True), url, CA)
    found = stage.evil()
    assert found is not None
    assert found.status.id == claimed(stage)
    stage.untouched()
    stage.world.api.edit(EVIL, connection_ref=SHARED)
    stage.scene.wait(400)
    assert stage.condition()[0] == Reason.ACCOUNT_MISMATCH
    stage.world.api.edit(EVIL, enabled=False)
    stage.scene.wait(400)
    stage.untouched()
    stage.scene.restart()
    stage.world.api.delete(EVIL)
    stage.scene.wait(400)
    assert stage.condition()[0] == Reason.ACCOUNT_MISMATCH
    stage.untouched()
    stage.world.api.edit(EVIL, deletion_policy=DeletionPolicy.ORPHAN)
    stage.scene.wait(30)
    assert stage.evil() is None
    assert stage.seen() == stage.before


def test_ids_of_a_tenants_server_are_not_missed_in_the_administrators_account(stage: Stage) -> None:
    scene = stage.scene
    scene.create("second", connection_ref=SHARED)
    stage.invade(Liar(scene, 9000, "acc-a", answers=True))
    stage.world.api.edit(EVIL, connection_ref=SHARED)
    scene.wait(400)
    names = ("victim", "second")
    for name in names:
        stage.world.dashboard_deletes(scene.find(name).status.id or 0)
    scene.wait(800)
    assert [scene.ready(name).reason for name in names] == [Reason.SYNCED] * 2
    assert {scene.find(name).status.id for name in names} <= set(scene.remote())
    scene.kept()


@pytest.mark.parametrize("account", ["acc-a", None])
def test_lost_create_at_a_tenants_server_finds_nothing_elsewhere(stage: Stage, account: str | None) -> None:
    stage.invade(Liar(stage.scene, stage.unowned, account, answers=False))
    stage.world.api.edit(EVIL, connection_ref=SHARED)
    stage.scene.wait(600)
    assert stage.condition()[0] == Reason.ACCOUNT_UNCONFIRMED
    stage.world.api.edit(EVIL, adoption=Adoption(policy=AdoptionPolicy.OVERRIDE, id=stage.unowned))
    stage.scene.wait(600)
    assert stage.condition()[0] == Reason.ACCOUNT_UNCONFIRMED
    stage.untouched()


def test_tenants_right_to_adopt_does_not_apply_in_the_administrators_account(stage: Stage) -> None:
    stage.invade(Liar(stage.scene, stage.unowned, "acc-a", answers=True))
    adopting = Adoption(policy=AdoptionPolicy.OVERRIDE, id=stage.unowned)
    stage.world.api.edit(EVIL, adoption=adopting)
    stage.scene.wait(60)
    stage.world.api.edit(EVIL, connection_ref=SHARED)
    stage.scene.wait(400)
    assert stage.condition()[0] == Reason.ACCOUNT_MISMATCH
    stage.untouched()


def test_response_of_a_tenants_server_blocks_no_other_resource(stage: Stage) -> None:
    stage.invade(Liar(stage.scene, stage.victim, "acc-a", answers=True))
    stage.world.dashboard_deletes(stage.unowned)
    stage.scene.create("neighbour", EVIL_URL, connection_ref=SHARED)
    stage.scene.wait(60)
    assert stage.scene.ready("neighbour").reason == Reason.SYNCED
    stage.scene.edit("victim", enabled=False)
    stage.scene.wait(60)
    assert stage.scene.ready("victim").reason == Reason.SYNCED
    stage.scene.kept()


def test_account_that_a_tenants_server_claimed_is_not_confirmed_for_another_server(stage: Stage) -> None:
    scene, world = stage.scene, stage.world
    stage.invade(Liar(scene, 9000, "acc-a", answers=True))
    url = "https://hook.example/wanted"
    block = scene.block("evil", url)
    squatter = IntegrationSpec(connection_ref=OWN, platform=Platform.DATADOG, datadog=block, suspend=True)
    world.api.create(EventStreamingIntegration, TENANT, "squatter", squatter)
    scene.wait(30)
    # The server changes while the token can't be read, and the token is one of another account there.
    own = ObjectKey(ConnectionKind.NAMESPACED.value, TENANT, "own")
    world.api.delete_secret(TENANT, "token-own")
    scene.wait(30)
    world.api.edit(own, url=DEFAULT_URL)
    scene.wait(30)
    world.token("tok-own", "acc-b", "CANARY-own-v0")
    world.put_secret("token-own", "CANARY-own-v0", TENANT)
    scene.wait(60)
    connection = world.api.objects[own]
    assert isinstance(connection, NetBirdConnection)
    assert [each.account_id for each in connection.status.accounts] == ["acc-b"]
    scene.create("neighbour", url, connection_ref=SHARED)
    scene.wait(60)
    assert scene.ready("neighbour").reason == Reason.SYNCED
    scene.kept()


def test_move_between_connections_of_one_account_is_followed(stage: Stage) -> None:
    stage.scene.create("mover")
    stage.scene.wait(60)
    held = stage.scene.find("mover").status.id
    stage.scene.edit("mover", connection_ref=SHARED)
    stage.scene.wait(60)
    stage.scene.edit("mover", enabled=False)
    stage.scene.wait(60)
    assert (stage.scene.ready("mover").reason, stage.scene.find("mover").status.id) == (Reason.SYNCED, held)
    stage.scene.delete("mover")
    stage.scene.wait(60)
    assert held not in stage.world.netbird.integrations
    stage.scene.kept()


def test_integration_replaced_by_an_adoption_on_another_server_stays_named(stage: Stage) -> None:
    draft = Draft("datadog", {"api_url": EVIL_URL, "api_key": "CANARY-stranger-v1"})
    adopted = stage.world.dashboard_creates("acc-b", draft)
    stage.invade(Liar(stage.scene, stage.unowned, "acc-hostile", answers=True))
    stage.world.token("tok-own", "acc-b", "CANARY-own-v0")
    stage.world.api.edit(ObjectKey(ConnectionKind.NAMESPACED.value, TENANT, "own"), url=DEFAULT_URL)
    stage.world.api.edit(EVIL, adoption=Adoption(policy=AdoptionPolicy.OVERRIDE, id=adopted))
    stage.scene.wait(400)
    reason, message = stage.condition()
    assert reason == Reason.SYNCED
    assert f"left in NetBird: {stage.unowned} (account acc-hostile)" in message
    stage.scene.restart()
    stage.world.api.delete(EVIL)
    stage.scene.wait(400)
    assert stage.evil() is None
    assert adopted not in stage.world.netbird.integrations
    assert stage.seen() == stage.before
    events = [note for key, note in stage.world.events if key == EVIL]
    assert not any("gone from NetBird" in each.note for each in events)
    assert sum(f"{stage.unowned}" in each.note and each.warning for each in events) == 2


@pytest.mark.parametrize(
    ("policy", "remedy"),
    [
        ({"allowed_urls": (DEFAULT_URL,)}, DEFAULT_URL),
        ({"namespaced_connections": False}, "ClusterNetBirdConnection"),
    ],
)
def test_administrator_restricts_the_servers_of_a_namespace(policy: dict[str, Any], remedy: str) -> None:
    class Guarded(Scene):
        def _make(self, ports: Ports, settings: ControllerSettings) -> Controller:
            return super()._make(ports, replace(settings, **policy))

    stage = Stage(Guarded())
    server = Liar(stage.scene, stage.victim, "acc-a", answers=True)
    stage.invade(server)
    reason, message = stage.condition()
    assert (reason, server.asked) == (Reason.CONNECTION_INVALID, None)
    assert remedy in message
    stage.untouched()


def shared(stage: Stage) -> ClusterNetBirdConnection | None:
    key = ObjectKey(ConnectionKind.CLUSTER.value, None, "shared")
    found = stage.world.api.objects.get(key)
    return found if isinstance(found, ClusterNetBirdConnection) else None


def test_deletion_of_a_cluster_connection_is_not_blocked_by_failing_deletes(stage: Stage) -> None:
    stage.invade(Liar(stage.scene, stage.unowned, "acc-a", answers=True))
    stage.world.api.edit(EVIL, connection_ref=SHARED)
    stage.scene.wait(30)
    stage.scene.restart()
    stage.scene.delete("victim")
    stage.scene.wait(60)
    stage.world.api.delete(ObjectKey(ConnectionKind.CLUSTER.value, None, "shared"))
    stage.scene.wait(60)
    assert shared(stage) is None
    stage.scene.kept()


@pytest.mark.parametrize("restarted", [False, True])
def test_administrator_abandons_integrations_that_block_a_deletion(
    stage: Stage,
    restarted: bool,  # noqa: FBT001 # pytest passes it
) -> None:
    key = ObjectKey(ConnectionKind.CLUSTER.value, None, "shared")
    stage.world.api.delete(key)
    stage.scene.wait(60)
    waiting = shared(stage)
    assert waiting is not None
    ready = next(each for each in waiting.status.conditions if each.type == "Ready")
    assert "team/victim" in ready.message
    assert "spec.access" in ready.message
    if restarted:
        stage.scene.restart()
    stage.world.api.edit(key, access=(Access(namespaces=(TENANT,)),))
    stage.scene.wait(60)
    assert shared(stage) is None
    assert stage.victim in stage.world.netbird.integrations


def test_equal_secrets_of_two_resources_have_different_digests(stage: Stage) -> None:
    digests = set()
    for name in ("first", "second"):
        stage.scene.create(name, "https://hook.example/same", connection_ref=SHARED)
        stage.world.promises.secret_value(name, "CANARY-guess-v1")
        stage.world.api.put_secret(TEAM, f"secret-{name}", {"key": b"CANARY-guess-v1"})
        stage.scene.wait(60)
        applied = stage.scene.find(name).status.internal.applied
        assert applied is not None
        digests.add(applied.fingerprint)
        stage.scene.delete(name)
        stage.scene.wait(60)
    assert len(digests) == 2
