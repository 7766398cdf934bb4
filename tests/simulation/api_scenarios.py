"""Scenarios for an API server, simulated or real: what users and the operator ask of it, and what it answers.

Both tell the same transcript or one of them is wrong. In it versions and uids are numbered as they first come up, and
moments are left out; everything else of an object is there.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from netbird_streaming.api.status import Condition, Status
from netbird_streaming.api.types import (
    FINALIZER,
    Datadog,
    EventStreamingIntegration,
    IntegrationSpec,
    KeyReference,
    ObjectKey,
    Platform,
    Resource,
)
from netbird_streaming.cluster.client import Json, Request
from netbird_streaming.errors import ConflictError, EditError, ObjectGoneError, OperatorError, RetryError, WaitError
from netbird_streaming.reconciler.ports import Cluster
from tests.simulation.host import EPOCH

T = TypeVar("T")

KIND: Final = EventStreamingIntegration.__name__
THEIRS: Final = "example.com/theirs"
NOISE: Final = "example.com/noise"
SPEC: Final = IntegrationSpec(
    platform=Platform.DATADOG,
    datadog=Datadog(api_url="https://hook.example/0", api_key_secret_ref=KeyReference(name="secret", key="key")),
)
STATUS: Final = Status(
    id=2**53 + 1,
    account_id="acc-a",
    conditions=(Condition(type="Ready", status="True", reason="Synced", message="m", last_transition_time=EPOCH),),
)
_BRANCHES: Final = (ConflictError, ObjectGoneError, RetryError, EditError, WaitError)


class LeaseClient(Protocol):
    """What the elector asks of its connection."""

    async def call(self, request: Request, *, seconds: float, urgent: bool) -> Json:
        """As `KubernetesClient.call`."""
        ...


class Side(Protocol):
    """One API server, and who acts there: users, and the operator by its `cluster` and its `lease`."""

    namespace: str

    @property
    def cluster(self) -> Cluster:
        """The operator's port."""
        ...

    @property
    def lease(self) -> LeaseClient:
        """The operator's way to its Lease."""
        ...

    async def create(self, name: str) -> None:
        """A user creates an integration of `SPEC`."""
        ...

    async def edit(self, name: str, *, enabled: bool) -> None:
        """A user changes the spec."""
        ...

    async def annotate(self, name: str, value: str) -> None:
        """Somebody sets the annotation `NOISE`."""
        ...

    async def set_finalizers(self, name: str, finalizers: tuple[str, ...]) -> None:
        """Somebody sets all finalizers."""
        ...

    async def delete(self, name: str) -> None:
        """A user deletes the integration."""
        ...

    async def put_secret(self, name: str, value: str) -> None:
        """A user creates or changes a Secret."""
        ...

    async def delete_secret(self, name: str) -> None:
        """A user deletes it."""
        ...


