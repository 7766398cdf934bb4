"""`cluster/` against a real API server."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio.client import Configuration

from netbird_streaming.api.status import Applied, Condition, Intent, Status
from netbird_streaming.api.types import FINALIZER, EventStreamingIntegration, ObjectKey, Resource
from netbird_streaming.backoff import Backoff
from netbird_streaming.cluster.client import KubernetesClient, Request, load_configuration
from netbird_streaming.cluster.errors import DeniedError
from netbird_streaming.cluster.events import EventPublisher
from netbird_streaming.cluster.fingerprint_key import fingerprint_key
from netbird_streaming.cluster.labels import OWN_LABELS
from netbird_streaming.cluster.leader_election.elector import LeaderElector, LeaseLock
from netbird_streaming.cluster.leader_election.record import LeaseTiming
from netbird_streaming.cluster.rbac import missing_permissions, secret_permissions, watch_permissions
from netbird_streaming.cluster.resources import Resources
from netbird_streaming.core.status.events import EventNote
from netbird_streaming.errors import ConflictError, Effect, LeaseLostError, ObjectGoneError, RetryError, WaitError
from netbird_streaming.reasons import Reason
from netbird_streaming.watch.secrets import SecretWatch, WatchTiming
from tests.controlplane.cuttable_connection import cuttable_connection
from tests.harness.controlplane import ControlPlane

CRDS = Path(__file__).parents[2] / "crds"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STATUS = Status().evolve(
    id=2**53 + 1,
    account_id="account",
    enabled=True,
    config={"api_url": "https://example.com", "old": "x"},
    created_at="2026-01-02T03:04:05.123456Z",
    applied=Applied(fingerprint="f", key_id="k"),
    creation=Intent(attempt=1, endpoint="e", platform="datadog", signature={"a": "b"}, key_id="k", since=AT),
    conditions=(Condition(type="Ready", status="False", reason="Progressing", last_transition_time=AT),),
)
QUICK = LeaseTiming(duration=3.0, renew_deadline=2.0, retry=0.25)


@dataclass(frozen=True)
class World:
    """A namespace of one test, and the administrator's client."""

    api: KubernetesClient
    cluster: Resources
    namespace: str

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST, as the user."""
        return await self.api.call(Request("test", path, "POST", body=body))

    async def integration(self, name: str = "audit", **metadata: Any) -> EventStreamingIntegration:
        """Create an integration and read it as the operator does."""
        path = f"/apis/integrations.netbird.io/v1alpha1/namespaces/{self.namespace}/eventstreamingintegrations"
        spec = {
            "platform": "datadog",
            "datadog": {"site": "datadoghq.eu", "apiKeySecretRef": {"name": "datadog", "key": "api-key"}},
        }
        body = {
            "apiVersion": "integrations.netbird.io/v1alpha1",
            "kind": "EventStreamingIntegration",
            "metadata": {"name": name, **metadata},
            "spec": spec,
        }
        await self.create(path, body)
        return await self.live(name)

    async def live(self, name: str = "audit") -> EventStreamingIntegration:
        """Return the current integration."""
        resource = await self.cluster.read(ObjectKey("EventStreamingIntegration", self.namespace, name))
        assert isinstance(resource, EventStreamingIntegration)
        return resource

    async def secret(self, name: str, value: str) -> None:
        """Create a Secret as `kubectl apply` does, with its values in an annotation too."""
        applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"stringData": {"key": value}})}
        body = {"metadata": {"name": name, "annotations": applied}, "stringData": {"key": value}}
        await self.create(f"/api/v1/namespaces/{self.namespace}/secrets", body)

    async def change_secret(self, name: str, value: str) -> None:
        """Change the value of a Secret."""
        path = f"/api/v1/namespaces/{self.namespace}/secrets/{name}"
        await self.api.call(Request("test", path, "PATCH", body={"stringData": {"key": value}}))

    async def delete(self, plural: str, name: str) -> None:
        """Delete an object of the core group."""
        await self.api.call(Request("test", f"/api/v1/namespaces/{self.namespace}/{plural}/{name}", "DELETE"))


async def configuration(kubeconfig: Path) -> Configuration:
    return await load_configuration({"KUBECONFIG": str(kubeconfig)}, time.monotonic)


async def closed(client: KubernetesClient) -> None:
    await client.close()
    # aiohttp closes TLS connections a moment later, when the test's loop has ended.
    await asyncio.sleep(0.1)


@pytest.fixture(scope="module", autouse=True)
def crds(control_plane: ControlPlane) -> None:
    control_plane.kubectl("apply", "--server-side", f"--filename={CRDS}")
    control_plane.wait_until_established(f"--filename={CRDS}")


@pytest.fixture
async def world(control_plane: ControlPlane, namespace: str) -> AsyncIterator[World]:
    client = KubernetesClient(await configuration(control_plane.kubeconfig))
    async with EventPublisher(client, "pod", lambda: datetime.now(UTC)) as publisher:
        yield World(client, Resources(client, publisher), namespace)
    await closed(client)


async def test_write_with_an_old_version_is_refused(world: World) -> None:
    stale = await world.integration()
    held = await world.cluster.add_finalizer(stale)
    with pytest.raises(ConflictError):
        await world.cluster.write_status(stale, STATUS)
    with pytest.raises(ConflictError):
        await world.cluster.add_finalizer(stale)
    written = await world.cluster.write_status(held, STATUS)
    assert written.status == STATUS
    assert written.metadata.finalizers == (FINALIZER,)


async def test_new_object_with_the_same_name_is_not_written(world: World) -> None:
    former = await world.integration()
    await world.api.call(Request("test", _path(world), "DELETE"))
    with pytest.raises(ObjectGoneError):
        await world.cluster.write_status(former, STATUS)
    await world.integration()
    with pytest.raises(ConflictError):
        await world.cluster.write_status(former, STATUS)
    assert (await world.live()).status == former.status


async def test_finalizers_of_others_stay(world: World) -> None:
    resource = await world.integration(finalizers=["example.com/theirs"])
    held = await world.cluster.add_finalizer(resource)
    assert held.metadata.finalizers == ("example.com/theirs", FINALIZER)
    await world.api.call(Request("test", _path(world), "DELETE"))
    deleting = await world.live()
    assert deleting.deleting
    await world.cluster.remove_finalizer(deleting)
    assert (await world.live()).metadata.finalizers == ("example.com/theirs",)
    await world.api.call(Request("test", _path(world), "PATCH", body={"metadata": {"finalizers": None}}))
    await world.cluster.remove_finalizer(deleting)
    assert await world.cluster.read(deleting.key) is None


async def test_finalizer_can_not_be_added_once_deletion_has_begun(world: World) -> None:
    before = await world.integration(finalizers=["example.com/theirs"])
    await world.api.call(Request("test", _path(world), "DELETE"))
    with pytest.raises(ConflictError):
        await world.cluster.add_finalizer(before)
    with pytest.raises(WaitError, match="422"):
        await world.cluster.add_finalizer(await world.live())
    await world.api.call(Request("test", _path(world), "PATCH", body={"metadata": {"finalizers": None}}))


async def test_written_status_is_read_back_equal_and_not_written_again(world: World) -> None:
    first = await world.cluster.write_status(await world.integration(), STATUS)
    live = await world.live()
    assert live.status == first.status == STATUS
    assert live.metadata.generation == 1
    again = await world.cluster.write_status(live, STATUS)
    assert again is live, "no request"
    changed = STATUS.evolve(creation=None, config={"api_url": "https://example.com"}, conditions=())
    second = await world.cluster.write_status(live, changed)
    assert second.status == (await world.live()).status == changed
    assert (await world.cluster.write_status(second, Status())).status == Status()


async def test_unknown_status_field_is_refused_and_not_dropped(world: World) -> None:
    before = await world.integration()
    body = {"status": {"internal": {"applied": {"fingerprint": "f", "keyID": "k", "newer": "x"}}}}
    request = Request("status", f"{_path(world)}/status", "PATCH", {"fieldValidation": "Strict"}, body)
    with pytest.raises(WaitError, match="apply the CRDs"):
        await world.api.call(request)
    assert (await world.live()).status == before.status


async def test_list_has_all_of_the_watched_namespaces(world: World) -> None:
    for name in ("a", "b"):
        await world.integration(name)
    seen: list[Resource] = []
    publisher = EventPublisher(world.api, "pod", lambda: datetime.now(UTC))
    cluster = Resources(world.api, publisher, namespaces=(world.namespace, "not-there"))
    assert cluster.scopes("EventStreamingIntegration") == (world.namespace, "not-there")
    for namespace in cluster.scopes("EventStreamingIntegration"):
        await cluster.list_resources("EventStreamingIntegration", namespace, lambda *_: True, seen.append)
    assert [resource.metadata.name for resource in seen] == ["a", "b"]
    everywhere: list[Resource] = []
    await world.cluster.list_resources("EventStreamingIntegration", None, lambda *_: True, everywhere.append)
    assert {resource.key for resource in seen} <= {resource.key for resource in everywhere}


async def test_kind_without_its_crd_is_reported(world: World) -> None:
    with pytest.raises(WaitError, match="apply the CRDs"):
        await world.api.call(Request("the list of X", "/apis/integrations.netbird.io/v1alpha1/nosuchkinds"))


async def test_referenced_objects_are_read(world: World) -> None:
    await world.secret("datadog", "s3cret\n")
    assert await world.cluster.secret(world.namespace, "datadog") == {"key": b"s3cret\n"}
    assert await world.cluster.secret(world.namespace, "absent") is None
    await world.create(
        f"/api/v1/namespaces/{world.namespace}/configmaps", {"metadata": {"name": "ca"}, "data": {"a": "b"}}
    )
    assert await world.cluster.config_map(world.namespace, "ca") == {"a": "b"}
    assert (await world.cluster.namespace_labels(world.namespace))["kubernetes.io/metadata.name"] == world.namespace
    with pytest.raises(ObjectGoneError):
        await world.cluster.namespace_labels("absent")


async def test_events_are_published_once_for_each_version(world: World) -> None:
    resource = await world.integration()
    note = EventNote(Reason.DRIFTED, "Reconcile", "é" * 600, warning=True)
    gone = resource.model_copy(update={"metadata": resource.metadata.model_copy(update={"namespace": "not-there"})})
    async with EventPublisher(world.api, "pod", lambda: datetime.now(UTC)) as publisher:
        publisher.publish(gone, [note])
        publisher.publish(resource, [note])
        publisher.publish(resource, [note])
    answer = await world.api.call(Request("test", f"/apis/events.k8s.io/v1/namespaces/{world.namespace}/events"))
    (event,) = answer["items"]
    assert (event["reason"], event["type"], event["regarding"]["name"]) == ("Drifted", "Warning", "audit")


async def test_fingerprint_key_is_created_once(world: World) -> None:
    keys = await asyncio.gather(
        *(fingerprint_key(world.api, world.namespace, "key", secrets.token_bytes) for _ in range(4))
    )
    assert len(set(keys)) == 1
    assert len(keys[0]) == 32


class Recording(KubernetesClient):
    """Keeps everything that the API server sent."""

    received: bytes = b""

    async def call_raw(self, request: Request, **options: Any) -> bytes:
        body = await super().call_raw(request, **options)
        self.received += body
        return body

    @asynccontextmanager
    async def stream(self, request: Request, *, idle: float) -> AsyncIterator[AsyncIterator[bytes]]:
        async def kept(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
            async for line in lines:
                self.received += line
                yield line

        async with super().stream(request, idle=idle) as lines:
            yield kept(lines)


async def next_change(queue: asyncio.Queue[str], within: float) -> str:
    """Return the next change of the watch."""
    async with asyncio.timeout(within):
        return await queue.get()


async def test_secret_changes_are_seen_within_a_second_without_their_values(
    world: World, control_plane: ControlPlane
) -> None:
    await world.secret("before", "leak-one")
    api = Recording(await configuration(control_plane.kubeconfig))
    changes: asyncio.Queue[str] = asyncio.Queue()
    watch = SecretWatch(api, lambda _, name: changes.put_nowait(name), time.monotonic, namespaces=(world.namespace,))
    running = asyncio.create_task(watch.run())
    try:
        await watch.ready()
        assert watch.watching(world.namespace)
        await world.secret("new", "leak-two")
        assert await next_change(changes, 1.0) == "new"
        await world.change_secret("before", "leak-three")
        assert await next_change(changes, 1.0) == "before"
        await world.delete("secrets", "new")
        assert await next_change(changes, 1.0) == "new"
        assert changes.empty()
        assert watch.age() < 1.0
    finally:
        running.cancel()
        await asyncio.wait({running})
        await closed(api)
    assert b"PartialObjectMetadata" in api.received
    assert b'"data"' not in api.received


async def test_changes_during_an_outage_are_reported_exactly(world: World, control_plane: ControlPlane) -> None:
    for name in ("kept", "changed", "deleted"):
        await world.secret(name, "one")
    settings = await configuration(control_plane.kubeconfig)
    async with cuttable_connection(settings.host) as cable:
        settings.host = cable.url
        client = KubernetesClient(settings)
        changes: asyncio.Queue[str] = asyncio.Queue()
        timing = WatchTiming(retry=Backoff(0.1, 0.5))
        watch = SecretWatch(
            client,
            lambda _, name: changes.put_nowait(name),
            time.monotonic,
            namespaces=(world.namespace,),
            timing=timing,
        )
        running = asyncio.create_task(watch.run())
        try:
            await watch.ready()
            await cable.cut()
            await world.change_secret("changed", "two")
            await world.delete("secrets", "deleted")
            await world.secret("made", "three")
            await asyncio.sleep(1.0)
            assert changes.empty()
            assert watch.age() > 0.9
            await cable.restore()
            assert {await next_change(changes, 2.0) for _ in range(3)} == {"changed", "deleted", "made"}
            await world.change_secret("kept", "four")
            assert await next_change(changes, 1.0) == "kept"
            assert changes.empty()
        finally:
            running.cancel()
            await asyncio.wait({running})
            await closed(client)


async def test_watch_survives_a_restart_of_the_api_server(world: World, control_plane: ControlPlane) -> None:
    await world.secret("kept", "one")
    changes: asyncio.Queue[str] = asyncio.Queue()

    def changed(namespace: str, name: str) -> None:
        if namespace == world.namespace:
            changes.put_nowait(name)

    watch = SecretWatch(world.api, changed, time.monotonic)
    running = asyncio.create_task(watch.run())
    try:
        await watch.ready()
        await asyncio.to_thread(control_plane.restart_apiserver, 1.0)
        await world.change_secret("kept", "two")
        assert await next_change(changes, 7.0) == "kept"
        await world.change_secret("kept", "three")
        assert await next_change(changes, 1.0) == "kept"
        assert watch.age() < 1.0
    finally:
        running.cancel()
        await asyncio.wait({running})


ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: operator, namespace: {namespace}}}
rules:
  - apiGroups: [integrations.netbird.io]
    resources: [eventstreamingintegrations, netbirdconnections]
    verbs: [list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: operator, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: operator}}
subjects: [{{kind: ServiceAccount, name: operator, namespace: {namespace}}}]
"""


