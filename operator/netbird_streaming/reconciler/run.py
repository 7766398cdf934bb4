"""One reconcile of one resource, while it lasts: the version at hand, and the status that is to be written."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from netbird_streaming.core.facts import recall
from netbird_streaming.core.payload import Payload
from netbird_streaming.core.remote import Priority
from netbird_streaming.core.resources import EventStreamingIntegration
from netbird_streaming.core.status import Status, own
from netbird_streaming.errors import ConflictError, ObjectGoneError, OperatorError, RetryError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler import signals
from netbird_streaming.reconciler.entries import Entry, version_of
from netbird_streaming.reconciler.gate import Turn
from netbird_streaming.reconciler.ports import NetBird, Outcome
from netbird_streaming.reconciler.way import Way
from netbird_streaming.reconciler.world import World

_UNWRITABLE: Final = (
    "Kubernetes shows the resource and answers its writes with 404, as where its namespace is gone. It is tried again."
)


class Superseded(Exception):  # noqa: N818  # control flow, never an error: the resource is gone or is a namesake
    """The resource that this reconcile is about is no more."""


async def newest(world: World, entry: Entry) -> EventStreamingIntegration:
    """Read the resource, if it is still the same one. Raises Superseded."""
    fresh = await world.ports.cluster.read(entry.identity)
    if not isinstance(fresh, EventStreamingIntegration):
        world.forget(entry.identity, entry.uid)
        raise Superseded
    if fresh.metadata.uid != entry.uid:
        world.observe(fresh)
        raise Superseded
    world.took(entry, fresh)
    return fresh


@dataclass(slots=True)
class Run:
    """What one reconcile works with. `status` is our own status as it shall be, `base` as the server has it.

    `outcome` is how it ends, once it does. `turn` is what a wait for the rate limit came to.
    """

    world: World
    entry: Entry
    priority: Priority
    resource: EventStreamingIntegration
    base: Status
    status: Status
    way: Way | OperatorError | None = None
    payload: Payload | OperatorError | None = None
    account_problem: OperatorError | None = None
    list_failure: OperatorError | None = None
    retry_after: float | None = None
    outcome: Outcome = Outcome.SETTLED
    turn: Turn = None

    @asynccontextmanager
    async def sending(self, client: NetBird) -> AsyncIterator[NetBird]:
        """Give the worker back while a request is sent, and send it with the slot that the reconcile has, if any."""
        async with self.world.queue.released(self.entry.identity):
            turn, self.turn = self.turn, None
            yield client if turn is None or isinstance(turn, OperatorError) else client.holding(turn)

    @property
    def is_dirty(self) -> bool:
        """Whether the status says something that the server does not have."""
        return self.status != self.base

    def take(self, resource: EventStreamingIntegration) -> None:
        """Go on with this version; a status that is still to be written stays so if the server's did not change."""
        mine = recall(resource, self.entry.memory).status
        if not self.is_dirty or mine != self.base:
            self.status = mine
        if resource.spec != self.resource.spec or resource.deleting != self.resource.deleting:
            self.payload = self.way = None
        self.resource, self.base = resource, mine
        self.world.took(self.entry, resource)

    async def read_again(self, refusal: OperatorError) -> None:
        """After a conflict: the newest version, if it is still the same resource. Raises Superseded.

        Where the write found nothing and the read finds what was known, another try would go the same way: raises.
        """
        fresh = await newest(self.world, self.entry)
        if isinstance(refusal, ObjectGoneError) and version_of(fresh) == version_of(self.resource):
            raise RetryError(Reason.KUBERNETES_REFUSED, _UNWRITABLE) from None
        self.take(fresh)

    async def flush(self) -> bool:
        """Write the status. False after a conflict: the newest version is at hand, and all must be decided anew."""
        if not self.is_dirty:
            return True
        try:
            return await self._write()
        except OperatorError as problem:
            entry = self.entry
            entry.resource = None
            entry.refused = signals.refused(self.world.ports.cluster, self.resource, problem, entry.refused)
            raise

    async def _write(self) -> bool:
        """Whether it is written. Raises also where the newest version can't be read after a conflict."""
        try:
            with self.world.writing(self.entry):
                self.landed(await self.world.ports.cluster.write_status(self.resource, self.status))
        except (ConflictError, ObjectGoneError) as refusal:
            await self.read_again(refusal)
            return False
        return True

    def landed(self, written: EventStreamingIntegration) -> None:
        """The status is with the server."""
        self.tell(written, self.base)
        self.entry.unsaved = self.entry.refused = None
        self.base = self.status = own(written.status)
        self.resource = written
        self.world.took(self.entry, written)
        memory = self.entry.memory
        if memory.posted is not None and written.status.id == memory.posted.item.id:
            self.entry.memory = memory.having(posted=None)

    def tell(self, written: EventStreamingIntegration, before: Status) -> None:
        """Say what changed with this status."""
        self.entry.told = signals.landed(self.world.ports.cluster, written, before, self.entry.told)

    def keep(self, resource: EventStreamingIntegration | None) -> None:
        """Keep this version for the next reconcile, or none, unless a newer one came meanwhile."""
        if version_of(self.resource) >= self.entry.version:
            self.entry.resource = resource
