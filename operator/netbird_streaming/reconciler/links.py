"""The reconcile of one connection: read its token, sweep its accounts, say whether it works, let it go when unused."""

from collections.abc import Iterator
from typing import Final

from netbird_streaming.core.connections import resync_interval
from netbird_streaming.core.events import tell
from netbird_streaming.core.reachability import Found, Reached, connection_status
from netbird_streaming.core.remote import Priority
from netbird_streaming.core.resources import (
    ClusterNetBirdConnection,
    Connection,
    Identity,
    NetBirdConnection,
)
from netbird_streaming.errors import ConflictError, ObjectGoneError, OperatorError
from netbird_streaming.reconciler.accounts import Account
from netbird_streaming.reconciler.ports import Outcome
from netbird_streaming.reconciler.signals import landed, refused
from netbird_streaming.reconciler.way import Link
from netbird_streaming.reconciler.world import World

JITTER: Final = 0.1
FIRST_RETRY: Final = 5.0


async def reconcile_connection(world: World, identity: Identity, priority: Priority) -> Outcome:
    """Bring one connection's status up to date, and sweep what is due. Raises where Kubernetes fails."""
    link = world.connections.get(identity)
    if link is None:
        return Outcome.SETTLED
    if link.connection.deleting and not _is_needed(world, identity):
        await _release(world, link)
        return Outcome.SETTLED
    asked = link.connection.metadata.reconcile_request
    urgent = asked is not None and asked != link.connection.status.last_handled_reconcile_at
    due = _is_due(world, link)
    await world.connections.load(link, anew=due or urgent)
    if link.token is not None and not link.accounts:
        world.connections.account(link, link.connection.spec.tenant_id)
    if not link.connection.deleting and _is_needed(world, identity):
        await world.secure(link)
    outcomes = {
        await _attend(world, link, account, urgent=urgent, priority=priority)
        for account in list(link.accounts.values())
    }
    if Outcome.WAITING in outcomes:
        return Outcome.WAITING
    await _write_status(world, link)
    _plan(world, link)
    if link.problem is not None:
        world.ports.meter.put_back(identity.kind, link.problem.reason)
        return Outcome.FAILED
    return Outcome.FAILED if Outcome.FAILED in outcomes else Outcome.SETTLED


def _needed_by(world: World, identity: Identity) -> Iterator[str]:
    """Who has something in NetBird that only this connection can delete."""
    for entry in world.users(identity):
        if entry.id is not None or entry.open or entry.memory.posted is not None:
            yield entry.identity.label
    accounts = _accounts(world, identity)
    yield from (f"integration {key.name}" for key, stray in world.strays.items() if stray.account in accounts)


def _is_needed(world: World, identity: Identity) -> bool:
    return next(_needed_by(world, identity), None) is not None


def _accounts(world: World, identity: Identity) -> list[Account]:
    link = world.connections.get(identity)
    return list(link.accounts.values()) if link is not None else []


def _interval(link: Link) -> float:
    return resync_interval(link.connection.spec, len(link.accounts))


def _is_due(world: World, link: Link) -> bool:
    """Whether a LIST is due, and not there yet: a sweep begins with a fresh look at the token, once."""
    now = world.ports.clock.monotonic()
    return any(account.due_at <= now and not account.is_listed for account in link.accounts.values())


async def _attend(world: World, link: Link, account: Account, *, urgent: bool, priority: Priority) -> Outcome:
    """Sweep the account with a fresh LIST, or ask for one."""
    now, identity = world.ports.clock.monotonic(), link.connection.identity
    view = account.view
    if view is not None and account.is_listed:
        # Before the sweep, which takes its time: a token that changes meanwhile makes another one due at once.
        account.due_at = now + _interval(link) * world.ports.random.uniform(1 - JITTER, 1 + JITTER)
        await world.sweep(link, account, view)
        if account.account_id is None and not view.by_id and not account.was_asked:
            async with world.queue.released(identity):
                await account.confirm(Priority.CLOCK)
        return Outcome.SETTLED
    problem = account.failure(identity)
    if problem is not None:
        world.ports.meter.put_back(identity.kind, problem.reason)
        account.due_at = now + _pause(world, link, account)
        return Outcome.FAILED
    if account.problem is not None:
        # A LIST that somebody else asked for: the connection says so, and must not say so until the next sweep.
        account.due_at = min(account.due_at, now + _pause(world, link, account))
    if account.due_at > now and not urgent:
        return Outcome.SETTLED
    account.due_at = now if urgent else min(account.due_at, now)
    account.park(identity, account.due_at, priority, lambda: world.queue.add(identity, priority))
    return Outcome.WAITING


def _pause(world: World, link: Link, account: Account) -> float:
    """Seconds until an account whose LIST failed is looked at again."""
    pause: float = min(_interval(link), FIRST_RETRY * 2 ** min(account.failures, 16))
    return pause * world.ports.random.uniform(1 - JITTER, 1 + JITTER)


async def _write_status(world: World, link: Link) -> None:
    ports = world.ports
    for _ in range(2):
        status = connection_status(link.connection, _found(world, link), ports.key, ports.clock.now())
        before = link.connection.status
        # Before the write, whose answer may be lost though it lands.
        link.told = link.told or tell(before.conditions)
        try:
            link.connection = await ports.cluster.write_connection_status(link.connection, status)
        except (ConflictError, ObjectGoneError):
            if not await _read_again(world, link):
                return
        except OperatorError as problem:
            link.refused = refused(ports.cluster, link.connection, problem, link.refused)
            raise
        else:
            link.refused = None
            link.told = landed(ports.cluster, link.connection, before, link.told)
            return
    world.queue.add(link.connection.identity)


def _found(world: World, link: Link) -> Found:
    reached = tuple(
        Reached(tenant_id, account.account_id, account.problem) for tenant_id, account in link.accounts.items()
    )
    families = [account.client.path_family for account in link.accounts.values()]
    family = next((each.value for each in families if each is not None), None)
    users = tuple(_needed_by(world, link.connection.identity)) if link.connection.deleting else ()
    return Found(reached, link.problem, family, users, world.connections.proof(link))


async def _read_again(world: World, link: Link) -> bool:
    fresh = await world.ports.cluster.read(link.connection.identity)
    if not isinstance(fresh, NetBirdConnection | ClusterNetBirdConnection):
        world.forget_connection(link.connection.identity, link.connection.metadata.uid)
        return False
    known: Connection = link.connection
    world.observe_connection(fresh)
    return fresh.metadata.uid == known.metadata.uid


async def _release(world: World, link: Link) -> None:
    """Nothing in NetBird needs its token any more."""
    if not link.connection.has_finalizer:
        return
    try:
        await world.ports.cluster.remove_finalizer(link.connection)
    except ConflictError:
        if await _read_again(world, link):
            world.queue.add(link.connection.identity)


def _plan(world: World, link: Link) -> None:
    """The next sweep; a connection without an account is tried again when its Secret changes, and now and then."""
    now = world.ports.clock.monotonic()
    due = min((account.due_at for account in link.accounts.values()), default=now + _interval(link))
    if link.problem is not None:
        due = min(due, now + _interval(link))
    world.queue.add(link.connection.identity, at=max(due, now + 0.001))
