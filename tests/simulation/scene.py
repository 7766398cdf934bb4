"""A scenario with one connection and only the faults that a test asks for."""

from dataclasses import replace

from netbird_streaming.api.status import Condition
from netbird_streaming.api.types import (
    ConnectionKind,
    ConnectionReference,
    ConnectionSpec,
    Datadog,
    EventStreamingIntegration,
    IntegrationSpec,
    KeyReference,
    NetBirdConnection,
    ObjectKey,
    Platform,
    RateLimit,
)
from netbird_streaming.netbird.rate_limiter import RateLimiter
from netbird_streaming.reconciler.controller import Controller
from netbird_streaming.reconciler.ports import ControllerSettings, Ports
from tests.doubles.netbird.behaviour import Behaviour
from tests.simulation.bookkeeping import ready_of
from tests.simulation.network import InjectedFault
from tests.simulation.random_faults import Phase, RequestFault
from tests.simulation.watches import Watch
from tests.simulation.world import TEAM, Environment, World

HONEST = Behaviour(post_ignores_enabled=False, requests_per_minute=1e9, burst=10**9)


class Scene:
    """A scenario with one connection and only the faults that a test asks for."""

    def __init__(self, behaviour: Behaviour = HONEST, *, limited: bool = False) -> None:
        environment = Environment(behaviour=behaviour, watch=Watch(lag=0.02), limited=limited)
        self.controllers: list[Controller] = []
        self.world = World(1, environment, self._make)
        self.world.token("tok", "acc-a", "CANARY-main-v0")
        self.now = 0.0
        self.values = 0
        self.world.put_secret("token-main", "CANARY-main-v0")
        self.world.api.create(
            NetBirdConnection, TEAM, "main", ConnectionSpec(token_secret_ref=KeyReference(name="token-main", key="key"))
        )

    def _make(self, ports: Ports, settings: ControllerSettings) -> Controller:
        self.controllers.append(Controller(ports, settings))
        return self.controllers[-1]

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.world.run_until(self.now)

    def lead(self) -> None:
        self.world.start()

    def restart(self) -> None:
        self.world.kill(self.world.processes[-1])
        self.wait(1)
        self.lead()

    def rotate(self, name: str) -> None:
        self.values += 1
        value = f"CANARY-{name}-v{self.values}"
        self.world.promises.secret_value(name, value)
        self.world.api.put_secret(TEAM, f"secret-{name}", {"key": value.encode()})

    def break_watches(self, seconds: float) -> None:
        watch = replace(self.world.environment.watch, gaps=((self.now, self.now + seconds),))
        self.world.environment = replace(self.world.environment, watch=watch)

    def create(self, name: str = "r0", url: str | None = None, **more: object) -> None:
        self.rotate(name)
        spec = IntegrationSpec(
            connection_ref=ConnectionReference(kind=ConnectionKind.NAMESPACED, name="main"),
            platform=Platform.DATADOG,
            datadog=self.block(name, url or f"https://hook.example/{name}/0"),
        )
        self.world.api.create(EventStreamingIntegration, TEAM, name, spec.model_copy(update=more))

    @staticmethod
    def block(name: str, url: str) -> Datadog:
        return Datadog(api_url=url, api_key_secret_ref=KeyReference(name=f"secret-{name}", key="key"))

    @staticmethod
    def identity(name: str = "r0") -> ObjectKey:
        return ObjectKey(EventStreamingIntegration.__name__, TEAM, name)

    def find(self, name: str = "r0") -> EventStreamingIntegration:
        found = self.world.api.objects[self.identity(name)]
        assert isinstance(found, EventStreamingIntegration)
        return found

    def is_gone(self, name: str = "r0") -> bool:
        return self.identity(name) not in self.world.api.objects

    def ready(self, name: str = "r0") -> Condition:
        found = ready_of(self.find(name).status)
        assert found is not None
        return found

    def connection(self) -> Condition:
        found = self.world.api.objects[ObjectKey(ConnectionKind.NAMESPACED.value, TEAM, "main")]
        assert isinstance(found, NetBirdConnection)
        return next(each for each in found.status.conditions if each.type == "Ready")

    def edit(self, name: str = "r0", **spec: object) -> None:
        self.world.api.edit(self.identity(name), **spec)

    def delete(self, name: str = "r0") -> None:
        self.world.api.delete(self.identity(name))

    def inject_fault(self, text: str, fault: RequestFault = RequestFault.FINE, phase: Phase | None = None) -> None:
        self.world.to_netbird.injected_faults.append(InjectedFault(text, fault, phase))

    def spend(self) -> None:
        """Let another client of the token exhaust the rate limit, and let the operator see it."""
        for rate_limiter in self._rate_limiters():
            rate_limiter.pause(1)

    def limit(self) -> RateLimit:
        """Return the rate limit that the newest process keeps."""
        return self._rate_limiters()[-1].limit

    def _rate_limiters(self) -> list[RateLimiter]:
        budgets = [factory.budgets for factory in self.world.clients]
        return [
            each.get("https://api.netbird.io", "CANARY-main-v0", RateLimit()) for each in budgets if each is not None
        ]

    def remote(self) -> list[int]:
        return sorted(self.world.netbird.integrations)

    def costs(self) -> tuple[list[str], list[str]]:
        """Return the writes to the resources and the calls of NetBird's API since the last call."""
        writes = [each for cluster in self.world.clusters for each in cluster.writes if not each.endswith("/main")]
        calls = [each.split()[0] for client in self.world.clients for each in client.calls]
        for cluster in self.world.clusters:
            cluster.writes.clear()
        for client in self.world.clients:
            client.calls.clear()
        return writes, calls

    def posts(self) -> int:
        return self.world.promises.posts

    def kept(self) -> None:
        assert not self.world.promises.breaches, "\n".join(self.world.log)
