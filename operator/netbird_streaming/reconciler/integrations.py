"""The reconcile of one resource: gather, decide, act, report. Every trigger does the same."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, assert_never

from netbird_streaming.core import upkeep
from netbird_streaming.core.actions import (
    Action,
    AddFinalizer,
    Bind,
    ConfirmAccount,
    Create,
    Delete,
    Done,
    Look,
    ProveAbsence,
    Release,
    Report,
    Update,
)
from netbird_streaming.core.compare import is_identical
from netbird_streaming.core.decide import decide
from netbird_streaming.core.facts import Case, Desired, Observed, Remembered, Route, recall
from netbird_streaming.core.payload import Payload, SecretData, referenced, resolve, secret_keys
from netbird_streaming.core.remote import Priority
from netbird_streaming.core.resources import EventStreamingIntegration, Identity
from netbird_streaming.errors import EditError, OperatorError, RetryError, WaitError
from netbird_streaming.log_context import log_fields
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler import looks, waits, writes
from netbird_streaming.reconciler.accounts import Account
from netbird_streaming.reconciler.claims import Hold, Holder, Scope, account_key
from netbird_streaming.reconciler.entries import Entry
from netbird_streaming.reconciler.listing import INTEGRATION
from netbird_streaming.reconciler.ports import Outcome
from netbird_streaming.reconciler.run import Run, Superseded, newest
from netbird_streaming.reconciler.way import Way
from netbird_streaming.reconciler.world import World

log = logging.getLogger(__name__)

MAX_STEPS: Final = 25
"""No reconcile takes more steps; one that would is begun anew later (a bound, never reached in the simulation)."""


async def reconcile(world: World, identity: Identity, priority: Priority) -> Outcome:
    """Bring one resource nearer to what its user wants. Raises a branch of OperatorError where Kubernetes fails."""
    entry = world.entries.get(identity)
    if entry is None:
        return Outcome.SETTLED
    turn, outcome = world.turns.pop(identity, None), Outcome.SETTLED
    try:
        resource = entry.unpack() or await newest(world, entry)
        run = _start(world, entry, resource, priority)
        run.turn = turn
        outcome = await _advance(run)
    except Superseded:
        pass
    finally:
        if turn is not None and not isinstance(turn, OperatorError):
            turn.give_back()
        if entry.account is not None and outcome is not Outcome.WAITING:
            entry.account.gate.forget(identity)
        if world.entries.get(identity) is not entry:
            world.bury(entry)
        entry.pack()
    return outcome


async def _advance(run: Run) -> Outcome:
    """One step after the other; what could not be written of their outcome is, by the next reconcile."""
    try:
        for _ in range(MAX_STEPS):
            case = await _gather(run)
            action = decide(case)
            with log_fields(action=type(action).__name__):
                log.debug("decided")
                ended = await waits.for_slot(run, case, action)
                if await _act(run, case, action) if ended is None else ended:
                    return run.outcome
    except OperatorError:
        if run.is_dirty:
            run.entry.unsaved = (run.base, run.status)
        raise
    message = f"The reconcile did not come to rest in {MAX_STEPS} steps. It is begun anew."
    raise RetryError(Reason.PROGRESSING, message)


def _start(world: World, entry: Entry, resource: EventStreamingIntegration, priority: Priority) -> Run:
    mine = recall(resource, entry.memory).status
    run = Run(world, entry, priority, resource, base=mine, status=mine)
    if entry.unsaved is not None:
        before, wanted = entry.unsaved
        if before == mine:
            run.status = wanted
        elif wanted == mine:
            # Its write was not answered, and landed.
            entry.unsaved = None
            run.tell(resource, before)
    world.claims.hold(entry.at(run.status.internal.authority, run.status.account_id), run.status.id)
    return run


async def _gather(run: Run) -> Case:
    """All that the next decision rests on; what was read stays at hand for the reconcile."""
    world, entry, resource = run.world, run.entry, run.resource
    if run.way is None:
        run.way = await world.connections.way(resource)
    if isinstance(run.way, Way):
        entry.account = run.way.account
        run.list_failure = run.way.account.failure(entry.identity) or run.list_failure
    if run.payload is None:
        run.payload = await _payload(run)
    _note(run)
    case = _case(run, run.payload, run.way)
    rival = _rival(run, case)
    return case if rival is None else replace(case, observed=replace(case.observed, rival=rival))


async def _payload(run: Run) -> Payload | OperatorError:
    spec, namespace = run.resource.spec, run.resource.metadata.namespace or ""
    if run.resource.deleting:
        return WaitError(Reason.DELETING, "The resource is being deleted.")
    if isinstance(run.way, OperatorError):
        return run.way  # Without a connection nothing is sent, so no Secret is read.
    secrets: dict[str, SecretData | None] = {}
    try:
        for name, keys in secret_keys(spec).items():
            data = await run.world.ports.cluster.secret(namespace, name)
            secrets[name] = None if data is None else referenced(data, keys)
        return resolve(spec, secrets, run.world.ports.key)
    except (WaitError, EditError) as problem:
        return problem


def _note(run: Run) -> None:
    """Remember when things were first known, and forget a POST whose id has landed."""
    memory, now = run.entry.memory, run.world.ports.clock.monotonic()
    if memory.posted is not None and memory.posted.item.id == run.base.id:
        memory = memory.having(posted=None)
    if run.resource.has_finalizer and memory.finalizer_seen is None:
        memory = memory.having(finalizer_seen=now)
    if run.status.internal.creation is not None and memory.intent_over is None:
        # Another process sent it, which may have been frozen, or be ending within its grace: so it may go on yet.
        memory = memory.having(intent_over=now + run.world.limits.post)
    asked = run.resource.metadata.reconcile_request
    if asked is not None and asked != memory.asked:
        memory = memory.having(asked=asked, asked_at=now)
    run.entry.memory = memory


def _case(run: Run, payload: Payload | OperatorError, way: Way | OperatorError) -> Case:
    world, entry = run.world, run.entry
    account = way.account if isinstance(way, Way) else None
    unlisted = world.lists.unknown(INTEGRATION)
    observed = Observed(
        now=world.ports.clock.monotonic(),
        wall=world.ports.clock.now(),
        route=_route(run, way) if isinstance(way, Way) else way,
        holders=world.claims.holders(_place(entry, account)),
        view=account.view if account is not None else None,
        account_since=account.since if account is not None else 0.0,
        deleted_at=account.deleted_at if account is not None else 0.0,
        server_now=account.server_now() if account is not None else None,
        unlisted=None if unlisted is None else str(unlisted),
    )
    remembered = Remembered(run.status, entry.memory, recall(run.resource, entry.memory).claim)
    return Case(Desired(run.resource, payload), observed, remembered, world.ports.key, world.limits)


def _place(entry: Entry, account: Account | None) -> Holder:
    return entry.at(None, None) if account is None else entry.at(account.authority, account.account_id)


def _route(run: Run, way: Way) -> Route:
    account, known = way.account, way.account_id
    return Route(
        authority=account.authority,
        endpoint=account.endpoint,
        proof=account.proof,
        account=run.account_problem if known is None else known,
        allow_adoption=way.allow_adoption,
        tenant_id=way.tenant_id,
        asked=account.was_asked,
    )


def _rival(run: Run, case: Case) -> str | None:
    """Offer for the configuration, before anything is awaited; answers who has the better claim."""
    payload, way = case.desired.payload, run.way
    intent, claims, uid = run.status.internal.creation, run.world.claims, run.entry.uid
    if not isinstance(way, Way):
        return None
    wanted: dict[Scope, Hold] = {}
    if isinstance(payload, Payload):
        scope = _scope(run, way.account.scope, payload.signature)
        held = run.status.id is not None and not upkeep.is_gone(case) and claims.held(uid, scope)
        wanted[scope] = Hold.INTEGRATION if held or _holds_twin(case) else Hold.NOTHING
    if intent is not None:
        # It may have made something yet, whatever the resource wants by now, and though it reads no Secrets any more.
        accounts = [way.account.scope, run.world.connections.scope(intent.endpoint)]
        if intent.authority is not None and intent.account_id is not None:
            accounts.append(account_key(intent.authority, intent.account_id))
        for account in accounts:
            scope = _scope(run, account, intent.signature)
            wanted[scope] = max(wanted.get(scope, Hold.NOTHING), Hold.INTENT)
    claims.hear(uid)
    if not wanted:
        return None
    created = run.resource.metadata.creation_timestamp.timestamp()
    viewer = _place(run.entry, way.account)
    rival = claims.offer(wanted, viewer, created)
    if rival is None and isinstance(payload, Payload):
        return claims.unheard(viewer, way.account.endpoint, payload.signature)
    return rival


def _scope(run: Run, account: str, signature: Mapping[str, str]) -> Scope:
    parts = (f"{name}={signature[name]}" for name in sorted(signature))
    return (account, run.world.ports.key.digest(*parts))


def _holds_twin(case: Case) -> bool:
    """Whether the integration that the resource holds is of the configuration that it wants."""
    payload, view, held = case.desired.payload, case.observed.view, case.status.id
    if held is None or not isinstance(payload, Payload) or upkeep.is_gone(case):
        return False
    if upkeep.is_applied(case):
        return True
    item = view.by_id.get(held) if view is not None else None
    return item is not None and is_identical(payload.request.platform, payload.request.config, item)


async def _act(run: Run, case: Case, action: Action) -> bool:  # noqa: C901, PLR0911  # one branch for each action
    """Do it; answers whether the reconcile ends with it."""
    match action:
        case Report():
            return await looks.report(run, case, action)
        case Look():
            return await looks.look(run, case, action)
        case ConfirmAccount():
            return await looks.confirm_account(run, case)
        case Bind():
            return await writes.bind(run, case, action)
        case AddFinalizer():
            return await writes.add_finalizer(run, case)
        case Release():
            return await writes.release(run, case, action)
        case Create():
            return await writes.create(run, case, action)
        case Update():
            return await writes.update(run, case, action)
        case Delete():
            return await writes.delete(run, case, action)
        case ProveAbsence():
            return await looks.prove_absence(run, case, action)
        case Done():
            run.world.unqueue(run.entry.identity)
            return True
        case _:
            assert_never(action)
