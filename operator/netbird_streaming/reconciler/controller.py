"""The controller: triggers in, reconciles out, for as long as this process leads."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from netbird_streaming.core.remote import Priority
from netbird_streaming.core.resources import (
    ClusterNetBirdConnection,
    EventStreamingIntegration,
    Identity,
    NetBirdConnection,
    Resource,
)
from netbird_streaming.errors import LeaseLostError, NotFoundError, OperatorError, RetryError, WaitError
from netbird_streaming.log_context import Repeats, log_fields
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.entries import STRAY
from netbird_streaming.reconciler.integrations import reconcile
from netbird_streaming.reconciler.links import reconcile_connection
from netbird_streaming.reconciler.listing import CONNECTION_KINDS, INTEGRATION, Lister, Lists, ListScope
from netbird_streaming.reconciler.ports import ControllerSettings, Outcome, Ports
from netbird_streaming.reconciler.snapshot import Snapshot, snapshot_of
from netbird_streaming.reconciler.world import World

log = logging.getLogger(__name__)

RETRY_PAUSE: Final = 1.0
LAST_PAUSE: Final = 45.0
"""With its jitter less than a minute: what Kubernetes refused recovers within that time."""
DEFECT_PAUSE: Final = 60.0


class Controller:
    """Reconciles all resources and connections. The triggers may be called at any time and never raise."""

    def __init__(self, ports: Ports, settings: ControllerSettings) -> None:
        """Know nothing yet; `run` lists everything before it works."""
        self._ports = ports
        self._settings = settings
        self._world = World(ports, settings)
        self._failures: dict[Identity, int] = {}
        self._repeats = Repeats()
        self._lister = Lister(ports, self._world.lists, self, settings.relist_interval)

    def is_news(self, identity: Identity, uid: str, version: str) -> bool:
        """Whether a version of an object is worth parsing: our own writes come back, and each list brings all."""
        return self._world.is_news(identity, uid, version)

    def observe(self, resource: Resource) -> None:
        """A watch event: the newest version wins, older ones are ignored."""
        match resource:
            case EventStreamingIntegration():
                self._world.observe(resource)
            case NetBirdConnection() | ClusterNetBirdConnection():
                self._world.observe_connection(resource)
            case _:
                log.warning("unknown kind", extra={"kind": type(resource).__name__})

    def forget(self, identity: Identity, uid: str) -> None:
        """The object is gone from the API server."""
        if identity.kind == INTEGRATION:
            self._world.forget(identity, uid)
        else:
            self._world.forget_connection(identity, uid)

    def relist(self, kind: str) -> None:
        """A watch of this kind begins anew: what it does not tell is listed."""
        self._lister.request(kind)

    def secret_changed(self, namespace: str, name: str) -> None:
        """A Secret was created, changed or deleted."""
        self._world.secret_changed(namespace, name)

    @property
    def lists(self) -> Lists:
        """The state of the lists."""
        return self._world.lists

    def snapshot(self) -> Snapshot:
        """How all of it stands now."""
        return snapshot_of(self._world)

    def let_go(self) -> None:
        """Let go of what is too old to be of use, and else stays until somebody asks: LISTs, and who is gone."""
        self._world.gone.let_go()
        for link in self._world.connections:
            for account in link.accounts.values():
                account.let_go()

    def stuck_for(self) -> float:
        """Seconds without progress while there is something to do: liveness."""
        return self._world.queue.stuck_for()

    async def run(self) -> None:
        """List everything, work until cancelled, then finish what is begun within the grace time."""
        await self._lister.first()
        relister = asyncio.create_task(self._lister.run(), name="lister")
        try:
            await self._world.queue.run(self._work, self._settings.grace)
        finally:
            relister.cancel()
            for link in self._world.connections:
                self._world.connections.forget(link.connection.identity)

    def known(self, scope: ListScope) -> Mapping[Identity, str]:
        """Return the known objects of a list, with their uids."""
        if scope.kind == INTEGRATION:
            known = ((each.identity, each.uid) for each in self._world.entries.values())
        else:
            connections = (link.connection for link in self._world.connections)
            known = ((each.identity, each.metadata.uid) for each in connections if each.identity.kind == scope.kind)
        return {each: uid for each, uid in known if scope.namespace in (None, each.namespace)}

    def listed(self, scope: ListScope) -> None:
        """A list completed for the first time: requeue the resources that waited for one."""
        log.debug("listed", extra={"kind": scope.kind, "namespace": scope.namespace})
        for entry in self._world.entries.values():
            if entry.readiness.reason is Reason.KUBERNETES_REFUSED:
                self._world.queue.add(entry.identity)

    async def _work(self, key: Identity, priority: Priority) -> bool:
        """Reconcile once and return whether the key waits. After any failure it is requeued."""
        begun, outcome = self._ports.clock.monotonic(), Outcome.FAILED
        with log_fields(**self._fields(key)):
            try:
                outcome = await self._reconcile(key, priority)
            except LeaseLostError as problem:
                self._again(key, problem.reason)
            except OperatorError as problem:
                level = self._repeats.level(logging.WARNING, problem.message, key)
                log.log(level, "not reconciled: %s", problem.message, extra={"reason": problem.reason})
                self._again(key, problem.reason, problem.retry_after if isinstance(problem, RetryError) else None)
            except Exception as problem:  # noqa: BLE001  # a defect in one reconcile must not stop the others
                # The exception's own text, which exc_info would add, may hold a secret.
                place = _whereabouts(problem)
                log.log(self._repeats.level(logging.ERROR, place, key), "defect", extra={"exception": place})
                outcome = Outcome.DEFECT
                self._again(key, None, DEFECT_PAUSE)
            else:
                self._failures.pop(key, None)
                self._repeats.over(key)
        self._ports.meter.reconciled(key.kind, outcome, self._ports.clock.monotonic() - begun)
        return outcome is Outcome.WAITING

    def _fields(self, key: Identity) -> dict[str, str]:
        """What all lines of one reconcile carry; `reconcile` tells it from all others."""
        entry = self._world.entries.get(key)
        connection = key if key.kind in CONNECTION_KINDS else None if entry is None else entry.connection
        fields = {"kind": key.kind, "resource": key.label}
        if connection is not None:
            fields["connection"] = connection.label
        return {**fields, "reconcile": f"{self._ports.random.getrandbits(32):08x}"}

    async def _reconcile(self, key: Identity, priority: Priority) -> Outcome:
        if key.kind == STRAY:
            return await self._delete_stray(key)
        if key.kind == INTEGRATION:
            return await reconcile(self._world, key, priority)
        return await reconcile_connection(self._world, key, priority)

    def _again(self, key: Identity, reason: Reason | None, at_least: float | None = None) -> None:
        if reason is not None:
            self._ports.meter.put_back(key.kind, reason)
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause = min(RETRY_PAUSE * 2 ** min(failures - 1, 16), LAST_PAUSE) * self._ports.random.uniform(0.75, 1.25)
        self._world.queue.add(key, at=self._ports.clock.monotonic() + max(pause, at_least or 0.0))

    async def _delete_stray(self, key: Identity) -> Outcome:
        """Its resource was gone before its id could be written: nobody else will ever delete it."""
        stray = self._world.strays.get(key)
        if stray is None:
            return Outcome.SETTLED
        if not stray.is_in_reach:
            message = (
                f"Integration {key.name} was made for a resource that is gone, with another token, and the connection "
                f"is not known to lead to its account. {Reason.ACCOUNT_UNCONFIRMED.cure}"
            )
            raise WaitError(Reason.ACCOUNT_UNCONFIRMED, message)
        try:
            async with self._world.queue.released(key):
                await stray.account.client.delete(int(key.name), Priority.USER)
        except NotFoundError:
            pass
        del self._world.strays[key]
        log.info("deleted stray", extra={"reason": Reason.DELETING, "integration": int(key.name)})
        return Outcome.SETTLED


def _whereabouts(problem: BaseException) -> str:
    """The exception's type and where it was raised: its text may hold a secret."""
    frames = []
    trace = problem.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(problem).__name__} at {' > '.join(frames)}"
