"""The create, in the order that keeps the promises: the intent in the status, the POST, the id in the status."""

import logging
from dataclasses import replace
from typing import Final

from netbird_streaming.api.status import Applied, Origin
from netbird_streaming.core.actions import (
    Create,
    RecordId,
)
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.memory import CreatedIntegration
from netbird_streaming.core.netbird import compare
from netbird_streaming.core.netbird.payload import Payload
from netbird_streaming.core.netbird.types import Integration
from netbird_streaming.core.status import updates
from netbird_streaming.core.status.events import unmanaged_note
from netbird_streaming.errors import (
    ConflictError,
    Effect,
    LeaseLostError,
    ObjectGoneError,
    OperatorError,
    RetryError,
    WaitError,
)
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler import reporting
from netbird_streaming.reconciler.connection.resolved import ResolvedConnection
from netbird_streaming.reconciler.integration.finish import report_error, report_write_error
from netbird_streaming.reconciler.integration.reconciliation import Next, Reconciliation

logger = logging.getLogger(__name__)

_LOGGED_ORIGINS: Final = {Origin.ADOPTED: "adopted", Origin.INFERRED: "inferred"}


async def record_id(run: Reconciliation, inputs: DecisionInput, action: RecordId) -> Next:
    """Claim the id before anything is awaited. It is written with the next status, or now."""
    run.desired_status = updates.with_id(inputs, action)
    owner = run.record.at(run.desired_status.internal.authority, run.desired_status.account_id, action.item.created_at)
    run.context.ownership.own(owner, action.item.id)
    done = _LOGGED_ORIGINS.get(action.origin)
    if done is None:
        return Next.CONTINUE
    # Nothing was done in NetBird yet, so nothing needs to be remembered: the decision is repeated.
    try:
        if not await run.write_status():
            run.desired_status = run.stored_status
            return Next.CONTINUE
    except OperatorError:
        run.desired_status = run.stored_status
        raise
    reporting.log_done(done, Reason.PROGRESSING, action.item.id)
    return Next.CONTINUE


async def create(run: Reconciliation, inputs: DecisionInput, action: Create) -> Next:
    """Write the intent with the known resourceVersion, then send the POST."""
    if not isinstance(run.resolved, ResolvedConnection):
        return Next.STOP
    memory = run.record.memory
    run.context.ownership.mark_creating(run.record.uid)
    if inputs.status.id is not None:
        run.mark_drift()  # the former integration is proven to be gone
    try:
        with run.context.triggers.hold_events(run.record):
            run.status_written(
                await run.context.ports.cluster.write_status(run.resource, updates.with_intent(inputs, action))
            )
    except (ConflictError, ObjectGoneError) as refusal:
        await run.refresh(refusal)
        return Next.CONTINUE
    except WaitError as problem:
        # The refusal may concern the intent alone, with CRDs that are older than it.
        return await report_write_error(run, inputs, problem)
    except OperatorError:
        run.record.cache.put(None)
        run.record.memory = memory.create_unsent(action.intent)
        raise
    run.context.ownership.own(run.record.at(None, None), None)
    run.record.memory = memory.create_begins()
    if run.resolved.account.credential_digest != action.intent.proof:
        # The token changed, possibly to another account: it needs another LIST and intent.
        run.record.memory = run.record.memory.create_unsent(action.intent)
        return Next.CONTINUE
    return await _post(run, inputs, action, run.resolved)


async def _post(run: Reconciliation, inputs: DecisionInput, action: Create, resolved: ResolvedConnection) -> Next:
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
    if action.unmanaged:
        run.context.ports.cluster.publish(run.resource, [unmanaged_note(item.id, action.unmanaged)])
    return Next.CONTINUE


def _posted(run: Reconciliation, payload: Payload, item: Integration, sent: tuple[str, str]) -> CreatedIntegration:
    """Return the outcome of a POST, with the form in which this server shows the values.

    In a later answer such a form can't be distinguished from a change by another client.
    """
    request = payload.request
    applied = Applied(fingerprint=payload.fingerprint, key_id=payload.key_id)
    normalized = compare.differences(request.platform, request.config, item, run.key)
    return CreatedIntegration(item, *sent, applied, payload.public, request.enabled, normalized)


def _created(run: Reconciliation, created: CreatedIntegration) -> None:
    """Remember the id until it is written, and claim it for the resource."""
    now, item = run.context.ports.clock.monotonic(), created.item
    run.record.memory = run.record.memory.created(created, now)
    run.context.ownership.own(run.record.at(created.authority, item.account_id, item.created_at), item.id)
    run.clear_drift()
    reporting.log_done("created", Reason.PROGRESSING, item.id)


async def _on_create_error(run: Reconciliation, inputs: DecisionInput, problem: OperatorError) -> Next:
    """Remove the intent if the POST was refused. If the outcome is unknown, the intent stays."""
    if problem.effect is Effect.UNKNOWN:
        logger.warning("create unanswered: %s", problem.message, extra={"reason": problem.reason})
        run.record.memory = run.record.memory.create_unanswered(problem.message)
        return Next.CONTINUE
    run.desired_status = updates.create_refused(run.desired_status)
    return await report_error(run, run.with_status(inputs), problem)
