"""The simulated API server as one side of the scenarios that also run on a real one."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from netbird_streaming.api.types import EventStreamingIntegration, ObjectKey
from tests.simulation.api_scenarios import KIND, NOISE, SPEC, Side, Transcript
from tests.simulation.apiserver import ApiServer, Change
from tests.simulation.cluster import SimCluster
from tests.simulation.host import EPOCH
from tests.simulation.lease import LeaseApi, LeaseServer
from tests.simulation.loop import BEGIN, VirtualLoop
from tests.simulation.network import Network, Process
from tests.simulation.random_faults import NetworkFaults, ScriptedFaults

MINUTE: Final = 60.0


class SimulatedSide:
    """A virtual clock, a network without faults, and the events of a watch."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._loop = VirtualLoop()
        self._changes: list[Change] = []
        self._server = ApiServer(lambda: EPOCH + timedelta(seconds=self._loop.now), self._changes.append)
        line = Network(self._loop, ScriptedFaults({}), NetworkFaults(), lambda _: None, 0.0)
        process = Process("p0", self._loop)
        self.cluster = SimCluster(self._server, line, process, lambda _: None, lambda *_: None)
        self.lease = LeaseApi(LeaseServer(), line, process)

    def play(self, scenario: Callable[[Side, Transcript], Awaitable[None]]) -> list[str]:
        """Return the transcript and the watch events."""
        transcript = Transcript()

        async def run() -> None:
            await scenario(self, transcript)

        task = self._loop.create_task(run())
        self._loop.run_until(BEGIN + MINUTE)
        task.result()
        watched = [each for each in self._changes if each.resource is not None]
        transcript.lines += [
            f"{'gone' if each.gone else 'stored'}: {transcript.shown(each.resource)}" for each in watched
        ]
        return transcript.lines

    def _identity(self, name: str) -> ObjectKey:
        return ObjectKey(KIND, self.namespace, name)

    async def create(self, name: str) -> None:
        self._server.create(EventStreamingIntegration, self.namespace, name, SPEC)

    async def edit(self, name: str, *, enabled: bool) -> None:
        self._server.edit(self._identity(name), enabled=enabled)

    async def annotate(self, name: str, value: str) -> None:
        self._server.annotate(self._identity(name), NOISE, value)

    async def set_finalizers(self, name: str, finalizers: tuple[str, ...]) -> None:
        self._server.set_finalizers(self._identity(name), finalizers)

    async def delete(self, name: str) -> None:
        self._server.delete(self._identity(name))

    async def put_secret(self, name: str, value: str) -> None:
        self._server.put_secret(self.namespace, name, {"key": value.encode()})

    async def delete_secret(self, name: str) -> None:
        self._server.delete_secret(self.namespace, name)
