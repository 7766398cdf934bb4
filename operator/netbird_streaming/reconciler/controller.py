"""The controller of this process while it leads."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from netbird_streaming.api.types import (
    ClusterNetBirdConnection,
    EventStreamingIntegration,
    NetBirdConnection,
    ObjectKey,
    Resource,
)
from netbird_streaming.backoff import Backoff
from netbird_streaming.core.netbird.types import Priority
from netbird_streaming.errors import LeaseLostError, OperatorError, RetryError
from netbird_streaming.log_context import LogOnce, log_fields
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.connection.reconcile import reconcile_connection
from netbird_streaming.reconciler.context import new_context
from netbird_streaming.reconciler.integration.reconcile import reconcile
from netbird_streaming.reconciler.listing import CONNECTION_KINDS, INTEGRATION, Lister, Lists, ListScope
from netbird_streaming.reconciler.polling import Poller
from netbird_streaming.reconciler.ports import ControllerSettings, Outcome, Ports
from netbird_streaming.reconciler.stats import ControllerStats, stats_of
from netbird_streaming.reconciler.unowned import UNOWNED

logger = logging.getLogger(__name__)

RETRY: Final = Backoff(first=1.0, last=45.0)
"""With its jitter less than a minute: what Kubernetes refused recovers within that time."""
DEFECT_PAUSE: Final = 60.0


class Controller:
    """Reconciles all resources and connections. The triggers may be called at any time and never raise.

    `run` first lists all objects.
    """

    def __init__(self, ports: Ports, settings: ControllerSettings) -> None:
        self._ports = ports
        self._settings = settings
        self._context = new_context(ports, settings)
        self._failures: dict[ObjectKey, int] = {}
        self._unwritten: set[ObjectKey] = set()
        self._log_once = LogOnce()
        self._lister = Lister(ports, self._context.lists, self, settings.relist_interval)

    @property
    def is_rewound(self) -> bool:
        """Return whether a read showed an older version of an object than the known one."""
        return self._context.triggers.versions.is_rewound

    @property
    def newest_version(self) -> int:
        """The highest version of any object that was read."""
        return self._context.triggers.versions.newest

    def is_newer(self, key: ObjectKey, uid: str, version: str, since: float | None = None) -> bool:
        """Return whether a version of an object is new. Our own writes come back, and each list reports all objects."""
        return self._context.triggers.is_newer(key, uid, version, since)

    def apply_event(self, resource: Resource, since: float | None = None) -> None:
        """Apply a version from a watch event, or from a read that began at `since`. An older one is ignored."""
        match resource:
            case EventStreamingIntegration():
                self._context.triggers.apply_event(resource, since)
            case NetBirdConnection() | ClusterNetBirdConnection():
                self._context.triggers.apply_connection_event(resource, since)
            case _:
                logger.warning("unknown kind", extra={"kind": type(resource).__name__})

    def forget(self, key: ObjectKey, uid: str) -> None:
        """Remove an object that is gone from the API server."""
        if key.kind == INTEGRATION:
            self._context.triggers.forget(key, uid)
        else:
            self._context.triggers.forget_connection(key, uid)

    def relist(self, kind: str) -> None:
        """List a kind, because its watch was restarted and does not report existing objects."""
        self._lister.request(kind)

    def secret_changed(self, namespace: str, name: str) -> None:
        """Requeue the dependents of a Secret that was created, changed or deleted."""
        self._context.triggers.secret_changed(namespace, name)

    def managed_elsewhere(self) -> str | None:
        """Return why this installation does not manage some connection, or None if it manages all of them."""
        problems = (state.not_in_charge for state in self._context.connections)
        return next((each.message for each in problems if each is not None), None)

    @property
    def lists(self) -> Lists:
        """The state of the lists."""
        return self._context.lists

    def stats(self) -> ControllerStats:
        """Return the current statistics."""
        return stats_of(self._context, len(self._unwritten))

    def expire(self) -> None:
        """Drop old LISTs and tombstones."""
        self._context.store.tombstones.expire()
        for state in self._context.connections:
            for account in state.accounts.values():
                account.expire()

    def stuck_for(self) -> float:
        """Return the seconds without progress while there is something to do, for the liveness probe."""
        return self._context.queue.stuck_for()

    async def run(self) -> None:
        """List everything and reconcile until cancelled. Then finish the running reconciles within the grace time.

        Raises:
            ExceptionGroup: A `RewoundError`: the state of this controller is invalid.
        """
        await self._lister.first()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._lister.run(), name="lister")
                group.create_task(Poller(self._context).run(), name="poller")
                group.create_task(self._context.queue.run(self._work, self._settings.shutdown_grace), name="queue")
        finally:
            for state in self._context.connections:
                self._context.connections.forget(state.connection.key)

    def known(self, scope: ListScope) -> Mapping[ObjectKey, str]:
        """Return the known objects of a list, with their uids."""
        if scope.kind == INTEGRATION:
            known = ((each.key, each.uid) for each in self._context.store)
        else:
            connections = (state.connection for state in self._context.connections)
            known = ((each.key, each.metadata.uid) for each in connections if each.key.kind == scope.kind)
        return {each: uid for each, uid in known if scope.namespace in (None, each.namespace)}

    def listed(self, scope: ListScope) -> None:
        """A list completed for the first time: requeue the resources that waited for one."""
        logger.debug("listed", extra={"kind": scope.kind, "namespace": scope.namespace})
        for record in self._context.store:
            if record.summary.readiness.reason is Reason.KUBERNETES_REFUSED:
                self._context.queue.add(record.key)

    async def _work(self, key: ObjectKey, priority: Priority) -> bool:
        """Reconcile once and return whether the key waits. After any failure it is requeued."""
        begun, outcome = self._ports.clock.monotonic(), Outcome.ERROR
        ended_by: OperatorError | None = None
        with log_fields(**self._fields(key)):
            try:
                outcome = await self._reconcile(key, priority)
            except LeaseLostError as problem:
                ended_by = problem
                self._requeue_with_backoff(key, problem.reason)
            except OperatorError as problem:
                ended_by = problem
                level = self._log_once.level(logging.WARNING, problem.message, key)
                logger.log(level, "not reconciled: %s", problem.message, extra={"reason": problem.reason})
                self._requeue_with_backoff(
                    key, problem.reason, problem.retry_after if isinstance(problem, RetryError) else None
                )
            except Exception as problem:  # noqa: BLE001  # a defect in one reconcile must not stop the others
                # The exception's own text, which exc_info would add, may hold a secret.
                place = _traceback_places(problem)
                logger.log(self._log_once.level(logging.ERROR, place, key), "defect", extra={"exception": place})
                outcome = Outcome.INTERNAL_ERROR
                self._requeue_with_backoff(key, None, DEFECT_PAUSE)
            else:
                self._failures.pop(key, None)
                self._unwritten.discard(key)
                self._log_once.reset(key)
        self._ports.observer.ended(key, outcome, ended_by)
        self._ports.recorder.reconciled(key.kind, outcome, self._ports.clock.monotonic() - begun)
        return outcome is Outcome.WAITING

    def _fields(self, key: ObjectKey) -> dict[str, str]:
        """Return the log fields of one reconcile. `reconcile` identifies it."""
        record = self._context.store.get(key)
        connection = key if key.kind in CONNECTION_KINDS else None if record is None else record.summary.connection
        fields = {"kind": key.kind, "resource": key.label}
        if connection is not None:
            fields["connection"] = connection.label
        return {**fields, "reconcile": f"{self._ports.random.getrandbits(32):08x}"}

    async def _reconcile(self, key: ObjectKey, priority: Priority) -> Outcome:
        if key.kind == UNOWNED:
            return await self._context.unowned.delete(key)
        if key.kind == INTEGRATION:
            return await reconcile(self._context, key, priority)
        return await reconcile_connection(self._context, key, priority)

    def _requeue_with_backoff(self, key: ObjectKey, reason: Reason | None, at_least: float | None = None) -> None:
        failures = self._failures.get(key, 0)
        if reason is not None:
            self._ports.recorder.requeued(key.kind, reason)
            if failures:  # a single one may be a conflict
                self._unwritten.add(key)
        self._failures[key] = failures + 1
        pause = RETRY.pause(failures, self._ports.random)
        self._context.queue.add(key, at=self._ports.clock.monotonic() + max(pause, at_least or 0.0))


def _traceback_places(problem: BaseException) -> str:
    """Return the type of an exception and where it was raised. Its text may contain a secret."""
    frames = []
    trace = problem.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(problem).__name__} at {' > '.join(frames)}"
