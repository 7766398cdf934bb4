"""The finalizer of a connection: it keeps the token available until the integrations of its dependents are deleted."""

from typing import Final

from netbird_streaming.api.types import ClusterNetBirdConnection, NetBirdConnection
from netbird_streaming.errors import ConflictError, ObjectGoneError, WaitError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.connection.resolved import ConnectionState
from netbird_streaming.reconciler.context import Context

MAX_CONFLICTS: Final = 5


async def ensure_finalizer(context: Context, state: ConnectionState) -> None:
    """Add the finalizer before the connection is used.

    Raises:
        WaitError: The connection is being deleted.
    """
    async with state.lock:
        for _ in range(MAX_CONFLICTS):
            if state.connection.has_finalizer or not await _try_add(context, state):
                break
    if not state.connection.has_finalizer:
        message = f"{state.connection.key.label} is being deleted. {Reason.CONNECTION_NOT_FOUND.remedy}"
        raise WaitError(Reason.CONNECTION_NOT_FOUND, message)


async def _try_add(context: Context, state: ConnectionState) -> bool:
    """Try once to add it. Return whether another try makes sense."""
    connection, ports = state.connection, context.ports
    if connection.deleting:
        return False
    try:
        state.take(await ports.cluster.add_finalizer(connection), ports.clock.monotonic())
    except ConflictError:
        return await read_again(context, state)
    except ObjectGoneError:
        return False
    return True


async def remove_finalizer(context: Context, state: ConnectionState) -> None:
    """Remove the finalizer: no dependent needs the token any more."""
    if not state.connection.has_finalizer:
        return
    try:
        await context.ports.cluster.remove_finalizer(state.connection)
    except ConflictError:
        if await read_again(context, state):
            context.queue.add(state.connection.key)


async def read_again(context: Context, state: ConnectionState) -> bool:
    """Read the connection after a conflict. Return whether it is still the same object."""
    since = context.ports.clock.monotonic()
    key, uid = state.connection.key, state.connection.metadata.uid
    fresh = await context.ports.cluster.read(key)
    if not isinstance(fresh, NetBirdConnection | ClusterNetBirdConnection):
        context.triggers.forget_connection(key, uid)
        return False
    context.triggers.apply_connection_event(fresh, since)
    return fresh.metadata.uid == uid
