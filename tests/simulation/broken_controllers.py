"""Controllers that break one promise each. The checks have to catch all of them."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from netbird_streaming.api.connection_status import ConnectionStatus
from netbird_streaming.api.status import Status
from netbird_streaming.api.types import (
    EventStreamingIntegration,
    NetBirdConnection,
    ObjectKey,
    RateLimit,
    Resource,
    TokenType,
)
from netbird_streaming.core.actions import ReadyState
from netbird_streaming.core.netbird.payload import resolve, secret_names
from netbird_streaming.core.netbird.types import Endpoint, Integration, IntegrationRequest, Priority, Slot
from netbird_streaming.core.status.conditions import ConditionInput, conditions
from netbird_streaming.core.status.events import EventNote
from netbird_streaming.errors import NotFoundError, OperatorError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.controller import Controller
from netbird_streaming.reconciler.ports import ControllerSettings, Ports
from tests.simulation.watches import ControllerLike
from tests.simulation.world import MakeController

log = logging.getLogger("netbird_streaming.sabotage")
POLL: Final = 5.0


class NaiveController:
    """A naive controller: poll every few seconds, POST if the status has no id, then write the id."""

    def __init__(self, ports: Ports, settings: ControllerSettings) -> None:
        self._ports = ports
        self._settings = settings

    def apply_event(self, resource: Resource) -> None:
        pass

    def forget(self, key: ObjectKey, uid: str) -> None:
        pass

    def secret_changed(self, namespace: str, name: str) -> None:
        pass

    def relist(self, kind: str) -> None:
        pass

    async def run(self) -> None:
        while True:
            found: list[Resource] = []
            try:
                await self._ports.cluster.list_resources(
                    EventStreamingIntegration.__name__, None, lambda *_: True, found.append
                )
                for each in found:
                    await self._reconcile(each)
            except OperatorError:
                pass
            await self._ports.clock.sleep(POLL)

    async def _reconcile(self, resource: Resource) -> None:
        assert isinstance(resource, EventStreamingIntegration)
        if resource.deleting or resource.status.id is not None:
            return
        token = await self._ports.cluster.secret("team", "token-main")
        names = sorted(secret_names(resource.spec))
        secrets = {name: await self._ports.cluster.secret("team", name) for name in names}
        payload = resolve(resource.spec, secrets, self._ports.key)
        endpoint = Endpoint("https://api.netbird.io", (token or {})["key"].decode(), TokenType.PERSONAL_ACCESS_TOKEN)
        client = self._ports.netbird.client(endpoint, RateLimit())
        made = await client.create(payload.request, Priority.HIGH)
        condition_input = ConditionInput(ReadyState.READY, Reason.SYNCED, "made")
        ready = conditions(condition_input, (), resource.metadata.generation, self._ports.clock.now())
        await self._ports.cluster.write_status(resource, Status(id=made.id, conditions=ready))


class PortWrapper:
    """A wrapper of a port that delegates what its subclass does not override."""

    def __init__(self, port: Any) -> None:
        self.port = port

    def __getattr__(self, name: str) -> Any:
        return getattr(self.port, name)


class ClientWrapper(PortWrapper):
    """A wrapped client. The client of a slot is wrapped too."""

    def holding(self, slot: Slot) -> Any:
        return type(self)(self.port.holding(slot))


def with_cluster(wrong: Callable[[Any], Any]) -> MakeController:
    """Return the shipped controller with a broken API server."""
    return lambda ports, settings: Controller(replace(ports, cluster=wrong(ports.cluster)), settings)


def with_netbird(wrong: Callable[[Any], Any]) -> MakeController:
    """Return the shipped controller with a broken NetBird client."""

    class Factory(PortWrapper):
        def client(self, endpoint: Endpoint, limit: RateLimit) -> Any:
            return wrong(self.port.client(endpoint, limit))

    return lambda ports, settings: Controller(replace(ports, netbird=Factory(ports.netbird)), settings)


class WritesNoIntent(PortWrapper):
    """Keeps the intent in memory only."""

    async def write_status(self, resource: EventStreamingIntegration, status: Status) -> Any:
        kept = status.evolve(creation=None)
        return await self.port.write_status(resource, kept)


class ClaimsReady(PortWrapper):
    """Always reports Ready."""

    async def write_status(self, resource: EventStreamingIntegration, status: Status) -> Any:
        conditions = tuple(
            each.model_copy(update={"status": "True"}) for each in status.conditions if each.type == "Ready"
        )
        return await self.port.write_status(resource, status.model_copy(update={"conditions": conditions}))


class ReportsNoReason(PortWrapper):
    """Never reports a reason."""

    async def write_status(self, resource: EventStreamingIntegration, status: Status) -> Any:
        return await self.port.write_status(resource, status.model_copy(update={"conditions": ()}))


class LeaksSecrets(PortWrapper):
    """Puts a secret value into an Event."""

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        data: Mapping[str, bytes] | None = await self.port.secret(namespace, name)
        log.warning("read %s", data)
        return data


class CountsInStatus(PortWrapper):
    """Counts resyncs in the connection's status: a write for each resync."""

    async def write_connection_status(self, resource: NetBirdConnection, status: ConnectionStatus) -> Any:
        count = str(int(resource.status.last_handled_reconcile_at or "0") + 1)
        return await self.port.write_connection_status(
            resource, status.model_copy(update={"last_handled_reconcile_at": count})
        )


