"""Leader election over a Lease (coordination.k8s.io/v1): one process acts, the others wait.

The holder stops acting `renew_deadline` seconds after it began its last successful renewal, while the others wait
`duration` seconds since they saw that renewal, which was later. Both are measured on a clock that goes on while the
process is stopped or the machine sleeps; a virtual machine that is frozen from outside is not covered, as for everyone.
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
    """Seconds since boot, suspension included; where a system has no such clock (macOS), its monotonic one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


@dataclass(frozen=True, slots=True)
class LeaseLock:
    """The Lease, and who we are; `candidate_id` must be unique to this run of this process."""

    namespace: str
    name: str
    candidate_id: str


class LeaderElector:
    """Leads while it holds the Lease."""

    def __init__(
        self,
        client: KubernetesClient,
        lease: LeaseLock,
        now: Callable[[], datetime],
        *,
        clock: Callable[[], float] = boot_time,
        timing: LeaseTiming | None = None,
    ) -> None:
        """Take the connection, the Lease, the wall clock in UTC (for people only), and the clock that counts."""
        self._client = client
        self._lease = lease
        self._now = now
        self._clock = clock
        self._timing = timing or LeaseTiming()
        self._observation: Observation | None = None
        self._last_sent: LeaderElectionRecord | None = None
        """What we last sent to become or stay the holder, be it that nobody answered."""
        self._deadline: float | None = None
        self._exclusive_until = -math.inf
        """Before this nobody else can have taken the Lease that we held."""
        self._complaint = ""
        self.refusal: str | None = None
        """Why Kubernetes refuses to read or write the Lease, such as a missing right or an admission policy."""
        self._subject = f"Lease {lease.namespace}/{lease.name}"
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{lease.namespace}/leases"

    @property
    def is_leader(self) -> bool:
        """Whether this process may act right now."""
        return self._deadline is not None and self._clock() < self._deadline

    def ensure_leading(self) -> None:
        """Return where this process may act right now; to be called at the last moment before each request.

        Raises:
            LeaseLostError: The Lease is not held, or its last renewal is too old.
        """
        if not self.is_leader:
            raise LeaseLostError(Reason.PROGRESSING, f"{self._subject}: is not held by this process any more.")

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait for the Lease, run `lead` while it is held, and wait again when it is lost.

        That goes on until `lead` ends by itself, or we are cancelled; what `lead` raises goes through, but for
        `LeaseLostError`. When it has ended, for whatever reason, a Lease that is still held is released.
        """
        while True:
            await self._acquire()
            logger.info("%s: leading as %s", self._subject, self._lease.candidate_id)
            if await self._lead(lead):
                return
            logger.warning("%s: lost; this process acts no more until it holds it again", self._subject)

    async def _acquire(self) -> None:
        while not await self._try_acquire_or_renew():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(self._timing.retry)

    async def _lead(self, lead: Callable[[], Awaitable[None]]) -> bool:
        """Lead, and renew until leading has ended; whether it ended by itself."""
        work = asyncio.ensure_future(lead())
        renewal = background.start(self._renew_loop(), "renewal of the Lease")
        async with AsyncExitStack() as ending:
            ending.push_async_callback(self._release)
            # Renewed until the work has ended: it may have to write down what it has just done.
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
        """One try to take or keep the Lease; whether it was taken or renewed."""
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
        """Read the Lease, and note when it was first seen so."""
        try:
            raw = await self._send(Request(self._subject, f"{self._path}/{self._lease.name}"))
        except ObjectGoneError:
            self._on_absent()
            return
        # The age counts from after the answer: too late is safe, too early is not.
        self._observation = observe(self._observation, parse(raw, self._timing.duration), self._clock())

    def _on_absent(self) -> None:
        self._observation = observe_absence(self._observation, self._last_sent, self._exclusive_until, self._clock())

    async def _acquire_or_renew(self) -> bool:
        """Write ourselves into the Lease where it is free or ours; whether this process may act now."""
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
        """After a conflict: a renewal of ours whose answer was lost, an edit by somebody, or another holder."""
        await self._read_lease()
        if self._observation is None or not is_ours(self._observation.record, self._last_sent):
            self._deadline = None
        return False

    async def _release(self) -> None:
        """Give the Lease up, if it is still held, so that the next holder need not wait."""
        held, self._deadline = self.is_leader, None
        if not held:
            return
        with suppress(OperatorError):
            try:
                await self._write_release()
            except ConflictError:
                # A renewal that was cancelled on its way may have landed: then it is ours still, in a newer version.
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
        """Send ahead of all others, with several tries before the deadline and none that lasts beyond it."""
        seconds = self._timing.renew_deadline / _REQUESTS_A_DEADLINE
        if self._deadline is not None:
            seconds = min(seconds, max(0.0, self._remaining()))
        return await self._client.call(request, seconds=seconds, urgent=True)

    def _remaining(self) -> float:
        return 0.0 if self._deadline is None else self._deadline - self._clock()


async def _cancel_and_wait(task: asyncio.Future[None]) -> None:
    """Cancel and wait for the end, however long; a cancellation of our own meanwhile is passed on after it."""
    task.cancel()
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