@pytest.fixture
async def weak(control_plane: ControlPlane, namespace: str) -> AsyncIterator[KubernetesClient]:
    """Create a ServiceAccount that may only watch the operator's kinds in its namespace."""
    control_plane.kubectl("create", "serviceaccount", "operator", f"--namespace={namespace}")
    control_plane.kubectl("apply", "--filename=-", input=ROLE.format(namespace=namespace))
    client = KubernetesClient(await configuration(control_plane.service_account_kubeconfig(namespace, "operator")))
    yield client
    await closed(client)


async def test_rights_are_checked_before_any_watch(world: World, weak: KubernetesClient) -> None:
    missing = await missing_permissions(weak, watch_permissions([world.namespace, "default"]))
    assert {str(permission) for permission in missing} == {
        f"{verb} {plural}.integrations.netbird.io in {scope}"
        for verb in ("list", "watch")
        for plural, scope in (
            ("eventstreamingintegrations", "namespace default"),
            ("netbirdconnections", "namespace default"),
            ("clusternetbirdconnections", "the whole cluster"),
        )
    }
    wanted = watch_permissions(None) + secret_permissions(None)
    assert await missing_permissions(weak, wanted) == wanted
    assert await missing_permissions(world.api, wanted) == ()


async def test_denied_secret_watch_is_reported_until_it_is_allowed(
    world: World, weak: KubernetesClient, control_plane: ControlPlane, caplog: pytest.LogCaptureFixture
) -> None:
    timing = WatchTiming(denied_retry=0.2)
    watch = SecretWatch(weak, lambda _, __: None, time.monotonic, namespaces=(world.namespace,), timing=timing)
    running = asyncio.create_task(watch.run())
    try:
        await watch.ready()
        await asyncio.sleep(0.5)
        assert not watch.watching(world.namespace)
        assert watch.age() == 0
        assert len([record for record in caplog.records if "denies" in record.message]) == 1
        for grant in (
            ("role", "secrets", "--resource=secrets", "--verb=list,watch"),
            ("rolebinding", "secrets", "--role=secrets", f"--serviceaccount={world.namespace}:operator"),
        ):
            await asyncio.to_thread(control_plane.kubectl, "create", *grant, f"--namespace={world.namespace}")
        async with asyncio.timeout(5):
            while not watch.watching(world.namespace):  # noqa: ASYNC110 - the watch has no such event to offer
                await asyncio.sleep(0.1)
    finally:
        running.cancel()
        await asyncio.wait({running})


