"""The lists of our kinds: each kind in each watched namespace by itself, so that one that is refused stops no other.

A watch reports changes and not what exists. Each kind is therefore listed at the start, whenever one of its watches
begins, and at an interval. A list that fails is retried with backoff.
"""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from typing import Final, NamedTuple, Protocol

from netbird_streaming.api.types import ConnectionKind, EventStreamingIntegration, ObjectKey, Resource
from netbird_streaming.backoff import Backoff
from netbird_streaming.errors import OperatorError, RetryError
from netbird_streaming.log_context import LogOnce
from netbird_streaming.reconciler.ports import Cluster, Ports
from netbird_streaming.reconciler.versions import RewoundError, number

log = logging.getLogger(__name__)

CONNECTION_KINDS: Final = tuple(each.value for each in ConnectionKind)
INTEGRATION: Final = EventStreamingIntegration.__name__
KINDS: Final = (*CONNECTION_KINDS, INTEGRATION)
"""Connections first: a resource without one would report that, and withdraw it a moment later."""
RETRY: Final = Backoff(1.0, 30.0)


class ListScope(NamedTuple):
    """A list of a kind in a namespace. The namespace None is the whole cluster."""

    kind: str
    namespace: str | None

    def __str__(self) -> str:
        return self.kind if self.namespace is None else f"{self.kind} in namespace {self.namespace}"


class Failure(NamedTuple):
    """A failing list: why, how often in a row, and when it is retried."""

    problem: OperatorError
    failures: int
    due: float


