"""Leader election with a Lease (coordination.k8s.io/v1): one process acts, the others wait.

The holder stops acting `renew_deadline` seconds after it began its last successful renewal. The others wait `duration`
seconds after they saw that renewal, which was later. Both use a clock that continues while the process is stopped or
the machine sleeps. A virtual machine that its host freezes is not covered, as in other leader elections.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from netbird_streaming import background
from netbird_streaming.cluster.client import FIELD_MANAGER, Json, KubernetesClient, Request
from netbird_streaming.cluster.leader_election.record import (
    LeaderElectionRecord,
    LeaseTiming,
    Observation,
    acquire,
    body,
    is_ours,
    may_take,
    observe,
    observe_absence,
    parse,
    release,
)
from netbird_streaming.errors import ConflictError, LeaseLostError, ObjectGoneError, OperatorError
from netbird_streaming.reasons import Reason

_REQUESTS_A_DEADLINE: Final = 2.5

logger = logging.getLogger(__name__)


def boot_time() -> float:
    """Return the seconds since boot, suspension included. macOS has no such clock and uses its monotonic one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


@dataclass(frozen=True, slots=True)
class LeaseLock:
    """Lease and the candidate for it. `candidate_id` must be unique to this run of this process."""

    namespace: str
    name: str
    candidate_id: str


