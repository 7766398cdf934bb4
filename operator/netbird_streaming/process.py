"""The composition root: settings -> clients -> reconciler -> watches, and the turns in which they run."""

import asyncio
import logging
import platform
import random
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final, TypeVar

from netbird_streaming import heap
from netbird_streaming.cluster.access import Right, secret_rights, watch_rights
from netbird_streaming.cluster.configuration import load_configuration
from netbird_streaming.cluster.connection import Api
from netbird_streaming.cluster.election import Timing
from netbird_streaming.cluster.events import EventPublisher
from netbird_streaming.cluster.keystore import fingerprint_key
from netbird_streaming.cluster.lease import Elector, LeaseName
from netbird_streaming.cluster.namespace import own_namespace
from netbird_streaming.cluster.preflight import Preflight
from netbird_streaming.cluster.resources import Resources
from netbird_streaming.cluster.secrets import SecretWatch
from netbird_streaming.core.fingerprint import FingerprintKey
from netbird_streaming.errors import LeaseLostError, OperatorError
from netbird_streaming.handlers import Scope, Watch
from netbird_streaming.health import probe_page
from netbird_streaming.log_context import Repeats
from netbird_streaming.metrics import Build, Metrics, Sight
from netbird_streaming.netbird.client import Surroundings
from netbird_streaming.netbird.factory import ClientFactory
from netbird_streaming.netbird.http_clients import EnvironmentHttpClients
from netbird_streaming.pages import Page, PageServer
from netbird_streaming.reconciler.controller import Controller
from netbird_streaming.reconciler.ports import ControllerSettings, Ports
from netbird_streaming.settings import Settings
from netbird_streaming.turns import PAUSES, Turns

PROGRAM: Final = "netbird-streaming-operator"
HEAP_SECONDS: Final = 30.0
"""Between two looks at what is free in the heap: shorter than a sweep's interval, each of which leaves some behind."""
T = TypeVar("T")

logger = logging.getLogger(__name__)


def program_version() -> str:
    """The installed version; `unknown` where it runs from a checkout that nothing installed."""
    try:
        return version(PROGRAM)
    except PackageNotFoundError:
        return "unknown"


