"""The controller: triggers in, reconciles out, for as long as this process leads."""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import Final

from netbird_streaming.core.remote import Priority
from netbird_streaming.core.resources import (
    ClusterNetBirdConnection,
    Connection,
    ConnectionKind,
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
from netbird_streaming.reconciler.ports import ControllerSettings, Outcome, Ports
from netbird_streaming.reconciler.snapshot import Snapshot, snapshot_of
from netbird_streaming.reconciler.world import World

log = logging.getLogger(__name__)

CONNECTION_KINDS: Final = tuple(each.value for each in ConnectionKind)
INTEGRATION: Final = EventStreamingIntegration.__name__
KINDS: Final = (*CONNECTION_KINDS, INTEGRATION)
"""Connections first: a resource without one would say so, and take it back a moment later."""
RETRY_PAUSE: Final = 1.0
LAST_PAUSE: Final = 60.0


class Controller:
    """Reconciles all resources and connections. The triggers may be called at any time and never raise."""

    def __init__(self, ports: Ports, settings: ControllerSettings) -> None:
        """Know nothing yet; `run` lists everything before it works."""
        self._ports = ports
        self._settings = settings
        self._world = World(ports, settings)
        self._failures: dict[Identity, int] = {}
        self._repeats = Repeats()
        self._unheard: set[str] = set()
        self._interrupted = asyncio.Event()

    def is_news(self, identity: Identity, uid: str, version: str) -> bool:
        """Whether a version of an object is worth parsing: our own writes come back, and each list brings all."""
        return self._world.is_news(identity, uid, version)

    def observe(self, resource: Resource) -> None:
        """A watch event: the newest version wins, older ones are ignored."""
        self._observe(resource, Priority.USER)

    def _observe(self, resource: Resource, priority: Priority) -> None:
        match resource:
            case EventStreamingIntegration():
                self._world.observe(resource, priority)
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
        self._unheard.add(kind)
        self._interrupted.set()

    def secret_changed(self, namespace: str, name: str) -> None:
        """A Secret was created, changed or deleted."""
        self._world.secret_changed(namespace, name)

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
        for kind in KINDS:
            await self._list(kind, Priority.CLOCK)
        relister = asyncio.create_task(self._relist())
        try:
            await self._world.queue.run(self._work, self._settings.grace)
        finally:
            relister.cancel()
            for link in self._world.connections:
                self._world.connections.forget(link.connection.identity)

    async def _list(self, kind: str, priority: Priority) -> None:
        """A consistent list of one kind; what is known and not in it was deleted unseen."""
        pause, repeats = RETRY_PAUSE, Repeats()
        while True:
            self._unheard.discard(kind)
            before = self._known(kind)
            seen: set[str] = set()
            try:
                await self._ports.cluster.list_resources(
                    kind, partial(self._is_news, seen), partial(self._observe, priority=priority)
                )
            except OperatorError as problem:
                level = repeats.level(logging.WARNING, problem.message)
                log.log(level, "can't list: %s", problem.message, extra={"kind": kind, "reason": problem.reason})
                await self._ports.clock.sleep(pause * self._ports.random.uniform(0.75, 1.25))
                pause = min(pause * 2, LAST_PAUSE)
                continue
            for identity, uid in before.items():
                if uid not in seen:
                    self.forget(identity, uid)
            return

    def _is_news(self, seen: set[str], identity: Identity, uid: str, version: str) -> bool:
        seen.add(uid)
        return self.is_news(identity, uid, version)

    def _known(self, kind: str) -> dict[Identity, str]:
        if kind == INTEGRATION:
            return {identity: entry.uid for identity, entry in self._world.entries.items()}
        connections: list[Connection] = [link.connection for link in self._world.connections]
        return {each.identity: each.metadata.uid for each in connections if each.identity.kind == kind}

    async def _relist(self) -> None:
        """List what a watch does not tell, and now and then everything, whatever the watches tell."""
        while True:
            for kind in await self._to_list():
                await self._list(kind, Priority.USER)

    async def _to_list(self) -> Sequence[str]:
        """Wait until there is a reason to list, and give the kinds."""
        self._interrupted.clear()
        try:
            async with asyncio.timeout(self._settings.relist_interval * self._ports.random.uniform(0.9, 1.1)):
                while not self._unheard:
                    await self._interrupted.wait()
        except TimeoutError:
            return KINDS
        return [kind for kind in KINDS if kind in self._unheard]

    async def _work(self, key: Identity, priority: Priority) -> None:
        """One reconcile. Whatever goes wrong, the key is looked at again, and the others go on."""
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
                self._again(key, None, LAST_PAUSE)
            else:
                self._failures.pop(key, None)
                self._repeats.over(key)
        self._ports.meter.reconciled(key.kind, outcome, self._ports.clock.monotonic() - begun)

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
            async with self._world.queue.released():
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
