"""Changes that no watch reports: labels of namespaces and CA bundles act within seconds."""

import pytest

from netbird_streaming.api.types import (
    Access,
    ClusterConnectionSpec,
    ClusterNetBirdConnection,
    ConnectionKind,
    ConnectionReference,
    KeyReference,
    LabelSelector,
    NetBirdConnection,
)
from netbird_streaming.reasons import Reason
from tests.simulation.scene import Scene
from tests.simulation.world import OPERATOR, TEAM

SECONDS = 15.0
ALLOWED = {"netbird": "allowed"}
SHARED = ConnectionReference(kind=ConnectionKind.CLUSTER, name="shared")


@pytest.fixture
def selected(scene: Scene) -> Scene:
    """Create a resource that a cluster connection allows by a label of its namespace."""
    scene.world.api.put_secret(OPERATOR, "token-shared", {"key": b"CANARY-main-v0"})
    spec = ClusterConnectionSpec(
        token_secret_ref=KeyReference(name="token-shared", key="key"),
        access=(Access(namespace_selector=LabelSelector(match_labels=ALLOWED)),),
    )
    scene.world.api.create(ClusterNetBirdConnection, None, "shared", spec)
    scene.world.api.labels[TEAM] = dict(ALLOWED)
    scene.create(connection_ref=SHARED)
    scene.lead()
    scene.wait(30)
    assert scene.ready().reason == Reason.SYNCED
    return scene


def test_removed_or_added_label_changes_the_status_within_seconds(selected: Scene) -> None:
    selected.wait(100)
    selected.world.api.labels[TEAM] = {}
    selected.wait(SECONDS)
    assert selected.ready().reason == Reason.NAMESPACE_NOT_ALLOWED
    selected.wait(600)
    selected.world.api.labels[TEAM] = dict(ALLOWED)
    selected.wait(SECONDS)
    assert selected.ready().reason == Reason.SYNCED
    selected.kept()


def test_removed_access_entry_changes_the_status_within_seconds(selected: Scene) -> None:
    key = next(each for each in selected.world.api.objects if each.kind == ConnectionKind.CLUSTER)
    selected.world.api.edit(key, access=())
    selected.wait(2)
    assert selected.ready().reason == Reason.NAMESPACE_NOT_ALLOWED


def bundle(scene: Scene, text: str) -> None:
    scene.world.api.config_maps[TEAM, "ca"] = {"ca.crt": f"-----BEGIN CERTIFICATE-----\n{text}"}


def test_created_or_changed_ca_bundle_acts_within_seconds(scene: Scene) -> None:
    key = next(each for each in scene.world.api.objects if each.kind == NetBirdConnection.__name__)
    scene.world.api.edit(key, ca_bundle_config_map_ref=KeyReference(name="ca", key="ca.crt"))
    scene.create()
    scene.lead()
    # This authority signed the certificate of the server itself, not of a tenant's server.
    scene.world.clients[-1].hostile = None
    scene.wait(100)
    assert scene.ready().reason == Reason.CA_BUNDLE_INVALID
    bundle(scene, "one")
    scene.wait(SECONDS)
    assert scene.ready().reason == scene.connection().reason == Reason.SYNCED
    scene.costs()
    bundle(scene, "two")
    scene.wait(SECONDS)
    assert scene.costs()[1].count("LIST") == 1
    scene.wait(SECONDS)
    assert scene.costs()[1] == []
    scene.kept()
