"""The parts of one process that reconciles share."""

from dataclasses import dataclass

from netbird_streaming.api.types import ObjectKey
from netbird_streaming.core.inputs import Timeouts
from netbird_streaming.core.status.documentation import Documentation
from netbird_streaming.reconciler.connection.account_listener import AccountListener
from netbird_streaming.reconciler.connection.registry import ConnectionRegistry
from netbird_streaming.reconciler.listing import Lists
from netbird_streaming.reconciler.ownership import Ownership
from netbird_streaming.reconciler.ports import ControllerSettings, Ports
from netbird_streaming.reconciler.queue import KeyQueue
from netbird_streaming.reconciler.records import lane_of
from netbird_streaming.reconciler.store import ResourceStore
from netbird_streaming.reconciler.triggers import Triggers
from netbird_streaming.reconciler.unowned import UnownedIntegrations


@dataclass(frozen=True, slots=True)
class Context:
    """The parts that a reconcile may use. Each part owns its state."""

    ports: Ports
    timeouts: Timeouts
    documentation: Documentation
    queue: KeyQueue[ObjectKey]
    store: ResourceStore
    connections: ConnectionRegistry
    ownership: Ownership
    lists: Lists
    unowned: UnownedIntegrations
    triggers: Triggers


def new_context(ports: Ports, settings: ControllerSettings) -> Context:
    """Return the parts of a process that knows nothing yet."""
    timeouts = Timeouts(
        late_commit=settings.late_commit_window, post=settings.request_timeout, absence=settings.absence_window
    )
    queue: KeyQueue[ObjectKey] = KeyQueue(ports.clock, settings.workers, lane_of)
    store, ownership, lists = ResourceStore(ports.clock), Ownership(queue.add), Lists(ports.cluster)
    listener = AccountListener(store, queue, ownership, timeouts)
    connections = ConnectionRegistry(ports, listener, lists, settings)
    unowned = UnownedIntegrations(queue)
    triggers = Triggers(store, connections, queue, ownership, unowned)
    return Context(
        ports, timeouts, settings.documentation, queue, store, connections, ownership, lists, unowned, triggers
    )