class LosesEvents(PortWrapper):
    """Fails to publish Events."""

    def publish(self, resource: Resource, notes: Sequence[EventNote]) -> None:
        self.port.publish(resource, notes)
        raise ZeroDivisionError


class DeletesNothing(ClientWrapper):
    """Reports a DELETE as accepted without sending it."""

    async def delete(self, integration_id: int, priority: Priority) -> None:
        log.debug("not deleted: %s, %s", integration_id, priority)


class DeletesTheFirst(ClientWrapper):
    """Deletes the wrong id."""

    async def delete(self, integration_id: int, priority: Priority) -> None:
        listing = await self.port.list_integrations(priority)
        await self.port.delete(min((each.id for each in listing.items), default=integration_id), priority)


class PutsTwice(ClientWrapper):
    """Sends each PUT twice."""

    async def update(self, integration_id: int, request: IntegrationRequest, priority: Priority) -> Integration:
        await self.port.update(integration_id, request, priority)
        await self.port.update(integration_id, request, priority)
        answer: Integration = await self.port.update(integration_id, request, priority)
        return answer


class PostsAgain(ClientWrapper):
    """Repeats an unanswered POST at once."""

    async def create(self, request: IntegrationRequest, priority: Priority) -> Integration:
        try:
            made: Integration = await self.port.create(request, priority)
        except NotFoundError:
            raise
        except OperatorError:
            made = await self.port.create(request, priority)
        return made


class ListsNothing(ClientWrapper):
    """Returns an empty LIST, as for a wrong tenant."""

    async def list_integrations(self, priority: Priority) -> Any:
        listing = await self.port.list_integrations(priority)
        return replace(listing, items=())


def without_late_commit_wait(ports: Ports, settings: ControllerSettings) -> ControllerLike:
    """Return the shipped controller without a wait for late commits."""
    return Controller(ports, replace(settings, late_commit_window=0.0))


class Ends(NaiveController):
    """`run` returns."""

    async def run(self) -> None:
        await self._ports.clock.sleep(POLL)


class Hangs(NaiveController):
    """Waits for an event that never comes."""

    async def run(self) -> None:
        await asyncio.Event().wait()


class Spins(NaiveController):
    """Never waits at all."""

    async def run(self) -> None:
        while True:  # noqa: ASYNC110  # never waiting is what this is about
            await asyncio.sleep(0)


class LeavesTasks(NaiveController):
    """Leaves a failed task whose exception no code retrieves."""

    async def run(self) -> None:
        await asyncio.wait({asyncio.create_task(self._fail())})
        while True:
            await self._ports.clock.sleep(POLL)

    async def _fail(self) -> None:
        raise ZeroDivisionError