async def test_rbac_denial_has_its_own_error(world: World, weak: KubernetesClient) -> None:
    cluster = Resources(weak, EventPublisher(weak, "pod", lambda: datetime.now(UTC)))
    with pytest.raises(DeniedError, match=f"Secret {world.namespace}/datadog: Kubernetes denies access"):
        await cluster.secret(world.namespace, "datadog")


async def test_hanging_server_times_out(world: World, control_plane: ControlPlane) -> None:
    resource = await world.integration()
    client = KubernetesClient(await configuration(control_plane.kubeconfig), timeout=0.5)
    cluster = Resources(client, EventPublisher(client, "pod", lambda: datetime.now(UTC)))
    control_plane.pause()
    try:
        began = time.monotonic()
        with pytest.raises(RetryError) as caught:
            await cluster.write_status(resource, STATUS)
        assert time.monotonic() - began < 1.0
        assert caught.value.effect is Effect.UNKNOWN
    finally:
        control_plane.resume()
        await closed(client)


@dataclass
class Candidate:
    """An elector, and its observations."""

    elector: LeaderElector
    leading: asyncio.Event
    stopped: list[float]
    running: asyncio.Task[None]

    @staticmethod
    def start(client: KubernetesClient, world: World, identity: str) -> "Candidate":
        leading = asyncio.Event()
        stopped: list[float] = []
        name = LeaseLock(world.namespace, "streaming", identity)
        elector = LeaderElector(client, name, lambda: datetime.now(UTC), timing=QUICK)

        async def lead() -> None:
            elector.ensure_leading()
            leading.set()
            try:
                await asyncio.Event().wait()
            finally:
                leading.clear()
                stopped.append(time.monotonic())

        return Candidate(elector, leading, stopped, asyncio.create_task(elector.run(lead)))

    async def stop(self) -> None:
        self.running.cancel()
        await asyncio.wait({self.running})


