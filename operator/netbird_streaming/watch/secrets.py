"""Watch of Secrets that never holds a Secret, only its name, namespace and version.

An annotation may hold the whole Secret (`kubectl.kubernetes.io/last-applied-configuration`). So annotations never
become Python objects: the parser skips all fields that the models below do not name.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, TypeVar

from pydantic import Field, ValidationError

from netbird_streaming.api.model import Model
from netbird_streaming.backoff import Backoff
from netbird_streaming.cluster.client import KubernetesClient, Request
from netbird_streaming.cluster.errors import DeniedError, to_operator_error
from netbird_streaming.errors import OperatorError, RetryError
from netbird_streaming.reasons import Reason

_PAGE: Final = "500"
# No `,application/json` behind them: a server that can't leave the payload out must refuse (406), not send it.
_LIST_FORM: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_WHOLE: Final = 0.9
"""The part of `WatchTiming.server` after which the end of a watch counts as regular."""
_EVENT_FORM: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

M = TypeVar("M", bound=Model)
logger = logging.getLogger(__name__)


class _Metadata(Model):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""


class _Object(Model):
    metadata: _Metadata = _Metadata()


class _ListMetadata(Model):
    resource_version: str
    continuation: str = Field(default="", alias="continue")


class _Page(Model):
    metadata: _ListMetadata
    items: tuple[_Object, ...] | None = None
    """Null if there are none."""


class _Event(Model):
    type: str
    object: _Object = _Object()


@dataclass(frozen=True, slots=True)
class WatchTiming:
    """Durations of the watch, in seconds.

    The API server ends a watch after `server` seconds. `idle` must be longer: a watch with more silence is dead.
    Bookmarks don't show that, since an idle API server (1.37) sent the first after two minutes.
    """

    server: int = 80
    idle: float = 90.0
    retry: Backoff = Backoff(0.1, 2.0)
    denied_retry: float = 30.0


class WatchState(Enum):
    """State of the watch of one scope."""

    STARTING = auto()
    WATCHING = auto()
    """Every change since the first list is reported. Changes during a broken connection are reported later."""
    DENIED = auto()
    """RBAC denies the watch. It is retried every half minute."""


class Versions:
    """Last known version of each Secret, updated by lists and events."""

    def __init__(self) -> None:
        self._versions: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._versions)

    def replace(self, listed: Iterable[tuple[str, str, str]]) -> list[tuple[str, str]]:
        """Replace all versions by a list of (namespace, name, version).

        Return (namespace, name) of each Secret that is new, changed or gone.
        """
        before, self._versions = self._versions, {f"{space}/{name}": version for space, name, version in listed}
        changed = [key for key, version in self._versions.items() if before.get(key) != version]
        changed += [key for key in before if key not in self._versions]
        return [_names(key) for key in changed]

    def update(self, namespace: str, name: str, version: str | None) -> bool:
        """Apply an event, where version None is a deletion. Return whether it changed the known version."""
        key = f"{namespace}/{name}"
        before = self._versions.get(key)
        if version is None:
            self._versions.pop(key, None)
        else:
            self._versions[key] = version
        return before != version


def _names(key: str) -> tuple[str, str]:
    namespace, _, name = key.partition("/")
    return namespace, name


class SecretWatch:
    """Watch that reports each created, changed or deleted Secret, in all namespaces or in some of them.

    The Secrets of the first list are not reported: wait for `ready` before reading any Secret. Changes during a broken
    connection are reported after the next list.

    Args:
        client: The client of the API server.
        changed: Called with the namespace and the name of a changed Secret.
        clock: A monotonic clock, in seconds.
        namespaces: The watched namespaces. None means all.
        timing: The durations of the watch.
    """

    def __init__(
        self,
        client: KubernetesClient,
        changed: Callable[[str, str], None],
        clock: Callable[[], float],
        *,
        namespaces: Sequence[str] | None = None,
        timing: WatchTiming | None = None,
    ) -> None:
        scopes: tuple[str | None, ...] = (None,) if namespaces is None else tuple(namespaces)
        timing = timing or WatchTiming()
        self._clock = clock
        self._watches = {scope: _NamespaceWatch(client, scope, changed, clock, timing) for scope in scopes}

    async def run(self) -> None:
        """Watch until cancelled. No failure ends it."""
        async with asyncio.TaskGroup() as group:
            for scope in self._watches.values():
                group.create_task(scope.run())

    async def ready(self) -> None:
        """Wait until each scope was listed, was denied, or failed once."""
        for scope in self._watches.values():
            await scope.first_list_done.wait()

    def watching(self, namespace: str) -> bool:
        """Return whether changes of this namespace's Secrets are reported. If not, read each Secret by name."""
        scope = self._watches.get(namespace) or self._watches.get(None)
        return scope is not None and scope.state is WatchState.WATCHING

    @property
    def restarts(self) -> int:
        """Return how often a watch failed or was refused. Failures in a row count once."""
        return sum(scope.restarts for scope in self._watches.values())

    def failing(self) -> frozenset[str | None]:
        """Return the namespaces whose Secrets can't be watched now. None is the whole cluster."""
        return frozenset(namespace for namespace, scope in self._watches.items() if scope.is_failing)

    def age(self) -> float:
        """Return the seconds since the last activity of the most silent watch, or 0 if all are denied."""
        now = self._clock()
        granted = (scope for scope in self._watches.values() if scope.state is not WatchState.DENIED)
        return max((now - scope.alive for scope in granted), default=0.0)