class SystemClock:
    """The clocks of this machine."""

    def monotonic(self) -> float:
        """Seconds since some moment, never backwards."""
        return time.monotonic()

    def now(self) -> datetime:
        """The wall clock's time in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Leading:
    """What runs only while this process may act; `guard` raises `LeaseLostError` from when on it may not."""

    controller: Controller
    watch: Watch
    secrets: SecretWatch | None
    guard: Callable[[], None]

    def failing(self) -> set[tuple[str, str | None]]:
        """The kinds, each with its namespace, whose list or watch fails now; None is the whole cluster."""
        lists = {(scope.kind, scope.namespace) for scope in self.controller.lists.failures}
        secrets = self.secrets.failing() if self.secrets is not None else ()
        return lists | self.watch.failing() | {("Secret", namespace) for namespace in secrets}


class Operator:
    """The process: connects, waits for its turn, and leads until cancelled."""

    def __init__(self, settings: Settings, environment: Mapping[str, str], reclaim_signals: Callable[[], None]) -> None:
        """Take what the process was told, and how to get its signal handlers back from kopf."""
        self._settings = settings
        self._scope = Scope(settings.namespaces, settings.cluster_connections)
        self._environment = environment
        self._reclaim_signals = reclaim_signals
        self._clock = SystemClock()
        self._started = False
        self._turns = Turns(self._clock.monotonic)
        self._leading: Leading | None = None
        self._preflight: Preflight | None = None
        build = Build(program_version(), platform.python_version())
        self._metrics = Metrics(build, self._sight, per_connection=settings.metrics_per_connection)

    async def run(self) -> None:
        """Run until cancelled.

        Raises:
            OSError: An endpoint's address can't be listened on.
            WaitError: There is no usable Kubernetes configuration.
        """
        heap.tune()
        async with AsyncExitStack() as open_until_the_end:
            for server in await self._serve():
                open_until_the_end.push_async_callback(server.close)
            settings = self._settings
            api = Api(await load_configuration(self._environment, self._clock.monotonic))
            open_until_the_end.push_async_callback(api.close)
            namespace = settings.operator_namespace or own_namespace(self._environment)
            key = FingerprintKey(
                await self._until(
                    lambda: fingerprint_key(api, namespace, settings.fingerprint_key_secret, secrets.token_bytes)
                )
            )
            self._preflight = preflight = Preflight(api, self._rights(namespace), self._clock.monotonic)
            await self._until(preflight.check)
            checking = asyncio.create_task(preflight.run(self._clock.sleep, self._failing), name="preflight")
            open_until_the_end.callback(checking.cancel)
            await self._take_turns(api, namespace, key)

    async def _serve(self) -> list[PageServer]:
        settings = self._settings
        probes = {"/healthz": probe_page(self._sick), "/readyz": probe_page(self._unready)}
        servers = [await _started("health", probes, settings.health_host, settings.health_port)]
        if settings.metrics:
            pages = {"/metrics": self._metrics.page}
            servers.append(await _started("metrics", pages, settings.metrics_host, settings.metrics_port))
        return servers

    async def _until(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it works: an API server that is not there yet is no reason to end."""
        delays, repeats = iter(PAUSES), Repeats()
        while True:
            try:
                return await attempt()
            except OperatorError as error:
                delay = next(delays, PAUSES[-1])
                level = repeats.level(logging.WARNING, error.message)
                logger.log(level, "%s", error.message, extra={"reason": error.reason, "again_in": f"{delay:g}s"})
                await self._clock.sleep(delay)

    def _rights(self, namespace: str) -> tuple[Right, ...]:
        settings = self._settings
        rights = watch_rights(settings.namespaces or None, cluster_kinds=settings.cluster_connections)
        return (*rights, *secret_rights(self._secret_namespaces(namespace))) if settings.secret_watch else rights

    def _failing(self) -> set[tuple[str, str | None]]:
        return self._leading.failing() if self._leading is not None else set()

    async def _take_turns(self, api: Api, namespace: str, key: FingerprintKey) -> None:
        """Lead whenever it is our turn. A defect ends one turn, not the process, which would forget more."""
        settings = self._settings
        host = socket.gethostname()
        while True:
            name = LeaseName(namespace, settings.lease_name, f"{host}_{secrets.token_hex(4)}")
            timing = Timing(settings.lease_duration, settings.lease_renew_deadline, settings.lease_retry_period)
            elector = Elector(api, name, self._clock.now, timing=timing)
            guard = elector.guard if settings.lease else _always

            async def lead(guard: Callable[[], None] = guard) -> None:
                self._turns.begin()
                await self._lead(api, namespace, key, guard)

            self._started = True
            try:
                await (elector.run(lead) if settings.lease else lead())
            except Exception:
                logger.exception("leading has failed and begins anew; this is a defect of the operator")
            await self._clock.sleep(self._turns.fail())

    async def _lead(self, api: Api, namespace: str, key: FingerprintKey, guard: Callable[[], None]) -> None:
        """Act until cancelled, with a memory of our own: what a former turn knew may be old."""
        settings = self._settings
        chance = random.Random()  # noqa: S311 # jitter only
        surroundings = Surroundings(self._clock, chance, guard, self._metrics.meter.requested)
        async with (
            ClientFactory(
                surroundings,
                timeout=settings.request_timeout,
                initial_share=settings.initial_budget_share,
                http=EnvironmentHttpClients(self._environment),
            ) as netbird,
            EventPublisher(api, socket.gethostname(), self._clock.now, guard) as publisher,
        ):
            controller = Controller(
                Ports(
                    cluster=self._resources(api, publisher, guard),
                    netbird=netbird,
                    clock=self._clock,
                    random=chance,
                    key=key,
                    meter=self._metrics.meter,
                ),
                self._controller_settings(namespace),
            )
            watch = Watch(self._scope, controller, api.credentials, self._clock, self._reclaim_signals)
            secret_watch = self._secret_watch(api, namespace, controller)
            self._leading = Leading(controller, watch, secret_watch, guard)
            try:
                async with asyncio.TaskGroup() as group:
                    if secret_watch is not None:
                        group.create_task(secret_watch.run(), name="secret watch")
                        await secret_watch.ready()  # what it lists first it does not tell
                    group.create_task(watch.run(), name="watch")
                    await watch.begun()  # what is there by then the controller lists
                    group.create_task(controller.run(), name="controller")
                    group.create_task(self._give_back(controller), name="heap")
            finally:
                self._leading = None

    def _controller_settings(self, namespace: str) -> ControllerSettings:
        settings = self._settings
        return ControllerSettings(
            operator_namespace=namespace,
            request_timeout=settings.request_timeout,
            late_commit_window=settings.late_commit_window,
            workers=settings.workers,
            relist_interval=settings.relist_interval,
            grace=settings.shutdown_grace,
            allow_http=settings.allow_http,
            connections_per_namespace=settings.connections_per_namespace,
        )

    async def _give_back(self, controller: Controller) -> None:
        while True:
            await self._clock.sleep(HEAP_SECONDS)
            controller.let_go()
            heap.give_back()

    def _resources(self, api: Api, publisher: EventPublisher, guard: Callable[[], None]) -> Resources:
        settings = self._settings
        scope = settings.namespaces or None
        return Resources(api, publisher, namespaces=scope, cluster_kinds=settings.cluster_connections, guard=guard)

    def _secret_watch(self, api: Api, namespace: str, controller: Controller) -> SecretWatch | None:
        if not self._settings.secret_watch:
            return None
        scope = self._secret_namespaces(namespace)
        return SecretWatch(api, controller.secret_changed, self._clock.monotonic, namespaces=scope)

    def _secret_namespaces(self, namespace: str) -> Sequence[str] | None:
        """Where referenced Secrets can be: those of cluster connections are in the operator's own namespace."""
        watched = self._settings.secret_namespaces or self._settings.namespaces
        if not watched:
            return None
        return tuple(dict.fromkeys((*watched, namespace))) if self._settings.cluster_connections else watched

    def _unready(self) -> str | None:
        """Say why /readyz fails: followers are ready too, else a rolling update would wait for ever."""
        if not self._started:
            return "not connected to the Kubernetes API server yet"
        trouble = self._turns.trouble() or (self._preflight.trouble() if self._preflight is not None else None)
        return trouble or (self._leading.controller.lists.awaits() if self._leading is not None else None)

    def _sight(self) -> Sight | None:
        """What there is to see while this process may act."""
        leading = self._leading
        if leading is None:
            return None
        try:
            leading.guard()
        except LeaseLostError:
            return None
        restarts = {"resources": leading.watch.restarts}
        if leading.secrets is not None:
            restarts["secrets"] = leading.secrets.restarts
        return Sight(
            leading.controller.snapshot(),
            restarts,
            synced=leading.controller.lists.awaits() is None,
            failing=leading.failing(),
        )

    def _sick(self) -> str | None:
        """Say why a restart would help; nothing else may fail /healthz, since it loses what is only in memory."""
        leading, settings = self._leading, self._settings
        if leading is None:
            return None
        if leading.controller.stuck_for() > settings.stuck_after:
            return "the queue is stuck"
        if leading.watch.silence() > settings.watch_silent_after:
            return "a watch is dead"
        # An API server that is down makes both old; a restart would not bring it back.
        if leading.secrets is not None and (
            leading.secrets.age() - leading.watch.unanswered() > settings.watch_silent_after
        ):
            return "the watch of Secrets is dead"
        return None


async def _started(name: str, pages: Mapping[str, Page], host: str, port: int) -> PageServer:
    server = PageServer(pages)
    logger.info("%s endpoint", name, extra={"port": await server.start(host, port)})
    return server


def _always() -> None:
    """Guard nothing: without a Lease this process may always act."""
