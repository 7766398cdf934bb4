"""Composition root: settings -> clients -> reconciler -> watches, and the terms in which they run."""

import asyncio
import logging
import platform
import random
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, TypeVar

from netbird_streaming import background
from netbird_streaming.clock import SystemClock
from netbird_streaming.cluster.client import KubernetesClient
from netbird_streaming.cluster.configuration import load_configuration
from netbird_streaming.cluster.events import EventPublisher
from netbird_streaming.cluster.fingerprint_key import fingerprint_key
from netbird_streaming.cluster.leader_election.elector import LeaderElector, LeaseLock
from netbird_streaming.cluster.leader_election.record import LeaseTiming
from netbird_streaming.cluster.namespace import own_namespace
from netbird_streaming.cluster.preflight import Preflight
from netbird_streaming.cluster.rbac import Permission, secret_permissions, watch_permissions
from netbird_streaming.cluster.resources import Resources
from netbird_streaming.config.settings import Settings
from netbird_streaming.controller_settings import controller_settings
from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from netbird_streaming.core.status.documentation import Documentation
from netbird_streaming.errors import LeaseLostError, OperatorError
from netbird_streaming.leadership import RETRY, LeadershipTerms
from netbird_streaming.log_context import LogOnce
from netbird_streaming.netbird.client import ClientContext
from netbird_streaming.netbird.factory import ClientFactory
from netbird_streaming.netbird.http_clients import EnvironmentHttpClients
from netbird_streaming.reconciler.controller import Controller
from netbird_streaming.reconciler.ports import Ports
from netbird_streaming.reconciler.versions import RewoundError
from netbird_streaming.telemetry import memory
from netbird_streaming.telemetry.health import probe_handler
from netbird_streaming.telemetry.http_server import Handler, HttpServer
from netbird_streaming.telemetry.metrics import Build, LeaderMetrics, Metrics
from netbird_streaming.version import program_version
from netbird_streaming.watch.kopf_watcher import KopfWatcher, WatchScope
from netbird_streaming.watch.secrets import SecretWatch

TRIM_SECONDS: Final = 30.0
"""Seconds between two returns of free memory. Shorter than the interval of a resync, since each resync frees memory."""
T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LeaderComponents:
    """Components that run only while this process leads. `guard` raises `LeaseLostError` once it no longer may."""

    controller: Controller
    watch: KopfWatcher
    secrets: SecretWatch | None
    guard: Callable[[], None]

    def failing(self) -> set[tuple[str, str | None]]:
        """Return the kinds whose list or watch fails now, each with its namespace. None is the whole cluster."""
        lists = {(scope.kind, scope.namespace) for scope in self.controller.lists.failures}
        secrets = self.secrets.failing() if self.secrets is not None else ()
        return lists | self.watch.failing() | {("Secret", namespace) for namespace in secrets}


