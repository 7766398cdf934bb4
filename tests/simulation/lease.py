"""A simulated Lease, and the shipped elector of one process before it."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, cast

from netbird_streaming.cluster.client import Json, KubernetesClient, Request
from netbird_streaming.cluster.leader_election.elector import LeaderElector, LeaseLock
from netbird_streaming.cluster.leader_election.record import LeaseTiming
from netbird_streaming.errors import ConflictError, Effect, ObjectGoneError, OperatorError, RetryError
from netbird_streaming.reasons import Reason
from tests.simulation.network import Errand, Line, Process
from tests.simulation.random_faults import Fate

FATES: Final = frozenset(Fate) - {Fate.FINE, Fate.LIMITED, Fate.REFUSED}
DRIFT: Final = 200e-6
"""How much faster or slower than the true one a machine's clock may go."""


class LeaseServer:
    """The Lease as the API server keeps it: a write names the newest version, or is refused."""

    def __init__(self) -> None:
        """Start without one."""
        self.stored: Json | None = None
        self._version = 100

    def serve(self, request: Request) -> Json:
        """Carry a request out. Raises what the client would."""
        if request.method == "POST":
            if self.stored is not None:
                raise ConflictError(Reason.PROGRESSING, "the Lease is there")
            return self._store(request.body or {})
        if self.stored is None:
            raise ObjectGoneError(Reason.KUBERNETES_REFUSED, "there is no Lease")
        if request.body is None:
            return self.stored
        if request.body["metadata"]["resourceVersion"] != self.stored["metadata"]["resourceVersion"]:
            raise ConflictError(Reason.PROGRESSING, "the Lease has changed")
        return self._store(request.body)

    def edit(self, **spec: object) -> None:
        """What a person does with `kubectl edit`."""
        if self.stored is not None:
            self._store({"spec": {**self.stored["spec"], **spec}})

    def _store(self, body: Json) -> Json:
        self._version += 1
        self.stored = {"metadata": {"resourceVersion": str(self._version)}, "spec": dict(body["spec"])}
        return self.stored


class LeaseApi:
    """The part of `KubernetesClient` that the elector uses, over a network that fails."""

    def __init__(self, server: LeaseServer, line: Line, process: Process) -> None:
        """Take one process' line to the server."""
        self._server = server
        self._line = line
        self._process = process

    async def call(self, request: Request, *, seconds: float, urgent: bool) -> Json:
        """As `KubernetesClient.call`."""
        assert urgent, "a renewal must not wait behind others"
        label = f"{request.method} {request.subject}"
        self._process.renewals += 1
        errand = Errand(label, FATES, timeout=seconds, fail=_unanswered)
        return await self._line.call(self._process, errand, lambda: self._server.serve(request))


def _unanswered(fate: Fate, _: float) -> OperatorError:
    return RetryError(Reason.UNAVAILABLE, f"no answer ({fate.name})", effect=Effect.UNKNOWN)


def elector_of(
    api: LeaseApi, process: Process, wall: Callable[[], datetime], timing: LeaseTiming | None
) -> LeaderElector:
    """The shipped elector, on the process' own clock; `wall` is for people only."""
    base, rate, loop = process.monotonic_base, process.rate, process.loop
    name = LeaseLock("operator", "lease", process.name)
    return LeaderElector(cast("KubernetesClient", api), name, wall, clock=lambda: base + rate * loop.now, timing=timing)
