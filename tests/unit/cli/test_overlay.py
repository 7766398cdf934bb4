"""Manifests in files: the plan is the state after they are applied."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from netbird_streaming.api.types import EventStreamingIntegration, ObjectKey, Resource
from netbird_streaming.cli.overlay import OverlaidCluster, read_manifests
from netbird_streaming.config.options import SettingsError
from tests.harness.cases import integration

TEXT = """
apiVersion: integrations.netbird.io/v1alpha1
kind: EventStreamingIntegration
metadata: {name: web, namespace: team-a}
spec: {platform: generic_http, genericHTTP: {url: "https://new.example/"}}
---
apiVersion: v1
kind: List
items:
  - apiVersion: integrations.netbird.io/v1alpha1
    kind: EventStreamingIntegration
    metadata: {name: other}
    spec: {platform: generic_http, genericHTTP: {url: "https://other.example/"}}
  - apiVersion: v1
    kind: Secret
    metadata: {name: siem}
    data: {user: aHVudGVyMg==}
    stringData: {token: hunter3}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ca, namespace: team-b}
data: {ca.crt: PEM}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: other}
"""
WEB = ObjectKey("EventStreamingIntegration", "team-a", "web")
OTHER = ObjectKey("EventStreamingIntegration", "team-c", "other")


def written(folder: Path, text: str = TEXT) -> Path:
    path = folder / "resources.yaml"
    path.write_text(text)
    return path


class OneResource:
    """A cluster with one resource and no Secret."""

    def __init__(self, found: EventStreamingIntegration) -> None:
        self._found = found

    async def read(self, key: ObjectKey) -> Resource | None:
        return self._found if key == self._found.key else None

    async def list_resources(self, _kind: str, _namespace: str | None, is_newer: Any, handle: Any) -> str:
        if is_newer(self._found.key, self._found.metadata.uid, self._found.metadata.resource_version):
            handle(self._found)
        return "7"

    async def secret(self, _namespace: str, _name: str) -> Mapping[str, bytes] | None:
        return None

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str] | None:
        return {"key": f"{namespace}/{name}"}


def overlaid(folder: Path, there: EventStreamingIntegration) -> OverlaidCluster:
    return OverlaidCluster(cast("Any", OneResource(there)), read_manifests([written(folder)], "team-c"))


@pytest.mark.parametrize("is_folder", [True, False])
def test_objects_of_documents_and_lists_are_read(tmp_path: Path, *, is_folder: bool) -> None:
    path = written(tmp_path)
    (tmp_path / "README.md").write_text("{not: [yaml")
    found = read_manifests([tmp_path if is_folder else path], "team-c")
    assert set(found.resources) == {WEB, OTHER}
    assert found.secrets == {("team-c", "siem"): {"user": b"hunter2", "token": b"hunter3"}}
    assert found.config_maps == {("team-b", "ca"): {"ca.crt": "PEM"}}
    assert sorted(found.secret_values()) == [b"hunter2", b"hunter3"]
    assert "hunter" not in repr(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hunter2: [", "can't be read as YAML"),
        (TEXT.replace("generic_http", "hunter2"), "web: spec.platform"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {a: '*hunter2*'}", "Secret x: data can't be read"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: hunter2", "Secret x: data can't be read"),
    ],
)
def test_unreadable_file_is_named_without_its_text(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=r"--filename: .*resources\.yaml") as caught:
        read_manifests([written(tmp_path, text)], "team-c")
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_existing_resource_keeps_fields_that_the_manifest_omits(tmp_path: Path) -> None:
    there = integration(name="web")
    cluster = overlaid(tmp_path, there)
    listed: dict[ObjectKey, Resource] = {}
    await cluster.list_resources(
        "EventStreamingIntegration", None, lambda *_: True, lambda each: listed.update({each.key: each})
    )
    assert set(listed) == {WEB, OTHER}
    found = listed[WEB]
    assert isinstance(found, EventStreamingIntegration)
    assert found == await cluster.read(WEB)
    assert (found.metadata.uid, found.metadata.generation) == (there.metadata.uid, 2)
    assert found.status == there.status
    assert found.spec.generic_http is not None
    assert found.spec.generic_http.url == "https://new.example/"


async def test_unchanged_resource_keeps_its_generation(tmp_path: Path) -> None:
    there = integration({"genericHTTP": {"url": "https://new.example/"}}, name="web")
    cluster = overlaid(tmp_path, there)
    assert await cluster.read(WEB) == there


async def test_only_the_namespace_that_is_listed_is_listed(tmp_path: Path) -> None:
    cluster = overlaid(tmp_path, integration(name="web"))
    listed: list[ObjectKey] = []
    await cluster.list_resources(
        "EventStreamingIntegration", "team-a", lambda *_: True, lambda each: listed.append(each.key)
    )
    assert listed == [WEB]


async def test_secrets_and_config_maps_are_those_of_the_files_first(tmp_path: Path) -> None:
    cluster = overlaid(tmp_path, integration())
    assert await cluster.secret("team-c", "siem") == {"user": b"hunter2", "token": b"hunter3"}
    assert await cluster.secret("team-a", "siem") is None
    assert await cluster.config_map("team-b", "ca") == {"ca.crt": "PEM"}
    assert await cluster.config_map("team-a", "ca") == {"key": "team-a/ca"}
