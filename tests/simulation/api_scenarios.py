"""Scenarios for an API server, simulated or real: requests of users and the operator, and the responses.

Both servers have to give the same transcript. Versions and uids are numbered in order of appearance, and times are left
out. All other fields of an object are included.
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
    """The part of the API client that the elector uses."""

    async def call(self, request: Request, *, seconds: float, urgent: bool) -> Json: ...


class Side(Protocol):
    """An API server with its clients: users, and the operator by its `cluster` and its `lease`."""

    namespace: str

    @property
    def cluster(self) -> Cluster:
        """The operator's port."""
        ...

    @property
    def lease(self) -> LeaseClient:
        """The operator's client for its Lease."""
        ...

    async def create(self, name: str) -> None:
        """Create an integration of `SPEC` as a user."""
        ...

    async def edit(self, name: str, *, enabled: bool) -> None:
        """Change the spec as a user."""
        ...

    async def annotate(self, name: str, value: str) -> None:
        """Set the annotation `NOISE`."""
        ...

    async def set_finalizers(self, name: str, finalizers: tuple[str, ...]) -> None:
        """Set all finalizers."""
        ...

    async def delete(self, name: str) -> None:
        """Delete the integration as a user."""
        ...

    async def put_secret(self, name: str, value: str) -> None:
        """Create or change a Secret as a user."""
        ...

    async def delete_secret(self, name: str) -> None:
        """Delete the Secret as a user."""
        ...


class Transcript:
    """The responses, one line each."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._numbers: dict[str, int] = {}

    async def says(self, what: str, asked: Awaitable[T]) -> T | None:
        """Record the result, or None if the request is refused."""
        try:
            answer = await asked
        except OperatorError as error:
            branch = next(each for each in _BRANCHES if isinstance(error, each))
            self.lines.append(f"{what}: {branch.__name__}, {error.effect.name}")
            return None
        self.lines.append(f"{what}: {self.shown(answer)}")
        return answer

    def shown(self, answer: object) -> str:
        """Return a response without the fields that differ from run to run."""
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


async def lifecycle(side: Side, transcript: Transcript) -> None:
    """Versions and generations from creation to deletion."""
    await transcript.says("nothing yet", side.cluster.read(_identity(side)))
    await side.create("r0")
    fresh = await transcript.says("created", _read(side))
    assert fresh is not None
    held = await transcript.says("finalizer", side.cluster.add_finalizer(fresh))
    assert held is not None
    written = await transcript.says("status", side.cluster.write_status(held, STATUS))
    assert written is not None
    await transcript.says("the same status", side.cluster.write_status(written, STATUS))
    await side.edit("r0", enabled=False)
    await transcript.says("edited", _read(side))
    await side.edit("r0", enabled=False)
    await transcript.says("edited to the same", _read(side))
    await side.annotate("r0", "1")
    await transcript.says("annotated", _read(side))
    await side.annotate("r0", "1")
    await transcript.says("annotated the same", _read(side))
    await side.delete("r0")
    ending = await transcript.says("deleted", _read(side))
    assert ending is not None
    await side.delete("r0")
    await transcript.says("deleted twice", _read(side))
    ending = await transcript.says("status in deletion", side.cluster.write_status(ending, Status()))
    assert ending is not None
    await transcript.says("released", side.cluster.remove_finalizer(ending))
    await transcript.says("gone", side.cluster.read(_identity(side)))


async def stale_versions(side: Side, transcript: Transcript) -> None:
    """A write names the newest version, or is refused."""
    await side.create("r0")
    stale = await _read(side)
    await side.annotate("r0", "1")
    await transcript.says("finalizer", side.cluster.add_finalizer(stale))
    await transcript.says("status", side.cluster.write_status(stale, STATUS))
    held = await transcript.says("finalizer again", side.cluster.add_finalizer(await _read(side)))
    assert held is not None
    await side.edit("r0", enabled=False)
    await transcript.says("release", side.cluster.remove_finalizer(held))
    await transcript.says("status of an old generation", side.cluster.write_status(held, STATUS))
    await transcript.says("untouched", _read(side))


async def namesakes(side: Side, transcript: Transcript) -> None:
    """A version that was read before a deletion matches neither the object nor a new one with its name."""
    await side.create("r0")
    former = await transcript.says("former", _read(side))
    assert former is not None
    held = former.model_copy(update={"metadata": former.metadata.model_copy(update={"finalizers": (FINALIZER,)})})
    await side.delete("r0")
    await transcript.says("gone", side.cluster.read(_identity(side)))
    await transcript.says("status of none", side.cluster.write_status(former, STATUS))
    await transcript.says("finalizer of none", side.cluster.add_finalizer(former))
    await transcript.says("release of none", side.cluster.remove_finalizer(held))
    await side.create("r0")
    await transcript.says("namesake", _read(side))
    await transcript.says("status of the namesake", side.cluster.write_status(former, STATUS))
    await transcript.says("finalizer of the namesake", side.cluster.add_finalizer(former))
    await transcript.says("release of the namesake", side.cluster.remove_finalizer(held))
    await transcript.says("untouched", _read(side))


async def finalizers(side: Side, transcript: Transcript) -> None:
    """Finalizers of others, removal in steps, and no new one after deletion has begun."""
    await side.create("r0")
    await side.set_finalizers("r0", (THEIRS,))
    both = await transcript.says("ours beside theirs", side.cluster.add_finalizer(await _read(side)))
    assert both is not None
    await side.set_finalizers("r0", ())
    await transcript.says("stripped", _read(side))
    await transcript.says("put back on an old version", side.cluster.remove_finalizer(both))
    await side.set_finalizers("r0", (THEIRS,))
    await side.delete("r0")
    await transcript.says("too late for ours", side.cluster.add_finalizer(await _read(side)))
    await transcript.says("held by theirs", _read(side))
    await side.set_finalizers("r0", ())
    await transcript.says("gone with the last one", side.cluster.read(_identity(side)))
    await side.create("r1")
    await side.set_finalizers("r1", (THEIRS, FINALIZER))
    await side.delete("r1")
    await transcript.says("ours goes first", side.cluster.remove_finalizer(await _read(side, "r1")))
    await transcript.says("theirs holds it", _read(side, "r1"))
    await side.set_finalizers("r1", ())
    await transcript.says("gone too", side.cluster.read(_identity(side, "r1")))


async def lists_and_secrets(side: Side, transcript: Transcript) -> None:
    """The contents of a list and of a Secret."""
    for name in ("b", "a", "c"):
        await side.create(name)
    await side.delete("c")
    seen: list[Resource] = []
    await side.cluster.list_resources(
        KIND, None, lambda key, _uid, _version: key.namespace == side.namespace, seen.append
    )
    transcript.lines += [f"listed: {transcript.shown(each)}" for each in seen]
    await transcript.says("no Secret", side.cluster.secret(side.namespace, "s"))
    await side.put_secret("s", "one")
    await transcript.says("a Secret", side.cluster.secret(side.namespace, "s"))
    await side.put_secret("s", "two")
    await transcript.says("another value", side.cluster.secret(side.namespace, "s"))
    await side.delete_secret("s")
    await transcript.says("gone", side.cluster.secret(side.namespace, "s"))


async def lease(side: Side, transcript: Transcript) -> None:
    """A Lease is created once, and written by the client that names its newest version."""
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
        answer = await transcript.says(what, side.lease.call(request, seconds=10, urgent=True))
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
    lifecycle,
    stale_versions,
    namesakes,
    finalizers,
    lists_and_secrets,
    lease,
)
