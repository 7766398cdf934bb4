"""The simulation's API server responds as the real one does: the same scenarios give the same transcript."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from netbird_streaming.cluster.client import KubernetesClient, Request, load_configuration
from netbird_streaming.cluster.events import EventPublisher
from netbird_streaming.cluster.parsing import parse
from netbird_streaming.cluster.resources import Resources
from netbird_streaming.errors import ObjectGoneError
from tests.harness.controlplane import ControlPlane
from tests.harness.kubernetes_client import BASE, Kubernetes, connect
from tests.simulation.api_scenarios import KIND, NOISE, SCENARIOS, SPEC, Side, Transcript
from tests.simulation.simulated_api_side import SimulatedSide

CRDS = Path(__file__).parents[2] / "crds"


class RealSide:
    """A namespace of a real API server. Users send merge patches, where the simulated ones set fields."""

    def __init__(self, client: KubernetesClient, cluster: Resources, namespace: str) -> None:
        self.namespace = namespace
        self.cluster = cluster
        self.lease = client
        self._api = client
        self.path = BASE.format(namespace=namespace)
        self._secrets = f"/api/v1/namespaces/{namespace}/secrets"

    async def _call(self, method: Any, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return await self._api.call(Request("a user", path, method, body=body))

    async def create(self, name: str) -> None:
        spec = SPEC.model_dump(mode="json", by_alias=True, exclude_unset=True)
        await self._call(
            "POST",
            self.path,
            {"apiVersion": "integrations.netbird.io/v1alpha1", "kind": KIND, "metadata": {"name": name}, "spec": spec},
        )

    async def edit(self, name: str, *, enabled: bool) -> None:
        await self._call("PATCH", f"{self.path}/{name}", {"spec": {"enabled": enabled}})

    async def annotate(self, name: str, value: str) -> None:
        await self._call("PATCH", f"{self.path}/{name}", {"metadata": {"annotations": {NOISE: value}}})

    async def set_finalizers(self, name: str, finalizers: tuple[str, ...]) -> None:
        await self._call("PATCH", f"{self.path}/{name}", {"metadata": {"finalizers": list(finalizers)}})

    async def delete(self, name: str) -> None:
        await self._call("DELETE", f"{self.path}/{name}")

    async def put_secret(self, name: str, value: str) -> None:
        try:
            await self._call("PATCH", f"{self._secrets}/{name}", {"stringData": {"key": value}})
        except ObjectGoneError:
            await self._call("POST", self._secrets, {"metadata": {"name": name}, "stringData": {"key": value}})

    async def delete_secret(self, name: str) -> None:
        await self._call("DELETE", f"{self._secrets}/{name}")


@pytest.fixture(scope="module", autouse=True)
def crds(control_plane: ControlPlane) -> None:
    control_plane.kubectl("apply", "--server-side", f"--filename={CRDS}")
    control_plane.wait_until_established(f"--filename={CRDS}")


@pytest.fixture
async def real(control_plane: ControlPlane, namespace: str) -> AsyncIterator[RealSide]:
    client = KubernetesClient(await load_configuration({"KUBECONFIG": str(control_plane.kubeconfig)}, time.monotonic))
    async with EventPublisher(client, "pod", lambda: datetime.now(UTC)) as publisher:
        yield RealSide(client, Resources(client, publisher, namespaces=(namespace,)), namespace)
    await client.close()
    # aiohttp closes TLS connections a moment later, when the test's loop has ended.
    await asyncio.sleep(0.1)


async def watched(kubernetes: Kubernetes, side: RealSide, version: str, transcript: Transcript) -> list[str]:
    """Return the events of a watch from that version, until the event of a final marker object."""
    await side.create("end")
    lines = []
    async for event in kubernetes.watch(side.path, version):
        if event["object"]["metadata"]["name"] == "end":
            break
        what = {"ADDED": "stored", "MODIFIED": "stored", "DELETED": "gone"}[event["type"]]
        lines.append(f"{what}: {transcript.shown(parse(event['object']))}")
    return lines


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_both_give_the_same_transcript(
    real: RealSide, control_plane: ControlPlane, scenario: Callable[[Side, Transcript], Awaitable[None]]
) -> None:
    transcript = Transcript()
    async with connect(control_plane.kubeconfig) as kubernetes:
        version = (await kubernetes.call("GET", real.path))["metadata"]["resourceVersion"]
        await scenario(real, transcript)
        transcript.lines += await watched(kubernetes, real, version, transcript)
    simulated = await asyncio.to_thread(SimulatedSide(real.namespace).play, scenario)
    assert transcript.lines == simulated
