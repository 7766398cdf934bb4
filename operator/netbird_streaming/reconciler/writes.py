"""The actions that change something, in the order that keeps the promises: durable intent, request, durable result."""

import logging
from dataclasses import replace
from typing import Final

from netbird_streaming.core import transitions
from netbird_streaming.core.actions import Bind, Create, Delete, Release, Update
from netbird_streaming.core.actions import failed as standing
from netbird_streaming.core.drift import is_of_somebody_else
from netbird_streaming.core.events import release_note
from netbird_streaming.core.facts import Case, Memory, Posted
from netbird_streaming.core.remote import Integration
from netbird_streaming.core.status import Applied, Origin
from netbird_streaming.core.times import NEVER, latest
from netbird_streaming.errors import (
    ConflictError,
    Effect,
    LeaseLostError,
    NotFoundError,
    ObjectGoneError,
    OperatorError,
    RetryError,
    WaitError,
)
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.looks import failed
from netbird_streaming.reconciler.run import Run, newest
from netbird_streaming.reconciler.way import Way

log = logging.getLogger(__name__)

MOST_UNSENT: Final = 8
"""Intents. One that is forgotten is taken for sent: its resource waits for an outcome that there is none of."""
_BINDINGS: Final = {Origin.ADOPTED: "adopted", Origin.INFERRED: "inferred"}


async def add_finalizer(run: Run, case: Case) -> bool:
    """Put our finalizer on the resource, and on the connection whose token will be needed to delete."""
    try:
        if isinstance(run.way, Way):
            await run.world.secure(run.way.link)
        with run.world.writing(run.entry):
            run.take(await run.world.ports.cluster.add_finalizer(run.resource))
    except (ConflictError, ObjectGoneError) as refusal:
        await run.read_again(refusal)
        return False
    except OperatorError as problem:
        return await _refused(run, case, problem)
    run.entry.memory = run.entry.memory.having(finalizer_seen=run.world.ports.clock.monotonic())
    return False


async def release(run: Run, case: Case, action: Release) -> bool:
    """Let the resource go."""
    # Its watch may tell that it is gone before the write is answered.
    run.world.releasing.add(run.entry.uid)
    try:
        return await _release(run, case, action)
    finally:
        run.world.releasing.discard(run.entry.uid)


async def _release(run: Run, case: Case, action: Release) -> bool:
    try:
        await run.world.ports.cluster.remove_finalizer(run.resource)
    except ConflictError as refusal:
        await run.read_again(refusal)
        return False
    except OperatorError as problem:
        return await _refused(run, case, problem)
    note = release_note(run.status, action)
    if note is not None:
        run.world.ports.cluster.publish(run.resource, [note])
    run.entry.memory = run.entry.memory.having(posted=None)
    _did("orphaned" if action.note is not None else "released", Reason.DELETING, run.status.id)
    run.world.forget(run.entry.identity, run.entry.uid)
    return True


async def _refused(run: Run, case: Case, problem: OperatorError) -> bool:
    """Kubernetes fails a write of the resource: its status, which is authorised and admitted apart, says why."""
    if not isinstance(problem, LeaseLostError):
        before, run.status = run.status, transitions.reported(case, standing(problem))
        try:
            await run.flush()
        except OperatorError:
            # A later write that succeeds must not report a refusal that it disproves.
            run.status = before
            raise
    raise problem


async def bind(run: Run, case: Case, action: Bind) -> bool:
    """Hold the id, in memory before anything is awaited; it is written with what follows, or at once."""
    run.status = transitions.bound(case, action)
    run.world.claims.hold(run.entry.at(run.status.internal.authority, run.status.account_id), action.item.id)
    done = _BINDINGS.get(action.origin)
    if done is None:
        return False
    # Nothing was done in NetBird yet, so there is nothing to remember: what was decided is decided again.
    try:
        if not await run.flush():
            run.status = run.base
            return False
    except OperatorError:
        run.status = run.base
        raise
    _did(done, Reason.PROGRESSING, action.item.id)
    return False


