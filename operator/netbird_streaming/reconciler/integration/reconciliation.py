"""The state of a running reconcile: the known version, and the status to write."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from netbird_streaming.api.status import Status, own
from netbird_streaming.api.types import EventStreamingIntegration
from netbird_streaming.core.inputs import DecisionInput, own_status_of
from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from netbird_streaming.core.netbird.payload import Payload
from netbird_streaming.core.netbird.types import Priority
from netbird_streaming.errors import ConflictError, ObjectGoneError, OperatorError, RetryError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.connection.resolved import ResolvedConnection
from netbird_streaming.reconciler.context import Context
from netbird_streaming.reconciler.gate import Turn
from netbird_streaming.reconciler.ports import NetBird, Outcome
from netbird_streaming.reconciler.records import ResourceRecord
from netbird_streaming.reconciler.versions import version_of

_UNWRITABLE: Final = (
    "Kubernetes shows the resource but answers writes to it with 404, for example because its namespace is gone. The "
    "operator retries."
)


class Next(Enum):
    """The step after an action."""

    CONTINUE = "continue"
    """Gather and decide again: something changed."""
    STOP = "stop"
    """The reconcile ends, with the outcome that it has."""


class ResourceReplaced(Exception):  # noqa: N818  # control flow, never an error: the resource is gone or is a namesake
    """The resource is gone, or was replaced by a namesake."""


async def read_latest(context: Context, record: ResourceRecord) -> EventStreamingIntegration:
    """Read the resource. Raises ResourceReplaced if it is not the same one any more."""
    since = context.ports.clock.monotonic()
    fresh = await context.ports.cluster.read(record.key)
    if not isinstance(fresh, EventStreamingIntegration):
        context.triggers.forget(record.key, record.uid)
        raise ResourceReplaced
    if fresh.metadata.uid != record.uid:
        context.triggers.apply_event(fresh, since)
        raise ResourceReplaced
    context.triggers.apply_response(record, fresh, since)
    return fresh


@dataclass(slots=True)
class Reconciliation:
    """The state of one reconcile.

    `desired_status` is our own status as it shall be, `stored_status` as the server has it.

    `outcome` is how it ends, once it does. `turn` is what a wait for the rate limit came to.
    """

    context: Context
    record: ResourceRecord
    priority: Priority
    resource: EventStreamingIntegration
    stored_status: Status
    desired_status: Status
    resolved: ResolvedConnection | OperatorError | None = None
    payload: Payload | OperatorError | None = None
    account_problem: OperatorError | None = None
    list_failure: OperatorError | None = None
    retry_after: float | None = None
    outcome: Outcome = Outcome.SUCCESS
    turn: Turn = None

    @asynccontextmanager
    async def sending(self, client: NetBird) -> AsyncIterator[NetBird]:
        """Release the worker while a request is sent, and use the slot of the reconcile, if it has one."""
        async with self.context.queue.slot_released(self.record.key):
            turn, self.turn = self.turn, None
            yield client if turn is None or isinstance(turn, OperatorError) else client.holding(turn)

    @property
    def key(self) -> FingerprintKey:
        """The key for what the resource's status holds."""
        return self.context.ports.key.of(self.record.uid)

    @property
    def send_priority(self) -> Priority:
        """The priority of requests that follow a LIST."""
        return Priority.STARTED if self.priority is Priority.NEW else self.priority

    @property
    def is_dirty(self) -> bool:
        """Return whether the desired status differs from the stored one."""
        return self.desired_status != self.stored_status

    def use_version(self, resource: EventStreamingIntegration) -> None:
        """Use this version. A status that is not written yet is kept if the server's did not change."""
        mine = own_status_of(resource, self.record.memory).status
        if not self.is_dirty or mine != self.stored_status:
            self.desired_status = mine
        if resource.spec != self.resource.spec or resource.deleting != self.resource.deleting:
            self.payload = self.resolved = None
        self.resource, self.stored_status = resource, mine

    async def refresh(self, refusal: OperatorError) -> None:
        """Use the newest version after a conflict. Raises ResourceReplaced if it is not the same resource any more.

        Raises RetryError if the write found no resource and the read found the known version.
        """
        fresh = await read_latest(self.context, self.record)
        if isinstance(refusal, ObjectGoneError) and version_of(fresh) == version_of(self.resource):
            raise RetryError(Reason.KUBERNETES_REFUSED, _UNWRITABLE) from None
        self.use_version(fresh)

    async def write_status(self) -> bool:
        """Write the status. Return False after a conflict: the newest version was read for a new decision."""
        if not self.is_dirty:
            return True
        try:
            return await self._write()
        except OperatorError as problem:
            self.record.cache.put(None)
            self.record.published.write_refused(self.context.ports.cluster, self.resource, problem)
            raise

    async def _write(self) -> bool:
        """Return whether the status was written. Raise if the newest version can't be read after a conflict."""
        try:
            with self.context.triggers.hold_events(self.record):
                self.status_written(await self.context.ports.cluster.write_status(self.resource, self.desired_status))
        except (ConflictError, ObjectGoneError) as refusal:
            await self.refresh(refusal)
            return False
        return True

    def status_written(self, written: EventStreamingIntegration) -> None:
        """Remember that the status was written.

        Raises:
            ConflictError: The resource has another generation. After a backup of etcd was restored in place, a
                version can name two states of a resource.
        """
        if written.metadata.generation != self.resource.metadata.generation:
            raise ConflictError(Reason.PROGRESSING, f"{written.key.label}: a version of it was given twice.")
        self.notify(written, self.stored_status)
        self.record.unwritten_status = None
        self.stored_status = self.desired_status = own(written.status)
        self.resource = written
        self.context.triggers.apply_response(self.record, written)
        self.record.memory = self.record.memory.id_recorded(written.status.id)

    def notify(self, written: EventStreamingIntegration, before: Status) -> None:
        """Publish what changed with this status."""
        self.record.published.status_changed(self.context.ports.cluster, written, before)

    def with_status(self, inputs: DecisionInput) -> DecisionInput:
        """Return the inputs with the desired status in place of the one that the decision was about."""
        return replace(inputs, recorded=replace(inputs.recorded, status=self.desired_status))

    def mark_drift(self) -> None:
        """Count a change by another client once, until it is corrected or in sync again."""
        if not self.record.drifted:
            self.record.drifted = True
            self.context.ports.recorder.drift_found()

    def clear_drift(self) -> None:
        """Count a correction: NetBird accepted what the resource says."""
        if self.record.drifted:
            self.record.drifted = False
            self.context.ports.recorder.drift_corrected()

    def remember_version(self, resource: EventStreamingIntegration | None) -> None:
        """Keep this version for the next reconcile, or none, unless a newer one is known."""
        if version_of(self.resource) == self.record.known.version:
            self.record.cache.put(resource)