async def test_one_of_two_leads_and_a_clean_stop_hands_over_at_once(world: World) -> None:
    first = Candidate.start(world.api, world, "first")
    async with asyncio.timeout(5):
        await first.leading.wait()
    second = Candidate.start(world.api, world, "second")
    await asyncio.sleep(QUICK.duration + 1)
    assert (first.elector.is_leader, second.elector.is_leader) == (True, False)
    with pytest.raises(LeaseLostError):
        second.elector.ensure_leading()
    await first.stop()
    began = time.monotonic()
    async with asyncio.timeout(5):
        await second.leading.wait()
    assert time.monotonic() - began < QUICK.duration / 2
    lease = await world.api.call(Request("test", _lease(world)))
    assert lease["spec"]["leaseTransitions"] == 1
    await second.stop()
    assert (await world.api.call(Request("test", _lease(world))))["spec"]["holderIdentity"] == ""


async def test_leader_with_a_hanging_api_server_stops_before_another_begins(
    world: World, control_plane: ControlPlane
) -> None:
    settings = await configuration(control_plane.kubeconfig)
    async with cuttable_connection(settings.host) as cable:
        settings.host = cable.url
        far = KubernetesClient(settings)
        first = Candidate.start(far, world, "first")
        async with asyncio.timeout(5):
            await first.leading.wait()
        second = Candidate.start(world.api, world, "second")
        await asyncio.sleep(1.0)
        cable.hang()
        hung = time.monotonic()
        async with asyncio.timeout(QUICK.duration + 3):
            await second.leading.wait()
        assert len(first.stopped) == 1
        assert first.stopped[0] - hung <= QUICK.renew_deadline + 0.3
        assert not first.elector.is_leader
        await cable.cut()
        await cable.restore()
        await asyncio.sleep(QUICK.duration)
        assert second.elector.is_leader
        assert not first.elector.is_leader
        await second.stop()
        async with asyncio.timeout(5):
            await first.leading.wait()
        await first.stop()
        await closed(far)


async def test_edited_or_deleted_lease_ends_the_term(world: World) -> None:
    candidate = Candidate.start(world.api, world, "first")
    async with asyncio.timeout(5):
        await candidate.leading.wait()
    await world.api.call(Request("test", _lease(world), "PATCH", body={"metadata": {"labels": {"a": "b"}}}))
    await asyncio.sleep(QUICK.renew_deadline + 1)
    assert candidate.elector.is_leader
    assert candidate.stopped == []
    lease = await world.api.call(Request("test", _lease(world)))
    assert lease["metadata"]["labels"] == {**OWN_LABELS, "a": "b"}
    await world.api.call(Request("test", _lease(world), "DELETE"))
    await asyncio.sleep(QUICK.retry * 4)
    assert len(candidate.stopped) == 1, "another might have re-created it: stop, then compete again"
    assert candidate.elector.is_leader
    await candidate.stop()


def _path(world: World, name: str = "audit") -> str:
    return f"/apis/integrations.netbird.io/v1alpha1/namespaces/{world.namespace}/eventstreamingintegrations/{name}"


def _lease(world: World) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{world.namespace}/leases/streaming"