async def create(run: Run, case: Case, action: Create) -> bool:
    """The intent, as a compare-and-swap with the version at hand; then the POST, with what the intent names."""
    if not isinstance(run.way, Way):
        return True
    memory = run.entry.memory
    run.world.claims.intend(run.entry.uid)
    if case.status.id is not None:
        run.world.found_drift(run.entry)  # what it held is proven to be gone, or it would not be created
    try:
        with run.world.writing(run.entry):
            run.landed(await run.world.ports.cluster.write_status(run.resource, transitions.intending(case, action)))
    except (ConflictError, ObjectGoneError) as refusal:
        await run.read_again(refusal)
        return False
    except WaitError as problem:
        # Refused, perhaps for the intent alone: by definitions that are older than it.
        return await _refused(run, case, problem)
    except OperatorError:
        run.entry.resource = None
        run.entry.memory = memory.having(unsent=(*memory.unsent, action.intent)[-MOST_UNSENT:])
        raise
    run.world.claims.hold(run.entry.at(None, None), None)
    run.entry.memory = Memory(finalizer_seen=memory.finalizer_seen, asked=memory.asked, asked_at=memory.asked_at)
    if run.way.account.proof != action.intent.proof:
        # Another token by now, perhaps of another account: what is sent with it takes another LIST and intent.
        run.entry.memory = run.entry.memory.having(unsent=(action.intent,))
        return False
    return await _post(run, case, action, run.way)


async def _post(run: Run, case: Case, action: Create, way: Way) -> bool:
    account = way.account
    authority, proof = account.authority, account.proof
    try:
        async with run.sending(account.client) as client:
            item = await client.create(action.payload.request, run.priority)
    except LeaseLostError:
        raise
    except OperatorError as problem:
        return await _not_created(run, case, problem)
    finally:
        run.entry.memory = run.entry.memory.having(intent_over=run.world.ports.clock.monotonic())
    if item.account_id is not None and account.account_id is None:
        account.learn(item.account_id, proof)
        run.world.queue.add(way.link.connection.identity)
    item = replace(item, account_id=item.account_id or action.intent.account_id)
    owner = run.world.claims.holders(run.entry.at(authority, item.account_id)).owner(item.id)
    if owner is not None:
        message = f"NetBird answered the create with the id {item.id}, which resource {owner} holds."
        return await _not_created(run, case, RetryError(Reason.UNEXPECTED_ANSWER, message, effect=Effect.UNKNOWN))
    run.entry.maker = account
    _created(run, action, item, (authority, proof))
    return False


def _created(run: Run, action: Create, item: Integration, sent: tuple[str, str]) -> None:
    """The id is remembered until it is written, and is the resource's from now on."""
    payload, (authority, proof) = action.payload, sent
    applied = Applied(fingerprint=payload.fingerprint, key_id=payload.key_id)
    posted = Posted(item, authority, proof, applied, payload.public, payload.request.enabled)
    now = run.world.ports.clock.monotonic()
    run.entry.memory = run.entry.memory.having(posted=posted, written=now, former=NEVER, intent_over=None)
    run.world.claims.hold(run.entry.at(authority, item.account_id), item.id)
    run.world.accepted(run.entry)
    _did("created", Reason.PROGRESSING, item.id)


async def _not_created(run: Run, case: Case, problem: OperatorError) -> bool:
    """Refused, so that nothing happened: the intent goes. Unknown: it stays, and the decision knows what follows."""
    if problem.effect is Effect.UNKNOWN:
        log.warning("create unanswered: %s", problem.message, extra={"reason": problem.reason})
        run.entry.memory = run.entry.memory.having(unanswered=problem.message)
        return False
    run.status = transitions.refused(run.status)
    return await failed(run, _with_status(case, run), problem)