class Transcript:
    """What was answered, a line each."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.lines: list[str] = []
        self._numbers: dict[str, int] = {}

    async def says(self, what: str, asked: Awaitable[T]) -> T | None:
        """Write down what comes of it; None where it is refused."""
        try:
            answer = await asked
        except OperatorError as error:
            branch = next(each for each in _BRANCHES if isinstance(error, each))
            self.lines.append(f"{what}: {branch.__name__}, {error.effect.name}")
            return None
        self.lines.append(f"{what}: {self.shown(answer)}")
        return answer

    def shown(self, answer: object) -> str:
        """An answer, without what differs from run to run."""
        if isinstance(answer, EventStreamingIntegration):
            return self._object(answer)
        if isinstance(answer, dict) and "spec" in answer:
            version = self._number("v", str(answer["metadata"]["resourceVersion"]))
            return f"{version} {json.dumps(answer['spec'], sort_keys=True)}"
        return repr(answer)

    def _object(self, resource: EventStreamingIntegration) -> str:
        meta = resource.metadata
        outer = resource.model_dump(mode="json", by_alias=True, include={"spec", "status"})
        return " ".join(
            (
                meta.name,
                self._number("v", meta.resource_version),
                self._number("uid", meta.uid),
                f"g{meta.generation}",
                f"finalizers={list(meta.finalizers)}",
                "deleting" if resource.deleting else "there",
                json.dumps(outer, sort_keys=True),
            )
        )

    def _number(self, what: str, text: str) -> str:
        return f"{what}{self._numbers.setdefault(what + text, len(self._numbers))}"


def _identity(side: Side, name: str = "r0") -> ObjectKey:
    return ObjectKey(KIND, side.namespace, name)


async def _read(side: Side, name: str = "r0") -> EventStreamingIntegration:
    found = await side.cluster.read(_identity(side, name))
    assert isinstance(found, EventStreamingIntegration)
    return found


async def a_life(side: Side, told: Transcript) -> None:
    """Versions and generations, from the creation to the end."""
    await told.says("nothing yet", side.cluster.read(_identity(side)))
    await side.create("r0")
    fresh = await told.says("created", _read(side))
    assert fresh is not None
    held = await told.says("finalizer", side.cluster.add_finalizer(fresh))
    assert held is not None
    written = await told.says("status", side.cluster.write_status(held, STATUS))
    assert written is not None
    await told.says("the same status", side.cluster.write_status(written, STATUS))
    await side.edit("r0", enabled=False)
    await told.says("edited", _read(side))
    await side.edit("r0", enabled=False)
    await told.says("edited to the same", _read(side))
    await side.annotate("r0", "1")
    await told.says("annotated", _read(side))
    await side.annotate("r0", "1")
    await told.says("annotated the same", _read(side))
    await side.delete("r0")
    ending = await told.says("deleted", _read(side))
    assert ending is not None
    await side.delete("r0")
    await told.says("deleted twice", _read(side))
    ending = await told.says("status in deletion", side.cluster.write_status(ending, Status()))
    assert ending is not None
    await told.says("released", side.cluster.remove_finalizer(ending))
    await told.says("gone", side.cluster.read(_identity(side)))


async def stale_versions(side: Side, told: Transcript) -> None:
    """A write names the newest version, or is refused."""
    await side.create("r0")
    stale = await _read(side)
    await side.annotate("r0", "1")
    await told.says("finalizer", side.cluster.add_finalizer(stale))
    await told.says("status", side.cluster.write_status(stale, STATUS))
    held = await told.says("finalizer again", side.cluster.add_finalizer(await _read(side)))
    assert held is not None
    await side.edit("r0", enabled=False)
    await told.says("release", side.cluster.remove_finalizer(held))
    await told.says("status of an old generation", side.cluster.write_status(held, STATUS))
    await told.says("untouched", _read(side))


async def namesakes(side: Side, told: Transcript) -> None:
    """What was read before an object went is neither it nor its namesake."""
    await side.create("r0")
    former = await told.says("former", _read(side))
    assert former is not None
    held = former.model_copy(update={"metadata": former.metadata.model_copy(update={"finalizers": (FINALIZER,)})})
    await side.delete("r0")
    await told.says("gone", side.cluster.read(_identity(side)))
    await told.says("status of none", side.cluster.write_status(former, STATUS))
    await told.says("finalizer of none", side.cluster.add_finalizer(former))
    await told.says("release of none", side.cluster.remove_finalizer(held))
    await side.create("r0")
    await told.says("namesake", _read(side))
    await told.says("status of the namesake", side.cluster.write_status(former, STATUS))
    await told.says("finalizer of the namesake", side.cluster.add_finalizer(former))
    await told.says("release of the namesake", side.cluster.remove_finalizer(held))
    await told.says("untouched", _read(side))


async def finalizers(side: Side, told: Transcript) -> None:
    """Those of others, those that go in the middle, and none that comes after deletion has begun."""
    await side.create("r0")
    await side.set_finalizers("r0", (THEIRS,))
    both = await told.says("ours beside theirs", side.cluster.add_finalizer(await _read(side)))
    assert both is not None
    await side.set_finalizers("r0", ())
    await told.says("stripped", _read(side))
    await told.says("put back on an old version", side.cluster.remove_finalizer(both))
    await side.set_finalizers("r0", (THEIRS,))
    await side.delete("r0")
    await told.says("too late for ours", side.cluster.add_finalizer(await _read(side)))
    await told.says("held by theirs", _read(side))
    await side.set_finalizers("r0", ())
    await told.says("gone with the last one", side.cluster.read(_identity(side)))
    await side.create("r1")
    await side.set_finalizers("r1", (THEIRS, FINALIZER))
    await side.delete("r1")
    await told.says("ours goes first", side.cluster.remove_finalizer(await _read(side, "r1")))
    await told.says("theirs holds it", _read(side, "r1"))
    await side.set_finalizers("r1", ())
    await told.says("gone too", side.cluster.read(_identity(side, "r1")))


async def lists_and_secrets(side: Side, told: Transcript) -> None:
    """What a list shows, and what a Secret is."""
    for name in ("b", "a", "c"):
        await side.create(name)
    await side.delete("c")
    seen: list[Resource] = []
    await side.cluster.list_resources(
        KIND, None, lambda key, _uid, _version: key.namespace == side.namespace, seen.append
    )
    told.lines += [f"listed: {told.shown(each)}" for each in seen]
    await told.says("no Secret", side.cluster.secret(side.namespace, "s"))
    await side.put_secret("s", "one")
    await told.says("a Secret", side.cluster.secret(side.namespace, "s"))
    await side.put_secret("s", "two")
    await told.says("another value", side.cluster.secret(side.namespace, "s"))
    await side.delete_secret("s")
    await told.says("gone", side.cluster.secret(side.namespace, "s"))


async def a_lease(side: Side, told: Transcript) -> None:
    """Created once, and written by whoever names its newest version."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{side.namespace}/leases"

    async def ask(what: str, method: str, holder: str = "", version: str = "") -> str:
        spec = {"holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": 0}
        metadata = {"name": "l", **({"resourceVersion": version} if version else {})}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        request = {
            "GET": Request("Lease", f"{path}/l"),
            "POST": Request("Lease", path, "POST", body=body),
            "PATCH": Request("Lease", f"{path}/l", "PATCH", body=body),
        }[method]
        answer = await told.says(what, side.lease.call(request, seconds=10, urgent=True))
        return str(answer["metadata"]["resourceVersion"]) if answer is not None else ""

    await ask("none", "GET")
    await ask("none to renew", "PATCH", "p0", "1")
    first = await ask("taken", "POST", "p0")
    await ask("taken already", "POST", "p1")
    await ask("looked at", "GET")
    second = await ask("renewed, or the same", "PATCH", "p1", first)
    await ask("too late", "PATCH", "p2", first)
    await ask("again", "PATCH", "p2", second)


SCENARIOS: Final[tuple[Callable[[Side, Transcript], Awaitable[None]], ...]] = (
    a_life,
    stale_versions,
    namesakes,
    finalizers,
    lists_and_secrets,
    a_lease,
)