class Operator:
    """Process of the operator: it connects, waits for the Lease, and leads until it is cancelled.

    Args:
        settings: The parsed flags and environment variables.
        environment: The environment of the process.
        reclaim_signals: Restores the signal handlers that kopf replaced.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str], reclaim_signals: Callable[[], None]) -> None:
        self._settings = settings
        self._scope = WatchScope(settings.namespaces, settings.cluster_connections)
        self._environment = environment
        self._reclaim_signals = reclaim_signals
        self._clock = SystemClock()
        self._started = False
        self._waits_for: str | None = None
        self._elector: LeaderElector | None = None
        self._terms = LeadershipTerms(self._clock.monotonic)
        self._leader: LeaderComponents | None = None
        self._preflight: Preflight | None = None
        build = Build(program_version(), platform.python_version())
        self._metrics = Metrics(build, self._leader_metrics, per_connection=settings.metrics_per_connection)

    async def run(self) -> None:
        """Run until cancelled.

        Raises:
            OSError: An endpoint's address can't be listened on.
            WaitError: There is no usable Kubernetes configuration.
        """
        memory.tune()
        async with AsyncExitStack() as open_until_the_end:
            for server in await self._serve():
                open_until_the_end.push_async_callback(server.close)
            settings = self._settings
            client = KubernetesClient(await load_configuration(self._environment, self._clock.monotonic))
            open_until_the_end.push_async_callback(client.close)
            namespace = settings.operator_namespace or own_namespace(self._environment)
            key = FingerprintKey(
                await self._until(
                    lambda: fingerprint_key(client, namespace, settings.fingerprint_key_secret, secrets.token_bytes)
                )
            )
            self._preflight = preflight = Preflight(client, self._rights(namespace), self._clock.monotonic)
            await self._until(preflight.check)
            checking = background.start(preflight.run(self._clock.sleep, self._failing), "preflight")
            open_until_the_end.callback(checking.cancel)
            await self._run_for_leadership(client, namespace, key)

    async def _serve(self) -> list[HttpServer]:
        settings = self._settings
        probes = {"/healthz": probe_handler(self._liveness_problem), "/readyz": probe_handler(self._readiness_problem)}
        servers = [await _started("health", probes, settings.health_host, settings.health_port)]
        if settings.metrics:
            pages = {"/metrics": self._metrics.handle}
            servers.append(await _started("metrics", pages, settings.metrics_host, settings.metrics_port))
        return servers

    async def _until(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Repeat the attempt until it succeeds. An API server that is not available yet does not end the process."""
        failures, log_once = 0, LogOnce()
        while True:
            try:
                result = await attempt()
            except OperatorError as error:
                self._waits_for = error.message
                delay = RETRY.pause(failures)
                failures += 1
                level = log_once.level(logging.WARNING, error.message)
                logger.log(level, "%s", error.message, extra={"reason": error.reason, "again_in": f"{delay:g}s"})
                await self._clock.sleep(delay)
            else:
                self._waits_for = None
                return result

    def _rights(self, namespace: str) -> tuple[Permission, ...]:
        settings = self._settings
        rights = watch_permissions(settings.namespaces or None, cluster_kinds=settings.cluster_connections)
        return (*rights, *secret_permissions(self._secret_namespaces(namespace))) if settings.secret_watch else rights

    def _failing(self) -> set[tuple[str, str | None]]:
        return self._leader.failing() if self._leader is not None else set()

    async def _run_for_leadership(self, client: KubernetesClient, namespace: str, key: FingerprintKey) -> None:
        """Lead whenever this process holds the Lease. A bug ends one term, not the process."""
        settings = self._settings
        host = socket.gethostname()
        while True:
            name = LeaseLock(namespace, settings.lease_name, f"{host}_{secrets.token_hex(4)}")
            timing = LeaseTiming(settings.lease_duration, settings.lease_renew_deadline, settings.lease_retry_period)
            self._elector = elector = LeaderElector(client, name, self._clock.now, timing=timing)
            guard = elector.ensure_leading if settings.lease else _always

            async def lead(guard: Callable[[], None] = guard) -> None:
                self._terms.start()
                if not settings.lease:
                    logger.info("leading as the only replica, without a Lease")
                await self._lead(client, namespace, key, guard)

            self._started = True
            try:
                await (elector.run(lead) if settings.lease else lead())
            except Exception:
                logger.exception("leading failed and is restarted; this is a bug in the operator")
            await self._clock.sleep(self._terms.record_failure())

    async def _lead(
        self, client: KubernetesClient, namespace: str, key: FingerprintKey, guard: Callable[[], None]
    ) -> None:
        """Reconcile until cancelled, with an empty cache: the cache of an earlier term may be outdated."""
        settings = self._settings
        chance = random.Random()  # noqa: S311 # jitter only
        context = ClientContext(self._clock, chance, guard, self._metrics.recorder.requested)
        async with (
            ClientFactory(
                context,
                timeout=settings.request_timeout,
                initial_fraction=settings.initial_burst_fraction,
                http=EnvironmentHttpClients(self._environment),
            ) as netbird,
            EventPublisher(
                client, socket.gethostname(), self._clock.now, guard, Documentation(settings.docs_url)
            ) as publisher,
        ):
            ports = Ports(
                cluster=self._resources(client, publisher, guard),
                netbird=netbird,
                clock=self._clock,
                random=chance,
                key=key,
                recorder=self._metrics.recorder,
            )
            while True:
                try:
                    await background.heeding_cancellation(self._reconcile(client, namespace, ports, guard))
                except* RewoundError:
                    # A backup of etcd was restored.
                    logger.warning("the API server's data is older than before; all resources are listed again")
                await self._clock.sleep(RETRY.first)

    async def _reconcile(
        self, client: KubernetesClient, namespace: str, ports: Ports, guard: Callable[[], None]
    ) -> None:
        """Watch and reconcile until cancelled, or until the API server's data is older than before."""
        controller = Controller(ports, controller_settings(self._settings, namespace))
        watch = KopfWatcher(self._scope, controller, client.credentials, self._clock, self._reclaim_signals)
        secret_watch = self._secret_watch(client, namespace, controller)
        self._leader = LeaderComponents(controller, watch, secret_watch, guard)
        try:
            async with asyncio.TaskGroup() as group:
                if secret_watch is not None:
                    group.create_task(secret_watch.run(), name="secret watch")
                    await secret_watch.ready()  # its first list reports no changes
                group.create_task(watch.run(), name="watch")
                await watch.wait_synced()  # the controller lists the resources that exist by then
                group.create_task(controller.run(), name="controller")
                group.create_task(self._trim_memory_periodically(controller), name="heap")
        finally:
            self._leader = None

    async def _trim_memory_periodically(self, controller: Controller) -> None:
        while True:
            await self._clock.sleep(TRIM_SECONDS)
            controller.expire()
            memory.trim_heap()

    def _resources(self, client: KubernetesClient, publisher: EventPublisher, guard: Callable[[], None]) -> Resources:
        settings = self._settings
        scope = settings.namespaces or None
        return Resources(client, publisher, namespaces=scope, cluster_kinds=settings.cluster_connections, guard=guard)

    def _secret_watch(self, client: KubernetesClient, namespace: str, controller: Controller) -> SecretWatch | None:
        if not self._settings.secret_watch:
            return None
        scope = self._secret_namespaces(namespace)
        return SecretWatch(client, controller.secret_changed, self._clock.monotonic, namespaces=scope)

    def _secret_namespaces(self, namespace: str) -> Sequence[str] | None:
        """Return the namespaces of referenced Secrets. Those of cluster connections are in the operator's namespace."""
        watched = self._settings.secret_namespaces or self._settings.namespaces
        if not watched:
            return None
        return tuple(dict.fromkeys((*watched, namespace))) if self._settings.cluster_connections else watched

    def _readiness_problem(self) -> str | None:
        """Return why /readyz fails, if so. Candidates are ready too, or a rolling update would never end."""
        if not self._started:
            return self._waits_for or "not connected to the Kubernetes API server yet"
        if self._elector is not None and self._elector.refusal is not None:
            return self._elector.refusal
        trouble = self._terms.problem() or (self._preflight.trouble() if self._preflight is not None else None)
        if trouble is not None or self._leader is None:
            return trouble
        controller = self._leader.controller
        return controller.lists.awaits() or controller.managed_elsewhere()

    def _leader_metrics(self) -> LeaderMetrics | None:
        """Return the metrics of the leader, or None while this process does not lead."""
        leader = self._leader
        if leader is None:
            return None
        try:
            leader.guard()
        except LeaseLostError:
            return None
        restarts = {"resources": leader.watch.restarts}
        if leader.secrets is not None:
            restarts["secrets"] = leader.secrets.restarts
        return LeaderMetrics(
            leader.controller.stats(),
            restarts,
            synced=leader.controller.lists.awaits() is None,
            failing=leader.failing(),
        )

    def _liveness_problem(self) -> str | None:
        """Return why /healthz fails, if so. It fails only for faults that a restart fixes."""
        leader, settings = self._leader, self._settings
        if leader is None:
            return None
        if leader.controller.stuck_for() > settings.stuck_after:
            return "the queue is stuck"
        if leader.watch.seconds_since_activity() > settings.watch_silent_after:
            return "a watch is dead"
        # An unavailable API server makes both old, and a restart does not help.
        if leader.secrets is not None and (
            leader.secrets.age() - leader.watch.seconds_since_response() > settings.watch_silent_after
        ):
            return "the watch of Secrets is dead"
        return None


async def _started(name: str, pages: Mapping[str, Handler], host: str, port: int) -> HttpServer:
    server = HttpServer(pages)
    logger.info("%s endpoint", name, extra={"port": await server.start(host, port)})
    return server


def _always() -> None:
    """Accept every request: without a Lease this process always leads."""
