"""The actions that change something, in the order that keeps the promises: durable intent, request, durable result."""

import logging
from dataclasses import replace
from typing import Final

from netbird_streaming.api.status import Applied, Origin
from netbird_streaming.api.timestamps import latest
from netbird_streaming.core import former
from netbird_streaming.core.actions import (
    Create,
    Delete,
    DeleteFormer,
    ReadyState,
    RecordId,
    RemoveFinalizer,
    Report,
    Update,
)
from netbird_streaming.core.actions import report_of as standing
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.memory import CreatedIntegration
from netbird_streaming.core.netbird import compare
from netbird_streaming.core.netbird.payload import Payload
from netbird_streaming.core.netbird.types import Integration
from netbird_streaming.core.policies.drift import overwrites_foreign_change
from netbird_streaming.core.status import updates
from netbird_streaming.core.status.conditions import readiness
from netbird_streaming.core.status.events import deletion_events
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
from netbird_streaming.reconciler.connection.finalizer import ensure_finalizer
from netbird_streaming.reconciler.connection.resolved import ResolvedConnection
from netbird_streaming.reconciler.integration.execute_reads import note_missing, report_error
from netbird_streaming.reconciler.integration.reconciliation import Reconciliation, read_latest

logger = logging.getLogger(__name__)

_DELETING: Final = Report(ReadyState.RECONCILING, Reason.PROGRESSING, "The integration is being deleted in NetBird.")
_LOGGED_ORIGINS: Final = {Origin.ADOPTED: "adopted", Origin.INFERRED: "inferred"}


async def add_finalizer(run: Reconciliation, inputs: DecisionInput) -> bool:
    """Put our finalizer on the resource, and on the connection whose token will be needed to delete."""
    try:
        if isinstance(run.resolved, ResolvedConnection):
            await ensure_finalizer(run.context, run.resolved.state)
        with run.context.triggers.hold_events(run.record):
            held = await run.context.ports.cluster.add_finalizer(run.resource)
            run.use_version(held)
            run.context.triggers.apply_response(run.record, held)
    except (ConflictError, ObjectGoneError) as refusal:
        await run.refresh(refusal)
        return False
    except OperatorError as problem:
        return await _report_write_error(run, inputs, problem)
    run.record.memory = run.record.memory.finalizer_seen(run.context.ports.clock.monotonic())
    return False


async def remove_finalizer(run: Reconciliation, inputs: DecisionInput, action: RemoveFinalizer) -> bool:
    """Let the resource go."""
    # Its watch may tell that it is gone before the write is answered.
    run.record.releasing = True
    try:
        return await _remove_finalizer(run, inputs, action)
    finally:
        run.record.releasing = False


async def _remove_finalizer(run: Reconciliation, inputs: DecisionInput, action: RemoveFinalizer) -> bool:
    try:
        await run.context.ports.cluster.remove_finalizer(run.resource)
    except ConflictError as refusal:
        await run.refresh(refusal)
        return False
    except OperatorError as problem:
        return await _report_write_error(run, inputs, problem)
    if action.absent:
        ids = {"integrations": action.absent, "reason": Reason.REMOTE_DELETED}
        logger.warning("released: NetBird does not show what the operator did not delete", extra=ids)
    run.context.ports.cluster.publish(run.resource, list(deletion_events(run.desired_status, action)))
    run.record.memory = run.record.memory.created_handled()
    _log_done("orphaned" if action.note is not None else "released", Reason.DELETING, run.desired_status.id)
    run.context.triggers.forget(run.record.key, run.record.uid)
    return True


async def _report_write_error(run: Reconciliation, inputs: DecisionInput, problem: OperatorError) -> bool:
    """Kubernetes fails a write of the resource: its status, which is authorised and admitted apart, says why."""
    if not isinstance(problem, LeaseLostError):
        before, run.desired_status = run.desired_status, updates.reported(inputs, standing(problem))
        try:
            await run.write_status()
        except OperatorError:
            # A later write that succeeds must not report a refusal that it disproves.
            run.desired_status = before
            raise
    raise problem


async def record_id(run: Reconciliation, inputs: DecisionInput, action: RecordId) -> bool:
    """Hold the id, in memory before anything is awaited; it is written with what follows, or at once."""
    run.desired_status = updates.with_id(inputs, action)
    owner = run.record.at(run.desired_status.internal.authority, run.desired_status.account_id, action.item.created_at)
    run.context.ownership.own(owner, action.item.id)
    done = _LOGGED_ORIGINS.get(action.origin)
    if done is None:
        return False
    # Nothing was done in NetBird yet, so there is nothing to remember: what was decided is decided again.
    try:
        if not await run.write_status():
            run.desired_status = run.stored_status
            return False
    except OperatorError:
        run.desired_status = run.stored_status
        raise
    _log_done(done, Reason.PROGRESSING, action.item.id)
    return False