async def update(run: Run, case: Case, action: Update) -> bool:
    """PUT everything. It may be repeated after a look, so only an id that has not landed is written before it."""
    if not isinstance(run.way, Way):
        return True
    # Of the account that the decision rests on, though the token may change while the status is written.
    bound = run.way.account.client
    if run.entry.rested:
        run.take(await newest(run.world, run.entry))
        return False
    if run.is_dirty and not await run.flush():
        return False
    if is_of_somebody_else(case, action):
        run.world.found_drift(run.entry)
    memory, clock = run.entry.memory, run.world.ports.clock
    try:
        async with run.sending(bound) as client:
            answer = await client.update(action.id, action.payload.request, run.priority)
    except NotFoundError:
        return await _not_there(run, case, action.id)
    except LeaseLostError:
        raise
    except OperatorError as problem:
        if problem.effect is Effect.UNKNOWN:
            now = clock.monotonic()
            run.entry.memory = memory.having(unknown_write=now, late_until=now + run.world.limits.late_commit)
            run.status = transitions.corrected(run.status, action.correction)
        return await failed(run, _with_status(case, run), problem)
    _updated(run, case, action, answer)
    return False


def _updated(run: Run, case: Case, action: Update, answer: Integration) -> None:
    memory = run.entry.memory
    run.world.accepted(run.entry)
    now = run.world.ports.clock.monotonic()
    late = _late_until(run, case, now)
    doubtful = action.correction is not None or memory.unknown_write is not None
    undone = action.correction.updated_at if action.correction is not None else None
    former = latest(case.status.updated_at, answer.updated_at, undone)
    run.entry.memory = memory.having(
        written=now,
        former=former,
        unknown_write=None,
        late_until=late,
        stamp=None,
        doubtful=doubtful,
        missing=None,
    )
    if late is not None and isinstance(run.way, Way):
        # What may overtake this write can be told from it once a LIST has shown when NetBird took it.
        run.way.account.due_at = min(run.way.account.due_at, now)
        run.world.queue.add(run.way.link.connection.identity)
    run.status = transitions.updated(_with_status(case, run), action, answer)
    if action.correction is None:
        _did("updated", Reason.PROGRESSING, action.id)
    else:
        _did("corrected", Reason.DRIFTED, action.id)


def _late_until(run: Run, case: Case, now: float) -> float | None:
    """Until when a PUT from before may overtake the one that was just answered; None where none can."""
    memory, limits = run.entry.memory, run.world.limits
    if memory.written is None and memory.looked is None and case.status.internal.applied is not None:
        # This process' first: the one before it may have sent another.
        return now + limits.post + limits.late_commit
    return memory.late_until if memory.late_until is not None and memory.late_until > now else None


async def delete(run: Run, case: Case, action: Delete) -> bool:
    """DELETE; once it is accepted, the finalizer may go."""
    if not isinstance(run.way, Way):
        return True
    memory, clock, account = run.entry.memory, run.world.ports.clock, run.way.account
    try:
        async with run.sending(account.client) as client:
            await client.delete(action.id, run.priority)
    except NotFoundError:
        return await _not_there(run, case, action.id)
    except LeaseLostError:
        raise
    except OperatorError as problem:
        if problem.effect is Effect.UNKNOWN:
            run.entry.memory = memory.having(unknown_write=clock.monotonic())
        return await failed(run, case, problem)
    account.deleted_at = clock.monotonic()
    run.entry.memory = memory.having(deleted=True, posted=None)
    _did("deleted", Reason.DELETING, action.id)
    return False


async def _not_there(run: Run, case: Case, integration_id: int) -> bool:
    """Half of a proof that it is gone; where a LIST since the last such answer showed it, a contradiction."""
    missing = case.memory.missing
    view = case.seen_since(missing) if missing is not None else None
    if view is not None and integration_id in view.by_id:
        message = (
            f"NetBird's list shows integration {integration_id}, but by id NetBird has none (404). It is tried again."
        )
        return await failed(run, case, RetryError(Reason.UNEXPECTED_ANSWER, message))
    run.entry.memory = run.entry.memory.having(missing=run.world.ports.clock.monotonic())
    return False


def _with_status(case: Case, run: Run) -> Case:
    return replace(case, remembered=replace(case.remembered, status=run.status))


def _did(what: str, reason: Reason, integration_id: int | None) -> None:
    """The line for something that was done in NetBird, or to whose it is."""
    log.info(what, extra={"reason": reason, "integration": integration_id})
