"""Watches of the operator's three kinds by kopf, which pass events to the reconciler.

kopf patches nothing, stores nothing and decides nothing here: it has `@kopf.on.event` handlers, and no finalizer or
annotation of its own. It reports changes only. The reconciler lists the objects once. kopf ends by itself on several
responses of a healthy API server: an ERROR event, an expired page of a LIST, or a 404 while the CRDs are replaced. So
`KopfWatcher` restarts it.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Final, Protocol

import kopf

from netbird_streaming.api.types import GROUP, VERSION, ObjectKey, Resource
from netbird_streaming.backoff import Backoff
from netbird_streaming.clock import Clock
from netbird_streaming.cluster.parsing import KINDS, Kind, object_version, parse
from netbird_streaming.errors import OperatorError
from netbird_streaming.log_context import LogOnce
from netbird_streaming.watch import kopf_tasks
from netbird_streaming.watch.kopf_session import Login, RequestEvent, open_session
from netbird_streaming.watch.kopf_settings import OWN_IDENTITY, RENEW_SECONDS, NoMemories, kopf_settings

logger = logging.getLogger(__name__)

SILENT_SECONDS: Final = RENEW_SECONDS + 45.0
"""Longer than the silence of any watch that works."""
BEGIN_SECONDS: Final = 5.0
"""The time until each watch must have sent its first request. Otherwise a CRD was absent when kopf started."""
CHECK_SECONDS: Final = 1.0
LOGIN_SECONDS: Final = 2.0
RESTART: Final = Backoff(0.2, 30.0)
STABLE_SECONDS: Final = 60.0


class EventHandler(Protocol):
    """Receiver of the events of the watches. No method may raise."""

    def is_newer(self, key: ObjectKey, uid: str, version: str) -> bool:
        """Return whether this version of an object is new. A known version is not parsed."""
        ...

    def apply_event(self, resource: Resource) -> None:
        """Process the current version of a resource."""
        ...

    def forget(self, key: ObjectKey, uid: str) -> None:
        """Process the deletion of a resource."""
        ...

    def relist(self, kind: str) -> None:
        """List this kind. A watch of it begins now and does not report earlier changes."""
        ...


@dataclass(frozen=True, slots=True)
class WatchScope:
    """Watched namespaces (none means all), and whether the kind without a namespace is watched."""

    namespaces: tuple[str, ...] = ()
    cluster_connections: bool = True

    def kinds(self) -> Mapping[str, Kind]:
        """Return the watched kinds."""
        return {name: kind for name, kind in KINDS.items() if kind.namespaced or self.cluster_connections}

    def paths(self) -> Mapping[str, str]:
        """Return the URL path of each watch, with its kind."""
        base = f"/apis/{GROUP}/{VERSION}"
        places = tuple(f"/namespaces/{namespace}" for namespace in self.namespaces) or ("",)
        return {
            f"{base}{place}/{kind.plural}": name
            for name, kind in self.kinds().items()
            for place in (places if kind.namespaced else ("",))
        }


class KopfWatcher:
    """Watcher that runs kopf's watches of the operator's kinds, and restarts them whenever they end.

    `run` must be called in the loop of the handler. Whenever kopf starts, it installs its own handlers of SIGTERM and
    SIGINT. `reclaim_signals` is called immediately after that, before other code can run.

    Args:
        scope: The watched kinds and namespaces.
        handler: The receiver of events.
        login: Returns credentials. It may raise `OperatorError`, and is called again then.
        clock: The clock.
        reclaim_signals: Installs the process's own signal handlers again.
    """

    def __init__(
        self,
        scope: WatchScope,
        handler: EventHandler,
        login: Login,
        clock: Clock,
        reclaim_signals: Callable[[], None],
    ) -> None:
        self._scope = scope
        self._paths = scope.paths()
        self._handler = handler
        self._login = login
        self._clock = clock
        self._reclaim_signals = reclaim_signals
        self._activity: dict[str, float] = {}
        self._listed: set[str] = set()
        self._failing: set[str] = set()
        self._synced = asyncio.Event()
        self._started = clock.monotonic()
        self._discovered = self._answered = self._started
        self._logged_in: float | None = None
        self._sessions: list[kopf.AiohttpSession] = []
        self._log_once = LogOnce()
        self._log_failures = LogOnce(clock.monotonic)
        self._context = copy_context()
        self.restarts = 0

    def seconds_since_activity(self) -> float:
        """Return the seconds since the last request, response or failure of the most silent watch.

        An API server that is down does not make a watch silent. kopf keeps sending requests, at least those that
        discover the kinds.
        """
        now = self._clock.monotonic()
        return max(now - max(self._activity.get(path, self._started), self._discovered) for path in self._paths)

    def seconds_since_response(self) -> float:
        """Return the seconds since the last successful response to any watch. The API server may be down since then."""
        return self._clock.monotonic() - self._answered

    def failing(self) -> frozenset[tuple[str, str | None]]:
        """Return the kinds and namespaces whose last request failed or was refused. None is the whole cluster."""
        return frozenset((self._paths[path], _namespace(path)) for path in self._failing if path in self._paths)

    async def wait_synced(self) -> None:
        """Wait until all watches have begun, for at most `BEGIN_SECONDS`. A watch that can't begin blocks nothing."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BEGIN_SECONDS):
                await self._synced.wait()

    async def run(self) -> None:
        """Watch until cancelled. Nothing else ends it."""
        self._started = self._clock.monotonic()
        asyncio.get_running_loop().set_task_factory(kopf_tasks.tracking_task_factory)
        failures, log_once = 0, LogOnce()
        while True:
            began = self._clock.monotonic()
            why = await self._run_kopf()
            self.restarts += 1
            if self._clock.monotonic() - began > STABLE_SECONDS:
                failures, log_once = 0, LogOnce()
            delay = RESTART.pause(failures)
            failures += 1
            level = log_once.level(logging.WARNING, why)
            logger.log(level, "the watches ended (%s) and are started again in %.1f s", why, delay)
            await self._clock.sleep(delay)

    async def _run_kopf(self) -> str:
        """Run kopf until it ends or a watch does not begin. Return the cause, without kopf's own text."""
        made: kopf_tasks.Tasks = set()
        began = self._clock.monotonic()
        try:
            roots = await asyncio.shield(asyncio.create_task(self._spawn(made), name="kopf start"))
            while True:
                done, _ = await asyncio.wait(roots, timeout=CHECK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if done:
                    return ", ".join(sorted(_outcome(task) for task in done))
                mute = sorted(path for path in self._paths if self._activity.get(path, -1.0) < began)
                if mute and self._clock.monotonic() - began > BEGIN_SECONDS:
                    return f"no watch of {', '.join(mute)}: apply the CRDs if they are missing"
                if self.seconds_since_activity() > SILENT_SECONDS:
                    return "a watch is silent"
        finally:
            await kopf_tasks.stop(made)
            for session in self._sessions:
                await session.aiohttp_session.close()
            self._sessions.clear()

    async def _spawn(self, made: kopf_tasks.Tasks) -> Collection[asyncio.Task[Any]]:
        """Start kopf and add its tasks to `made`. Return those that never end while kopf works.

        `kopf.operator()` would end all younger tasks of the loop, reconciles included.
        """
        kopf_tasks.tracked_tasks.set(made)
        roots = await kopf.spawn_tasks(
            registry=self._registry(),
            settings=kopf_settings(),
            memories=NoMemories(),
            # Else kopf looks up the user's name. A uid that a platform assigns to a container may have none.
            identity=OWN_IDENTITY,
            standalone=True,
            clusterwide=not self._scope.namespaces,
            namespaces=self._scope.namespaces,
        )
        self._reclaim_signals()
        return roots

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        for kind in self._scope.kinds():
            kopf.on.event(group=GROUP, version=VERSION, kind=kind, id=kind, registry=registry)(self._on_event)
        kopf.on.login(id="login", registry=registry)(self._session)
        return registry

    # Total: kopf ignores an exception, and its log is off.
    async def _on_event(self, event: Mapping[str, Any], **_: object) -> None:
        try:
            self._pass_on(event)
        except Exception:  # an object of a later version must not end the watch
            logger.exception("an event of a watch can't be handled; this is a bug in the operator")

    def _pass_on(self, event: Mapping[str, Any]) -> None:
        """Pass an event to the handler."""
        raw = event["object"]
        key, uid, version = object_version(raw)
        if event["type"] == "DELETED":
            self._log_once.reset(uid)
            self._context.run(self._handler.forget, key, uid)
            return
        if not self._handler.is_newer(key, uid, version):
            return
        try:
            resource = parse(raw)
        except OperatorError as error:
            level = self._log_once.level(logging.WARNING, error.message, uid)
            logger.log(level, "%s", error.message, extra=_fields(key))
            return
        self._log_once.reset(uid)
        self._context.run(self._handler.apply_event, resource)

    async def _session(self, **_: object) -> kopf.AiohttpSession:
        """Log in for kopf, at its start and after a token that is rejected twice. Never raises: kopf would hang."""
        while True:
            now = self._clock.monotonic()
            if self._logged_in is not None and now - self._logged_in < LOGIN_SECONDS:
                await self._clock.sleep(LOGIN_SECONDS - (now - self._logged_in))
            self._logged_in = self._clock.monotonic()
            try:
                session = await open_session(self._login, self._on_request)
            except (OperatorError, OSError) as error:
                logger.warning("can't log in to the API server (%s), trying again", type(error).__name__)
                continue
            self._sessions.append(session)
            return session

    def _on_request(self, path: str, event: RequestEvent, cause: str) -> None:
        now = self._clock.monotonic()
        if event is RequestEvent.FAILED:
            self._log_failure(path, cause)
        if event in (RequestEvent.ANSWERED, RequestEvent.LISTED):
            self._answered = now
        kind = self._paths.get(path)
        if kind is None:
            self._discovered = now
            return
        self._activity[path] = now
        if event is RequestEvent.FAILED:
            # A watch that fails repeatedly counts once: `failing` reports it.
            self.restarts += path not in self._failing
            self._failing.add(path)
        elif event is not RequestEvent.SENT:
            self._failing.discard(path)
        if event is RequestEvent.LISTED:
            self._listed.add(path)
            self._context.run(self._handler.relist, kind)
        # A failing watch does not delay the others: it reports `relist` when it begins.
        if (self._listed | self._failing).issuperset(self._paths):
            self._synced.set()

    def _log_failure(self, path: str, cause: str) -> None:
        fields = {"kind": self._paths.get(path), "namespace": _namespace(path), "watch": path}
        level = self._log_failures.level(logging.WARNING, cause, (path, cause))
        logger.log(level, "a request of a watch failed and is retried: %s", cause, extra=fields)


def _namespace(path: str) -> str | None:
    _, found, rest = path.partition("/namespaces/")
    return rest.partition("/")[0] if found else None


def _outcome(task: asyncio.Task[Any]) -> str:
    error = None if task.cancelled() else task.exception()
    return f"{task.get_name()}: {'ended' if error is None else type(error).__name__}"


def _fields(key: ObjectKey) -> dict[str, str]:
    """Return the fields of a log line about a resource."""
    return {"kind": key.kind, "namespace": key.namespace or "", "resource": key.name}