class _NamespaceWatch:
    """List and watch of one namespace, or of all (None)."""

    def __init__(
        self,
        client: KubernetesClient,
        namespace: str | None,
        changed: Callable[[str, str], None],
        clock: Callable[[], float],
        timing: WatchTiming,
    ) -> None:
        self.state = WatchState.STARTING
        self.first_list_done = asyncio.Event()
        self.alive = clock()
        self.restarts = 0
        self._broken = False
        self._client = client
        self._changed = changed
        self._clock = clock
        self._timing = timing
        self._versions = Versions()
        self._version: str | None = None
        """The version from which to continue the watch. None if a list is due."""
        self._failures = 0
        place = f"/namespaces/{namespace}" if namespace else ""
        self._path = f"/api/v1{place}/secrets"
        self._subject = f"the metadata of Secrets in {f'namespace {namespace}' if namespace else 'all namespaces'}"

    @property
    def is_failing(self) -> bool:
        """Return whether the watch is denied, or its last request failed."""
        return self._broken or self.state is WatchState.DENIED

    async def run(self) -> None:
        while True:
            try:
                if self._version is None:
                    self._version = await self._list()
                await self._watch(self._version)
            except DeniedError as error:
                await self._denied(error)
            except Exception as error:  # noqa: BLE001 - endless: even a bug of the operator must not end the watch
                self._version = None
                await self._failed(error)

    async def _denied(self, error: DeniedError) -> None:
        if self.state is not WatchState.DENIED:
            self.restarts += not self._broken
            logger.warning("%s The Secrets in use are read by name instead.", error.message)
        self.state, self._version, self._failures = WatchState.DENIED, None, 0
        self.first_list_done.set()
        await asyncio.sleep(self._timing.denied_retry)

    async def _failed(self, error: Exception) -> None:
        self.restarts += not self._broken
        self._broken = True
        cause = error.message if isinstance(error, OperatorError) else type(error).__name__
        level = logging.DEBUG if self._failures else logging.INFO
        logger.log(level, "%s: watching again after a failure (%s)", self._subject, cause)
        self.first_list_done.set()
        asked = getattr(error, "retry_after", None) or 0.0
        await asyncio.sleep(max(asked, self._delay()))

    def _delay(self) -> float:
        self._failures += 1
        return self._timing.retry.pause(self._failures - 1)

    async def _list(self) -> str:
        """List all pages, report the changes, and return the version from which to watch."""
        listed: list[tuple[str, str, str]] = []
        continuation = ""
        while True:
            query = {"limit": _PAGE, **({"continue": continuation} if continuation else {})}
            request = Request(self._subject, self._path, query=query, accept=_LIST_FORM)
            page = self._parsed(_Page, await self._client.call_raw(request))
            listed += ((m.namespace, m.name, m.resource_version) for m in (item.metadata for item in page.items or ()))
            continuation = page.metadata.continuation
            if not continuation:
                break
        news = self._versions.replace(listed)
        self._alive()
        is_later, self.state = self.first_list_done.is_set(), WatchState.WATCHING
        self.first_list_done.set()
        for namespace, name in news if is_later else ():
            self._changed(namespace, name)
        return page.metadata.resource_version

    async def _watch(self, version: str) -> None:
        """Watch until the API server ends the watch regularly."""
        query = {
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(self._timing.server),
        }
        request = Request(self._subject, self._path, query=query, accept=_EVENT_FORM)
        silent, begun = True, self._clock()
        async with self._client.stream(request, idle=self._timing.idle) as lines:
            self._alive()
            async for line in lines:
                self._take(self._parsed(_Event, line))
                self._alive()
                self._failures, silent = 0, False
        if self._clock() - begun < self._timing.server * _WHOLE:
            # An API server that stops ends its watches early. Its data may differ after the restart: etcd was restored.
            self._version = None
        if silent:
            await asyncio.sleep(self._delay())

    def _take(self, event: _Event) -> None:
        metadata = event.object.metadata
        if event.type == "ERROR":
            raise RetryError(Reason.UNAVAILABLE, f"{self._subject}: the watch ended; they are listed again.")
        self._version = metadata.resource_version
        if event.type == "BOOKMARK":
            return
        version = None if event.type == "DELETED" else metadata.resource_version
        if self._versions.update(metadata.namespace, metadata.name, version):
            self._changed(metadata.namespace, metadata.name)

    def _parsed(self, model: type[M], data: bytes) -> M:
        try:
            return model.model_validate_json(data)
        except ValidationError as error:
            raise to_operator_error(error, self._subject, write=False) from None

    def _alive(self) -> None:
        self.alive = self._clock()
        self._broken = False