async def create(run: Reconciliation, inputs: DecisionInput, action: Create) -> bool:
    """The intent, as a compare-and-swap with the version at hand; then the POST, with what the intent names."""
    if not isinstance(run.resolved, ResolvedConnection):
        return True
    memory = run.record.memory
    run.context.ownership.mark_creating(run.record.uid)
    if inputs.status.id is not None:
        run.mark_drift()  # what it held is proven to be gone, or it would not be created
    try:
        with run.context.triggers.hold_events(run.record):
            run.status_written(
                await run.context.ports.cluster.write_status(run.resource, updates.with_intent(inputs, action))
            )
    except (ConflictError, ObjectGoneError) as refusal:
        await run.refresh(refusal)
        return False
    except WaitError as problem:
        # Refused, perhaps for the intent alone: by definitions that are older than it.
        return await _report_write_error(run, inputs, problem)
    except OperatorError:
        run.record.cache.put(None)
        run.record.memory = memory.create_unsent(action.intent)
        raise
    run.context.ownership.own(run.record.at(None, None), None)
    run.record.memory = memory.create_begins()
    if run.resolved.account.credential_digest != action.intent.proof:
        # Another token by now, perhaps of another account: what is sent with it takes another LIST and intent.
        run.record.memory = run.record.memory.create_unsent(action.intent)
        return False
    return await _post(run, inputs, action, run.resolved)


async def _post(run: Reconciliation, inputs: DecisionInput, action: Create, resolved: ResolvedConnection) -> bool:
    account = resolved.account
    authority, credential_digest = account.authority, account.credential_digest
    try:
        async with run.sending(account.client) as client:
            item = await client.create(action.payload.request, run.send_priority)
    except LeaseLostError:
        raise
    except OperatorError as problem:
        return await _on_create_error(run, inputs, problem)
    finally:
        run.record.memory = run.record.memory.create_ended(run.context.ports.clock.monotonic())
    if item.account_id is not None and account.account_id is None:
        account.set_account_id(item.account_id, credential_digest)
        run.context.queue.add(resolved.state.connection.key)
    item = replace(item, account_id=item.account_id or action.intent.account_id)
    owner = run.context.ownership.other_owners(run.record.at(authority, item.account_id)).owner(item)
    if owner is not None:
        message = f"NetBird answered the create with the id {item.id}, which resource {owner} holds."
        return await _on_create_error(run, inputs, RetryError(Reason.UNEXPECTED_ANSWER, message, effect=Effect.UNKNOWN))
    run.record.create_account = account
    _created(run, _posted(run, action.payload, item, (authority, credential_digest)))
    return False


def _posted(run: Reconciliation, payload: Payload, item: Integration, sent: tuple[str, str]) -> CreatedIntegration:
    """Return what came of a POST, and in which form this server shows what was sent.

    No later answer tells such a form from a value that another client has set.
    """
    request = payload.request
    applied = Applied(fingerprint=payload.fingerprint, key_id=payload.key_id)
    normalized = compare.differences(request.platform, request.config, item, run.key)
    return CreatedIntegration(item, *sent, applied, payload.public, request.enabled, normalized)


def _created(run: Reconciliation, created: CreatedIntegration) -> None:
    """The id is remembered until it is written, and is the resource's from now on."""
    now, item = run.context.ports.clock.monotonic(), created.item
    run.record.memory = run.record.memory.created(created, now)
    run.context.ownership.own(run.record.at(created.authority, item.account_id, item.created_at), item.id)
    run.clear_drift()
    _log_done("created", Reason.PROGRESSING, item.id)


async def _on_create_error(run: Reconciliation, inputs: DecisionInput, problem: OperatorError) -> bool:
    """Refused, so that nothing happened: the intent goes. Unknown: it stays, and the decision knows what follows."""
    if problem.effect is Effect.UNKNOWN:
        logger.warning("create unanswered: %s", problem.message, extra={"reason": problem.reason})
        run.record.memory = run.record.memory.create_unanswered(problem.message)
        return False
    run.desired_status = updates.create_refused(run.desired_status)
    return await report_error(run, _with_status(inputs, run), problem)


async def update(run: Reconciliation, inputs: DecisionInput, action: Update) -> bool:
    """PUT everything. It may be repeated after a look, so only an id that has not landed is written before it."""
    if not isinstance(run.resolved, ResolvedConnection):
        return True
    # Of the account that the decision rests on, though the token may change while the status is written.
    bound = run.resolved.account.client
    if run.record.cache.may_be_stale:
        run.use_version(await read_latest(run.context, run.record))
        return False
    if run.is_dirty and not await run.write_status():
        return False
    if overwrites_foreign_change(inputs, action):
        run.mark_drift()
    memory, clock = run.record.memory, run.context.ports.clock
    try:
        async with run.sending(bound) as client:
            answer = await client.update(action.id, action.payload.request, run.send_priority)
    except NotFoundError:
        return await _on_not_found(run, inputs, action.id)
    except LeaseLostError:
        raise
    except OperatorError as problem:
        if problem.effect is Effect.UNKNOWN:
            now = clock.monotonic()
            run.record.memory = memory.update_unanswered(now, now + run.context.timeouts.late_commit)
            run.desired_status = updates.corrected(run.desired_status, action)
        return await report_error(run, _with_status(inputs, run), problem)
    _updated(run, inputs, action, answer)
    return False


