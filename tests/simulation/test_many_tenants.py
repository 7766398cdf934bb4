"""A managed service provider: many tenants with one token, within NetBird's own rate limit."""

from collections import Counter

from netbird_streaming.api.access import Access
from netbird_streaming.api.types import (
    ClusterConnectionSpec,
    ClusterNetBirdConnection,
    ConnectionKind,
    ConnectionReference,
    EventStreamingIntegration,
    IntegrationSpec,
    KeyReference,
    ObjectKey,
    Platform,
)
from tests.doubles.netbird.behaviour import Behaviour
from tests.doubles.netbird.tenancy import Account, Token
from tests.simulation.scene import Scene
from tests.simulation.world import OPERATOR

EACH = 4
RATE = 2
"""Requests in a second, of NetBird's 120 a minute."""
FIRST_BURST = 120
"""Requests of NetBird's burst of 1,200 that a new process uses at once."""


def provider(tenants: int) -> Scene:
    scene = Scene(Behaviour(post_ignores_enabled=False, requests_per_minute=120, burst=1200), limited=True)
    world, names = scene.world, [f"t{number}" for number in range(tenants)]
    for name in names:
        world.netbird.directory.add_account(Account(name))
    world.netbird.directory.add_token(Token("msp", "CANARY-msp-v0", "acc-b", tenants=frozenset(names)))
    world.put_secret("token-msp", "CANARY-msp-v0", namespace=OPERATOR)
    access = tuple(Access(namespaces=(name,), tenant_id=name) for name in names)
    spec = ClusterConnectionSpec(token_secret_ref=KeyReference(name="token-msp", key="key"), access=access)
    world.api.create(ClusterNetBirdConnection, None, "msp", spec)
    return scene


def enrol(scene: Scene, tenants: int) -> None:
    for tenant in range(tenants):
        for number in range(EACH):
            name, namespace = f"t{tenant}r{number}", f"t{tenant}"
            scene.world.promises.secret_value(name, f"CANARY-{name}-v0")
            scene.world.api.put_secret(namespace, f"secret-{name}", {"key": f"CANARY-{name}-v0".encode()})
            spec = IntegrationSpec(
                connection_ref=ConnectionReference(kind=ConnectionKind.CLUSTER, name="msp"),
                platform=Platform.DATADOG,
                datadog=scene.block(name, f"https://hook.example/{name}/0"),
            )
            scene.world.api.create(EventStreamingIntegration, namespace, name, spec)


def created(scene: Scene) -> dict[str, int]:
    """Return how many resources of each tenant are Ready."""
    found = [each for each in scene.world.api.objects.values() if isinstance(each, EventStreamingIntegration)]
    return Counter(each.metadata.namespace or "" for each in found if each.status.id is not None)


def test_one_list_serves_all_creates_of_a_tenant() -> None:
    scene = provider(10)
    scene.lead()
    scene.wait(5)
    scene.costs()
    enrol(scene, 10)
    scene.wait(10)
    assert created(scene) == {f"t{tenant}": EACH for tenant in range(10)}
    calls = Counter(scene.costs()[1])
    assert (calls["LIST"], calls["CREATE"]) == (10, 10 * EACH)
    scene.kept()
    scene.world.loop.dispose()


def test_many_tenants_are_served_in_time_and_each_with_one_list() -> None:
    tenants = 100
    scene = provider(tenants)
    scene.lead()
    scene.wait(5)
    scene.costs()
    enrol(scene, tenants)
    finished: dict[str, float] = {}
    began = scene.now
    while len(finished) < tenants and scene.now < began + 600:
        scene.wait(5)
        done = {name: scene.now - began for name, count in created(scene).items() if count == EACH}
        finished = {**done, **finished}
    calls = Counter(scene.costs()[1])
    # A tenant's account is listed, and requested because an empty list does not name it.
    assert calls == {"LIST": tenants, "ACCOUNTS": tenants + 1, "CREATE": tenants * EACH}
    assert max(finished.values()) <= (calls.total() - FIRST_BURST) / RATE + 60
    scene.kept()
    scene.world.loop.dispose()


def test_edit_is_sent_within_two_seconds_while_many_tenants_are_created() -> None:
    tenants = 50
    scene = provider(tenants)
    scene.lead()
    scene.wait(5)
    enrol(scene, tenants)
    scene.wait(5)
    ready = min(name for name, count in created(scene).items() if count == EACH)
    for number in range(20):
        scene.wait(2.3)
        scene.costs()
        key = ObjectKey(EventStreamingIntegration.__name__, ready, f"{ready}r{number % EACH}")
        scene.world.api.edit(key, enabled=bool(number // EACH % 2))
        scene.wait(2)
        assert "UPDATE" in scene.costs()[1]
    scene.kept()
    scene.world.loop.dispose()


def test_connections_with_one_token_share_its_list() -> None:
    scene = provider(0)
    for number in range(19):
        spec = ClusterConnectionSpec(token_secret_ref=KeyReference(name="token-msp", key="key"))
        scene.world.api.create(ClusterNetBirdConnection, None, f"shared{number}", spec)
    scene.lead()
    scene.wait(60)
    # Resources that start together share a list. The scene's own connection has another token.
    assert Counter(scene.costs()[1])["LIST"] <= 6
    intervals = 10
    scene.wait(intervals * 300)
    assert Counter(scene.costs()[1])["LIST"] <= 2 * intervals * 1.25
    scene.kept()
    scene.world.loop.dispose()