class LeaderElector:
    """Candidate that leads while it holds the Lease.

    Args:
        client: The client of the API server.
        lease: The Lease, and the id of this candidate.
        now: The wall clock, in UTC. Its times are only for users to read.
        clock: The clock that decides, in seconds.
        timing: The durations of the election.
    """

    def __init__(
        self,
        client: KubernetesClient,
        lease: LeaseLock,
        now: Callable[[], datetime],
        *,
        clock: Callable[[], float] = boot_time,
        timing: LeaseTiming,
    ) -> None:
        self._client = client
        self._lease = lease
        self._now = now
        self._clock = clock
        self._timing = timing
        self._observation: Observation | None = None
        self._last_sent: LeaderElectionRecord | None = None
        """The record that this process last sent to become or stay the holder, even if there was no response."""
        self._deadline: float | None = None
        self._exclusive_until = -math.inf
        """The time before which no other process can have taken the Lease that this process held."""
        self._complaint = ""
        self.refusal: str | None = None
        """The reason why Kubernetes refuses requests for the Lease, such as a missing right or an admission policy."""
        self._subject = f"Lease {lease.namespace}/{lease.name}"
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{lease.namespace}/leases"

    @property
    def is_leader(self) -> bool:
        """Return whether this process may act now."""
        return self._deadline is not None and self._clock() < self._deadline

    def ensure_leading(self) -> None:
        """Check that this process may act now. Call it immediately before each request.

        Raises:
            LeaseLostError: The Lease is not held, or its last renewal is too old.
        """
        if not self.is_leader:
            raise LeaseLostError(Reason.PROGRESSING, f"{self._subject}: is no longer held by this process.")

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait for the Lease, run `lead` while it is held, and wait again when it is lost.

        This continues until `lead` ends by itself or this coroutine is cancelled. Exceptions of `lead` are raised,
        except `LeaseLostError`. At the end, a Lease that is still held is released.
        """
        while True:
            await self._acquire()
            logger.info("%s: leading as %s", self._subject, self._lease.candidate_id)
            if await self._lead(lead):
                return
            logger.warning("%s: lost; this process stops writing until it acquires it again", self._subject)

    async def _acquire(self) -> None:
        while not await self._try_acquire_or_renew():  # noqa: ASYNC110 - the event happens in another process
            await asyncio.sleep(self._timing.retry)

    async def _lead(self, lead: Callable[[], Awaitable[None]]) -> bool:
        """Lead, and renew until leading has ended. Return whether it ended by itself."""
        work = asyncio.ensure_future(lead())
        renewal = background.start(self._renew_loop(), "renewal of the Lease")
        async with AsyncExitStack() as ending:
            ending.push_async_callback(self._release)
            # Renewed until the work has ended: it may have to record its last writes.
            ending.push_async_callback(_cancel_and_wait, renewal)
            ending.push_async_callback(_cancel_and_wait, work)
            await asyncio.wait({work, renewal}, return_when=asyncio.FIRST_COMPLETED)
            ended = work.done()
        error = None if work.cancelled() else work.exception()
        if isinstance(error, LeaseLostError):
            return False
        if error is not None:
            raise error
        return ended

    async def _renew_loop(self) -> None:
        """Renew until the Lease is lost."""
        while (left := self._remaining()) > 0:
            await asyncio.sleep(min(self._timing.retry, left))
            if self._remaining() > 0:
                await self._try_acquire_or_renew()
        self._deadline = None

    async def _try_acquire_or_renew(self) -> bool:
        """Try once to acquire or renew the Lease. Return whether that succeeded."""
        try:
            if not self.is_leader:
                await self._read_lease()
            held = await self._acquire_or_renew()
        except OperatorError as error:
            if self._complaint != error.message:
                logger.warning("%s", error.message)
            self._complaint = error.message
            self.refusal = error.message if error.reason is Reason.KUBERNETES_REFUSED else None
            return False
        self._complaint, self.refusal = "", None
        return held

    async def _read_lease(self) -> None:
        """Read the Lease, and record when this version was first seen."""
        try:
            raw = await self._send(Request(self._subject, f"{self._path}/{self._lease.name}"))
        except ObjectGoneError:
            self._on_absent()
            return
        # The age counts from after the response: too late is safe, too early is not.
        self._observation = observe(self._observation, parse(raw, self._timing.duration), self._clock())

    def _on_absent(self) -> None:
        self._observation = observe_absence(self._observation, self._last_sent, self._exclusive_until, self._clock())

    async def _acquire_or_renew(self) -> bool:
        """Write this candidate into a Lease that is free or its own. Return whether this process may act now."""
        started = self._clock()
        seen, duration = self._observation, self._timing.duration
        if seen is not None and not may_take(seen, self._last_sent, duration, started):
            return False
        record = acquire(
            seen.record if seen else None, self._last_sent, self._lease.candidate_id, duration, self._now()
        )
        self._last_sent = record
        try:
            written = await self._write(record)
        except ConflictError:
            return await self._on_conflict()
        except ObjectGoneError:
            self._on_absent()
            self._deadline = None
            return False
        self._observation = Observation(written, started)
        self._deadline, self._exclusive_until = started + self._timing.renew_deadline, started + duration
        return self.is_leader

    async def _on_conflict(self) -> bool:
        """Read the Lease after a conflict.

        The cause is an own renewal whose response was lost, an edit by a user, or another holder.
        """
        await self._read_lease()
        if self._observation is None or not is_ours(self._observation.record, self._last_sent):
            self._deadline = None
        return False

    async def _release(self) -> None:
        """Release the Lease if it is still held, so that the next holder need not wait."""
        held, self._deadline = self.is_leader, None
        if not held:
            return
        with suppress(OperatorError):
            try:
                await self._write_release()
            except ConflictError:
                # A cancelled renewal may have been applied: then this process still holds a newer version.
                await self._read_lease()
                await self._write_release()

    async def _write_release(self) -> None:
        if self._observation is not None and is_ours(self._observation.record, self._last_sent):
            await self._write(release(self._observation.record))

    async def _write(self, record: LeaderElectionRecord) -> LeaderElectionRecord:
        document = body(record, self._lease.namespace, self._lease.name, self._now())
        query = {"fieldManager": FIELD_MANAGER}
        if record.version:
            path = f"{self._path}/{self._lease.name}"
            raw = await self._send(Request(self._subject, path, "PATCH", query, document))
        else:
            raw = await self._send(Request(self._subject, self._path, "POST", query, document))
        return parse(raw, self._timing.duration)

    async def _send(self, request: Request) -> Json:
        """Send before all other requests. Several requests fit before the deadline, and none lasts longer."""
        seconds = self._timing.renew_deadline / _REQUESTS_A_DEADLINE
        if self._deadline is not None:
            seconds = min(seconds, max(0.0, self._remaining()))
        return await self._client.call(request, seconds=seconds, urgent=True)

    def _remaining(self) -> float:
        return 0.0 if self._deadline is None else self._deadline - self._clock()


async def _cancel_and_wait(task: asyncio.Future[None]) -> None:
    """Cancel the task and wait until it ends. A cancellation of the caller is raised after that."""
    task.cancel()
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