class Lists:
    """The state of all lists: which of them fail, and which have never completed.

    What exists in the scope of a list that never completed is unknown.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.scopes = tuple(ListScope(kind, namespace) for kind in KINDS for namespace in cluster.scopes(kind))
        self.failures: dict[ListScope, Failure] = {}
        self.unlisted = set(self.scopes)

    def refusal(self, kind: str, namespace: str | None) -> OperatorError | None:
        """Return why objects of this kind in this namespace are unknown; None where they were listed."""
        for scope in (ListScope(kind, namespace), ListScope(kind, None)):
            if scope in self.unlisted and scope in self.failures:
                return self.failures[scope].problem
        return None

    def unknown(self, kind: str) -> ListScope | None:
        """Return a list of this kind that has never completed, if there is one."""
        return min((scope for scope in self.unlisted if scope.kind == kind), key=str, default=None)

    def awaits(self) -> str | None:
        """Return what the first pass still waits for: a list that is not refused, or a kind refused everywhere."""
        for scope in sorted(self.unlisted, key=str):
            if not self.is_refused(scope):
                return f"the first list of {scope} is not complete"
        for kind in KINDS:
            of_kind = {scope for scope in self.scopes if scope.kind == kind}
            if of_kind and of_kind <= self.unlisted:
                return f"Kubernetes refuses every list of {kind}; the log names the missing right"
        return None

    def is_refused(self, scope: ListScope) -> bool:
        """Return whether the last list failed in a way that does not end by itself, as a missing right."""
        failure = self.failures.get(scope)
        return failure is not None and not isinstance(failure.problem, RetryError)


class Inventory(Protocol):
    """The receiver of the listed objects. No method may raise."""

    @property
    def is_rewound(self) -> bool:
        """Return whether a read showed an older version of an object than the known one."""
        ...

    @property
    def newest_version(self) -> int:
        """The highest version of any object that was read."""
        ...

    def is_newer(self, key: ObjectKey, uid: str, version: str, since: float | None) -> bool:
        """Return whether this version of an object is newer than the known one; the list began at `since`."""
        ...

    def apply_event(self, resource: Resource, since: float | None) -> None:
        """Observe a version of an object."""
        ...

    def forget(self, key: ObjectKey, uid: str) -> None:
        """Remove an object that is gone."""
        ...

    def known(self, scope: ListScope) -> Mapping[ObjectKey, str]:
        """Return the known objects of a list, with their uids."""
        ...

    def listed(self, scope: ListScope) -> None:
        """Handle the first completion of a list."""
        ...


class Lister:
    """Lists what the watches do not report, and retries the lists that fail.

    `interval` is the time in seconds between two complete passes.
    """

    def __init__(self, ports: Ports, lists: Lists, inventory: Inventory, interval: float) -> None:
        self._ports = ports
        self._lists = lists
        self._inventory = inventory
        self._interval = interval
        self._requested: set[ListScope] = set()
        self._newest = 0
        self._wake = asyncio.Event()
        self._log_once = LogOnce(ports.clock.monotonic)

    def request(self, kind: str) -> None:
        """List this kind soon: one of its watches begins."""
        self._requested |= {scope for scope in self._lists.scopes if scope.kind == kind}
        self._wake.set()

    async def first(self) -> None:
        """List everything once; return when each list has completed or is refused."""
        pending, failures = self._lists.scopes, 0
        while True:
            for scope in pending:
                await self._list(scope)
            pending = tuple(
                scope for scope in pending if scope in self._lists.failures and not self._lists.is_refused(scope)
            )
            if not pending:
                return
            await self._ports.clock.sleep(RETRY.pause(failures, self._ports.random))
            failures += 1

    async def run(self) -> None:
        """List what is requested, what failed, and everything at an interval, until cancelled."""
        clock = self._ports.clock
        full = clock.monotonic() + self._jittered()
        while True:
            due = min((failure.due for failure in self._lists.failures.values()), default=full)
            await self._wait(min(due, full) - clock.monotonic())
            now = clock.monotonic()
            everything = now >= full
            if everything:
                full = now + self._jittered()
            for scope in self._lists.scopes:
                if everything or scope in self._requested or self._is_due(scope, now):
                    await self._list(scope)

    def _is_due(self, scope: ListScope, now: float) -> bool:
        failure = self._lists.failures.get(scope)
        return failure is not None and failure.due <= now

    def _jittered(self) -> float:
        return self._interval * self._ports.random.uniform(0.9, 1.1)

    async def _wait(self, seconds: float) -> None:
        self._wake.clear()
        if self._requested:
            return
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _list(self, scope: ListScope) -> None:
        """List consistently; what is known and not listed was deleted unseen.

        Raises:
            RewoundError: The list, or an object, is older than what was read before.
        """
        self._requested.discard(scope)
        inventory, before = self._inventory, self._inventory.known(scope)
        since, newest = self._ports.clock.monotonic(), max(self._newest, inventory.newest_version)
        seen: set[str] = set()

        def is_news(key: ObjectKey, uid: str, version: str) -> bool:
            seen.add(uid)
            return inventory.is_newer(key, uid, version, since)

        observe = partial(inventory.apply_event, since=since)
        try:
            version = await self._ports.cluster.list_resources(scope.kind, scope.namespace, is_news, observe)
        except OperatorError as problem:
            self._failed(scope, problem)
            return
        self._newest = number(version) or self._newest
        if self._newest < newest or inventory.is_rewound:
            raise RewoundError
        for key, uid in before.items():
            if uid not in seen:
                inventory.forget(key, uid)
        self._lists.failures.pop(scope, None)
        self._log_once.reset(scope)
        if scope in self._lists.unlisted:
            self._lists.unlisted.discard(scope)
            inventory.listed(scope)

    def _failed(self, scope: ListScope, problem: OperatorError) -> None:
        before = self._lists.failures.get(scope)
        failures = 0 if before is None else before.failures
        level = self._log_once.level(logging.WARNING, problem.message, scope)
        fields = {"kind": scope.kind, "namespace": scope.namespace, "reason": problem.reason}
        log.log(level, "can't list: %s", problem.message, extra=fields)
        due = self._ports.clock.monotonic() + RETRY.pause(failures, self._ports.random)
        self._lists.failures[scope] = Failure(problem, failures + 1, due)
