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
    Platform,
)
from tests.doubles.netbird.behaviour import Behaviour
from tests.doubles.netbird.tenancy import Account, Token
from tests.simulation.scene import Scene
from tests.simulation.world import OPERATOR

EACH = 4


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


def test_many_tenants_are_served_in_time_and_evenly() -> None:
    tenants = 50
    scene = provider(tenants)
    scene.lead()
    scene.wait(60)
    scene.costs()
    enrol(scene, tenants)
    finished: dict[str, float] = {}
    began = scene.now
    while len(finished) < tenants and scene.now < began + 600:
        scene.wait(5)
        finished |= {name: scene.now - began for name, count in created(scene).items() if count == EACH}
    calls = Counter(scene.costs()[1])
    needed = tenants * (2 + EACH)
    assert max(finished.values()) <= (needed - 120) / 2 + 60
    assert max(finished.values()) <= 2 * sum(finished.values()) / len(finished)
    assert calls["CREATE"] == tenants * EACH
    scene.kept()
    scene.world.loop.dispose()
