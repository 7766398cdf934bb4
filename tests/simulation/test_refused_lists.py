"""Lists that Kubernetes denies in one namespace: the others are served, and nothing is adopted by mistake."""

from netbird_streaming.api.status import Condition
from netbird_streaming.api.types import (
    Adoption,
    AdoptionPolicy,
    ConnectionKind,
    EventStreamingIntegration,
    IntegrationSpec,
    ObjectKey,
)
from netbird_streaming.reasons import Reason
from tests.doubles.netbird.records import Draft
from tests.simulation.bookkeeping import ready_of
from tests.simulation.scene import Scene
from tests.simulation.world import TEAM

REFUSED = "refused"
ESI = EventStreamingIntegration.__name__


def scoped(*unlistable: str) -> Scene:
    """Yield a scene that watches two namespaces, some of which can't be listed."""
    scene = Scene()
    scene.world.api.scope = (REFUSED, TEAM)
    scene.world.api.unlistable = set(unlistable)
    return scene


def create_refused(scene: Scene, spec: IntegrationSpec) -> None:
    scene.world.api.create(EventStreamingIntegration, REFUSED, "r9", spec)


def refused_ready(scene: Scene) -> Condition | None:
    found = scene.world.api.objects[ObjectKey(ESI, REFUSED, "r9")]
    assert isinstance(found, EventStreamingIntegration)
    return ready_of(found.status)


def test_unlistable_namespace_blocks_no_other() -> None:
    scene = scoped(REFUSED)
    scene.create()
    create_refused(scene, scene.find().spec)
    scene.lead()
    scene.wait(30)
    assert scene.ready().reason == Reason.SYNCED
    (controller,) = scene.controllers
    assert controller.lists.awaits() is None
    assert {(each.kind, each.namespace) for each in controller.lists.failures} == {
        (ESI, REFUSED),
        (ConnectionKind.NAMESPACED.value, REFUSED),
    }
    scene.edit(enabled=False)
    scene.wait(5)
    assert scene.ready().observed_generation == 2
    scene.kept()


def test_namespace_is_served_within_a_minute_of_the_granted_right() -> None:
    scene = scoped(REFUSED)
    scene.create()
    create_refused(scene, scene.find().spec)
    scene.lead()
    scene.wait(300)
    scene.world.api.unlistable.clear()
    scene.wait(60)
    ready = refused_ready(scene)
    assert ready is not None
    assert ready.reason == Reason.CONNECTION_NOT_FOUND
    assert scene.controllers[-1].lists.failures == {}


def test_denied_lists_in_all_namespaces_do_not_count_as_a_first_pass() -> None:
    scene = scoped(REFUSED, TEAM)
    scene.lead()
    scene.wait(30)
    awaited = scene.controllers[-1].lists.awaits()
    assert awaited is not None
    assert awaited.startswith("Kubernetes refuses every list of NetBirdConnection")
    scene.world.api.unlistable = {REFUSED}
    scene.wait(60)
    assert scene.controllers[-1].lists.awaits() is None


def test_unlistable_connection_is_not_reported_as_missing() -> None:
    scene = scoped()
    scene.create()
    scene.world.api.refused_kinds = {ConnectionKind.NAMESPACED.value}
    scene.lead()
    scene.wait(30)
    assert scene.ready().reason == Reason.KUBERNETES_REFUSED
    scene.world.api.refused_kinds = set()
    scene.wait(60)
    assert scene.ready().reason == Reason.SYNCED
    scene.kept()


def test_possible_integration_of_an_unlisted_resource_is_adopted_once_listed() -> None:
    scene = scoped(REFUSED)
    scene.create()
    draft = Draft("datadog", {"api_url": "https://hook.example/r0/0", "api_key": "CANARY-stranger-v1"})
    foreign = scene.world.dashboard_creates("acc-a", draft)
    scene.edit(adoption=Adoption(policy=AdoptionPolicy.OVERRIDE, id=foreign))
    scene.lead()
    scene.wait(60)
    assert scene.ready().reason == Reason.KUBERNETES_REFUSED
    assert f"one of {ESI} in namespace {REFUSED} may own it" in scene.ready().message
    scene.world.api.unlistable.clear()
    scene.wait(60)
    assert scene.ready().reason == Reason.SYNCED
    assert scene.find().status.id == foreign
    scene.kept()
