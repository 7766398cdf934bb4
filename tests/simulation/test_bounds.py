"""Tests of the cost of one namespace: its connections, the reads for its resources, and the memory for them."""

import random
from dataclasses import replace

from netbird_streaming.api.types import (
    ConnectionKind,
    ConnectionReference,
    ConnectionSpec,
    GenericHTTP,
    KeyReference,
    NetBirdConnection,
    ObjectKey,
    Platform,
)
from netbird_streaming.core.actions import ReadyState
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.integration.finish import RETRY
from tests.doubles.netbird.records import Draft
from tests.simulation.broken_controllers import PortWrapper, with_cluster
from tests.simulation.scene import HONEST, Scene
from tests.simulation.world import TEAM

ABSENT = ConnectionReference(kind=ConnectionKind.NAMESPACED, name="absent")
URL = "https://hook.example/r0/0"
MAIN = ConnectionReference(kind=ConnectionKind.NAMESPACED, name="main")


def reason_of(scene: Scene, name: str) -> str:
    found = scene.world.api.objects[ObjectKey(NetBirdConnection.__name__, TEAM, name)]
    assert isinstance(found, NetBirdConnection)
    return next(each.reason for each in found.status.conditions if each.type == "Ready")


def secrets_read(scene: Scene) -> list[str]:
    return [name for cluster in scene.world.clusters for name in cluster.secrets]


def test_no_secret_is_read_for_a_resource_without_a_connection() -> None:
    scene = Scene()
    scene.lead()
    scene.create("r0", connection_ref=ABSENT)
    scene.wait(600)
    assert scene.ready().reason == Reason.CONNECTION_NOT_FOUND
    assert "secret-r0" not in secrets_read(scene)
    scene.edit("r0", connection_ref=MAIN)
    scene.wait(30)
    assert scene.ready().reason == Reason.SYNCED
    assert "secret-r0" in secrets_read(scene)


def test_large_unready_resource_is_read_again_and_not_cached() -> None:
    scene = Scene()
    scene.lead()
    block = GenericHTTP(url="https://a.example", body_template=random.Random(1).randbytes(10_000).hex())
    scene.create("r0", connection_ref=ABSENT, platform=Platform.GENERIC_HTTP, datadog=None, generic_http=block)
    scene.wait(600)
    assert scene.ready().reason == Reason.CONNECTION_NOT_FOUND
    record = scene.controllers[-1]._context.store.get(scene.identity())
    assert record is not None
    assert record.cache.is_empty
    scene.edit("r0", connection_ref=MAIN)
    scene.wait(30)
    assert scene.ready().reason == Reason.SYNCED


class LargeBundle(PortWrapper):
    """Kubernetes with a ConfigMap that has more than 256 KiB of certificates."""

    async def config_map(self, namespace: str, name: str) -> dict[str, str]:
        assert (namespace, name) == (TEAM, "ca")
        return {"ca.crt": "-----BEGIN CERTIFICATE-----" + "x" * 256 * 1024}


def test_ca_bundle_above_the_limit_is_refused() -> None:
    scene = Scene()
    scene.world.make = with_cluster(LargeBundle)
    spec = ConnectionSpec(
        token_secret_ref=KeyReference(name="token-main", key="key"),
        ca_bundle_config_map_ref=KeyReference(name="ca", key="ca.crt"),
    )
    scene.world.api.create(NetBirdConnection, TEAM, "private", spec)
    scene.lead()
    scene.wait(30)
    assert reason_of(scene, "private") == Reason.CA_BUNDLE_INVALID
    assert reason_of(scene, "main") == Reason.SYNCED


def test_connection_above_the_limit_is_reported_and_served_once_there_is_room() -> None:
    scene = Scene()
    scene.lead()
    for number in range(2, 7):
        scene.wait(2)
        spec = ConnectionSpec(token_secret_ref=KeyReference(name="token-main", key="key"))
        scene.world.api.create(NetBirdConnection, TEAM, f"c{number}", spec)
    scene.create("r0", connection_ref=ConnectionReference(kind=ConnectionKind.NAMESPACED, name="c6"))
    scene.wait(30)
    assert [reason_of(scene, name) for name in ("main", "c2", "c5")] == [Reason.SYNCED] * 3
    assert reason_of(scene, "c6") == scene.ready().reason == Reason.TOO_MANY_CONNECTIONS
    assert "team has more than 5 connections" in scene.ready().message
    assert scene.remote() == []

    scene.restart()
    scene.wait(30)
    assert reason_of(scene, "c6") == Reason.TOO_MANY_CONNECTIONS

    scene.world.api.delete(ObjectKey(NetBirdConnection.__name__, TEAM, "c3"))
    scene.wait(30)
    assert reason_of(scene, "c6") == scene.ready().reason == Reason.SYNCED
    assert len(scene.remote()) == 1


def test_refused_create_is_sent_as_often_as_its_backoff_allows_with_two_status_writes_for_each(scene: Scene) -> None:
    scene.world.netbird.behaviour = replace(HONEST, rejected_secrets=frozenset({"CANARY"}))
    scene.lead()
    scene.wait(5)
    scene.create()
    scene.create("other")
    scene.wait(12 * 3600)
    assert scene.ready().reason == scene.ready("other").reason == Reason.DESTINATION_REJECTED
    writes, calls = scene.costs()
    tries = calls.count("CREATE")
    backoff = RETRY[ReadyState.RECONCILING]
    assert tries <= 2 * (12 * 3600 / backoff.last + 20)
    assert len([each for each in writes if each.startswith("WRITE STATUS")]) <= 2 * tries + 4
    scene.kept()


def test_resync_brings_a_retry_forward_only_if_its_list_shows_a_change(scene: Scene) -> None:
    unowned = scene.world.dashboard_creates(
        "acc-a", Draft("datadog", {"api_url": URL, "api_key": "CANARY-stranger-v1"})
    )
    scene.lead()
    scene.create("r0", URL)
    scene.wait(6 * 3600)
    assert scene.ready().reason == Reason.IDENTICAL_EXISTS
    scene.world.dashboard_deletes(unowned)
    scene.wait(6 * 60)
    assert scene.ready().reason == Reason.SYNCED