def _updated(run: Reconciliation, inputs: DecisionInput, action: Update, answer: Integration) -> None:
    memory = run.record.memory
    run.clear_drift()
    now = run.context.ports.clock.monotonic()
    window = run.context.timeouts.post + run.context.timeouts.late_commit
    late = memory.write.overtaken_until(now, window, by_another_process=inputs.status.internal.applied is not None)
    again = action.correction is not None or action.resent_at is not None
    doubtful = again or memory.write.unknown_at is not None
    undone = action.correction.updated_at if action.correction is not None else None
    former = latest(inputs.status.updated_at, answer.updated_at, undone)
    run.record.memory = memory.updated(now, former, late, verify=doubtful)
    if late is not None and isinstance(run.resolved, ResolvedConnection):
        # What may overtake this write can be told from it once a LIST has shown when NetBird took it.
        run.resolved.account.due_at = min(run.resolved.account.due_at, now)
        run.context.queue.add(run.resolved.state.connection.key)
    run.desired_status = updates.updated(_with_status(inputs, run), action, answer)
    if not again:
        _log_done("updated", Reason.PROGRESSING, action.id)
    else:
        _log_done("corrected", Reason.DRIFTED, action.id)


async def delete(run: Reconciliation, inputs: DecisionInput, action: Delete) -> bool:
    """DELETE; once it is accepted, the finalizer may go. A status that says Ready is corrected first."""
    if not isinstance(run.resolved, ResolvedConnection):
        return True
    if readiness(run.stored_status.conditions).ready:
        # Where the status can't be written, nothing is deleted: it would say Ready of what is gone.
        run.desired_status = updates.reported(inputs, _DELETING)
        if not await run.write_status():
            return False
    memory, clock, account = run.record.memory, run.context.ports.clock, run.resolved.account
    try:
        async with run.sending(account.client) as client:
            await client.delete(action.id, run.send_priority)
    except NotFoundError:
        return await _on_not_found(run, inputs, action.id)
    except LeaseLostError:
        raise
    except OperatorError as problem:
        if problem.effect is Effect.UNKNOWN:
            run.record.memory = memory.delete_unanswered(clock.monotonic())
        return await report_error(run, inputs, problem)
    account.deleted_at = clock.monotonic()
    run.record.memory = memory.deleted()
    _log_done("deleted", Reason.DELETING, action.id)
    return False


async def delete_former(run: Reconciliation, inputs: DecisionInput, action: DeleteFormer) -> bool:
    """DELETE what was owned before and appeared again; it is repeated after a LIST that shows it still."""
    if not isinstance(run.resolved, ResolvedConnection):
        return True
    account = run.resolved.account
    try:
        async with run.sending(account.client) as client:
            await client.delete(action.id, run.priority)
    except NotFoundError:
        pass
    except LeaseLostError:
        raise
    except OperatorError as problem:
        return await report_error(run, inputs, problem)
    account.deleted_at = run.context.ports.clock.monotonic()
    others = former.without(inputs, inputs.status.internal.former, action.id)
    run.desired_status = run.desired_status.evolve(former=others)
    logger.warning("deleted", extra={"reason": Reason.REMOTE_DELETED, "integration": action.id})
    await run.write_status()
    return False


async def _on_not_found(run: Reconciliation, inputs: DecisionInput, integration_id: int) -> bool:
    """Half of a proof that it is gone; where a LIST since the last such answer showed it, a contradiction."""
    missing = inputs.memory.absence.not_found_at
    snapshot = inputs.list_since(missing) if missing is not None else None
    if snapshot is not None and integration_id in snapshot.by_id:
        message = (
            f"NetBird's list shows integration {integration_id}, but by id NetBird has none (404). It is tried again."
        )
        return await report_error(run, inputs, RetryError(Reason.UNEXPECTED_ANSWER, message))
    note_missing(run)
    return False


def _with_status(inputs: DecisionInput, run: Reconciliation) -> DecisionInput:
    return replace(inputs, recorded=replace(inputs.recorded, status=run.desired_status))


def _log_done(what: str, reason: Reason, integration_id: int | None) -> None:
    """The line for something that was done in NetBird, or to whose it is."""
    logger.info(what, extra={"reason": reason, "integration": integration_id})
