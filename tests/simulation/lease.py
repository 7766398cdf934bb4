"""A simulated Lease and the shipped elector of one process."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, cast

from netbird_streaming.cluster.client import Json, KubernetesClient, Request
from netbird_streaming.cluster.leader_election.elector import LeaderElector, LeaseLock
from netbird_streaming.cluster.leader_election.record import LeaseTiming
from netbird_streaming.errors import ConflictError, Effect, ObjectGoneError, OperatorError, RetryError
from netbird_streaming.reasons import Reason
from tests.simulation.network import Network, Process, RequestSpec
from tests.simulation.random_faults import RequestFault

FATES: Final = frozenset(RequestFault) - {RequestFault.FINE, RequestFault.LIMITED, RequestFault.REFUSED}
DRIFT: Final = 200e-6
"""Bound of a machine's clock drift, as a factor."""


class LeaseServer:
    """The Lease in the API server. A write that does not name the newest version is refused."""

    def __init__(self) -> None:
        self.stored: Json | None = None
        self._version = 100

    def serve(self, request: Request) -> Json:
        """Apply a request. Raises the errors that the client would raise."""
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
        """Change the Lease as `kubectl edit` does."""
        if self.stored is not None:
            self._store({"spec": {**self.stored["spec"], **spec}})

    def _store(self, body: Json) -> Json:
        self._version += 1
        self.stored = {"metadata": {"resourceVersion": str(self._version)}, "spec": dict(body["spec"])}
        return self.stored


class LeaseApi:
    """The part of `KubernetesClient` that the elector uses, over a faulty network."""

    def __init__(self, server: LeaseServer, network: Network, process: Process) -> None:
        self._server = server
        self._network = network
        self._process = process

    async def call(self, request: Request, *, seconds: float, urgent: bool) -> Json:
        assert urgent, "a renewal must not wait behind others"
        label = f"{request.method} {request.subject}"
        self._process.renewals += 1
        request_spec = RequestSpec(label, FATES, timeout=seconds, fail=_unanswered)
        return await self._network.call(self._process, request_spec, lambda: self._server.serve(request))


def _unanswered(fault: RequestFault, _: float) -> OperatorError:
    return RetryError(Reason.UNAVAILABLE, f"no answer ({fault.name})", effect=Effect.UNKNOWN)


def elector_of(api: LeaseApi, process: Process, wall: Callable[[], datetime], timing: LeaseTiming) -> LeaderElector:
    """Return the shipped elector on the clock of the process. `wall` is informational only."""
    base, rate, loop = process.monotonic_base, process.rate, process.loop
    name = LeaseLock("operator", "lease", process.name)
    return LeaderElector(cast("KubernetesClient", api), name, wall, clock=lambda: base + rate * loop.now, timing=timing)
