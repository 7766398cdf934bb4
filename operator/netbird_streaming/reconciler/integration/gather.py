"""The inputs of a decision: the resolved connection, the payload, and what this process remembers."""

import logging
from dataclasses import replace

from netbird_streaming.core.inputs import DecisionInput, Desired, Observed, Recorded, Target, own_status_of
from netbird_streaming.core.netbird.compare import is_identical, signature
from netbird_streaming.core.netbird.payload import Payload, referenced, resolve, secret_keys
from netbird_streaming.core.netbird.secret_reader import SecretData  # noqa: TC001  # the only import that would be for types alone
from netbird_streaming.core.policies import existing
from netbird_streaming.errors import (
    EditError,
    NotInChargeError,
    OperatorError,
    WaitError,
)
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.connection.account import Account
from netbird_streaming.reconciler.connection.resolved import ResolvedConnection
from netbird_streaming.reconciler.integration.reconciliation import Reconciliation
from netbird_streaming.reconciler.listing import INTEGRATION
from netbird_streaming.reconciler.ownership import Claim, ConfigKey, Owner, account_key
from netbird_streaming.reconciler.records import ResourceRecord

logger = logging.getLogger(__name__)


async def gather(run: Reconciliation) -> DecisionInput:
    """Return the inputs of the next decision. What was read is kept for the reconcile."""
    context, record, resource = run.context, run.record, run.resource
    if run.resolved is None:
        run.resolved = await context.connections.resolve(resource)
    if isinstance(run.resolved, NotInChargeError):
        raise run.resolved
    if isinstance(run.resolved, ResolvedConnection):
        if record.account is not None and record.account is not run.resolved.account:
            record.account.forget(record.key)
        record.account = run.resolved.account
        run.list_failure = run.resolved.account.take_list_error(record.key) or run.list_failure
    if run.payload is None:
        run.payload = await _payload(run)
    _remember_first_seen(run)
    inputs = _inputs(run, run.payload, run.resolved)
    rival = _conflicting_owner(run, inputs)
    return inputs if rival is None else replace(inputs, observed=replace(inputs.observed, conflicting_owner=rival))


async def _payload(run: Reconciliation) -> Payload | OperatorError:
    spec, namespace = run.resource.spec, run.resource.metadata.namespace or ""
    if run.resource.deleting:
        return WaitError(Reason.DELETING, "The resource is being deleted.")
    if isinstance(run.resolved, OperatorError):
        return run.resolved  # Without a connection nothing is sent, so no Secret is read.
    secrets: dict[str, SecretData | None] = {}
    try:
        for name, keys in secret_keys(spec).items():
            data = await run.context.ports.cluster.secret(namespace, name)
            secrets[name] = None if data is None else referenced(data, keys)
        allowed = run.resolved is not None and run.resolved.state.connection.spec.allow_plain_http_destinations
        return resolve(spec, secrets, run.key, allow_plain_http=allowed)
    except (WaitError, EditError) as problem:
        return problem


def _remember_first_seen(run: Reconciliation) -> None:
    """Remember when things were first known, and forget a POST whose id has landed."""
    memory, now = run.record.memory, run.context.ports.clock.monotonic()
    memory = memory.id_recorded(run.stored_status.id)
    # Where nothing is created, a LIST does not have to begin after the finalizer.
    ready = run.resource.has_finalizer or (isinstance(run.resolved, ResolvedConnection) and run.resolved.observe_only)
    if ready and memory.finalizer_seen_at is None:
        memory = memory.finalizer_seen(now)
    if run.desired_status.internal.creation is not None and memory.create.ended_at is None:
        # Another process sent it. That process may be frozen, or still be within its grace time.
        memory = memory.create_ended(now + run.context.timeouts.post)
    run.record.memory = memory.requested(run.resource.metadata.reconcile_request, now)


def _inputs(
    run: Reconciliation, payload: Payload | OperatorError, resolved: ResolvedConnection | OperatorError
) -> DecisionInput:
    context, record = run.context, run.record
    account = resolved.account if isinstance(resolved, ResolvedConnection) else None
    unlisted = context.lists.unknown(INTEGRATION)
    observed = Observed(
        now=context.ports.clock.monotonic(),
        wall=context.ports.clock.now(),
        target=_target(run, resolved) if isinstance(resolved, ResolvedConnection) else resolved,
        owners=context.ownership.other_owners(_place(record, account)),
        snapshot=account.snapshot_for(record.key) if account is not None else None,
        awaited_at=account.awaited_at(record.key) if account is not None else None,
        account_since=account.known_since if account is not None else 0.0,
        deleted_at=account.deleted_at if account is not None else 0.0,
        server_now=account.server_now() if account is not None else None,
        unlisted=None if unlisted is None else str(unlisted),
        vanished=account.vanished if account is not None else frozenset(),
        partial=account is not None and bool(account.contradicted),
    )
    recorded = Recorded(run.desired_status, record.memory, own_status_of(run.resource, record.memory).restored_id)
    desired = Desired(run.resource, payload)
    return DecisionInput(desired, observed, recorded, run.key, context.timeouts, context.documentation)


def _place(record: ResourceRecord, account: Account | None) -> Owner:
    return record.at(None, None) if account is None else record.at(account.authority, account.account_id)


def _target(run: Reconciliation, resolved: ResolvedConnection) -> Target:
    account, known = resolved.account, resolved.account_id
    return Target(
        authority=account.authority,
        endpoint_digest=account.endpoint_digest,
        credential_digest=account.credential_digest,
        account=run.account_problem if known is None else known,
        allow_adoption=resolved.allow_adoption,
        tenant_id=resolved.tenant_id,
        account_checked=account.account_checked,
        observe_only=resolved.observe_only,
    )


def _conflicting_owner(run: Reconciliation, inputs: DecisionInput) -> str | None:
    """Contend for the configuration before anything is awaited. Return the resource with the better claim."""
    payload, resolved = inputs.desired.payload, run.resolved
    intent, ownership, uid = run.desired_status.internal.creation, run.context.ownership, run.record.uid
    if not isinstance(resolved, ResolvedConnection):
        return None
    wanted: dict[ConfigKey, Claim] = {}
    own = _configuration(run, payload) if isinstance(payload, Payload) else None
    if own is not None:
        scope = (resolved.account.ownership_scope, own)
        held = run.desired_status.id is not None and not existing.is_gone(inputs) and ownership.owns(uid, scope)
        wanted[scope] = Claim.OWNED if held or _owns_identical(inputs) else Claim.NONE
    intended = _intended(run, payload, own)
    if intent is not None and intended is not None:
        # The intent may have created something, whatever the resource wants now.
        accounts = [resolved.account.ownership_scope, run.context.connections.ownership_scope(intent.endpoint)]
        if intent.authority is not None and intent.account_id is not None:
            accounts.append(account_key(intent.authority, intent.account_id))
        for account in accounts:
            scope = (account, intended)
            wanted[scope] = max(wanted.get(scope, Claim.NONE), Claim.CREATING)
    if intent is None or intended is not None:
        ownership.resolve_restored_create(uid)
    if not wanted:
        return None
    created = run.resource.metadata.creation_timestamp.timestamp()
    viewer = _place(run.record, resolved.account)
    rival = ownership.contend(wanted, viewer, created)
    if rival is None and isinstance(payload, Payload):
        key, request = run.context.ports.key, payload.request
        return ownership.find_restored_create(
            viewer,
            resolved.account.endpoint_digest,
            lambda uid: signature(request.platform, request.config, key.of(uid)),
        )
    return rival


def _configuration(run: Reconciliation, payload: Payload) -> str:
    """Return a digest of the values that distinguish integrations. It is never stored."""
    known = signature(payload.request.platform, payload.request.config, run.context.ports.key)
    return run.context.ports.key.digest(*(f"{name}={known[name]}" for name in sorted(known)))


def _intended(run: Reconciliation, payload: Payload | OperatorError | None, own: str | None) -> str | None:
    """Return the digest of the configuration of the open intent, if this process knows it."""
    intent = run.desired_status.internal.creation
    if intent is None:
        run.context.ownership.settle(run.record.uid)
        return None
    same = isinstance(payload, Payload) and dict(payload.signature) == intent.signature
    return own if same else run.context.ownership.intended(run.record.uid)


def _owns_identical(inputs: DecisionInput) -> bool:
    """Return whether the integration of the resource has the wanted configuration."""
    payload, snapshot = inputs.desired.payload, inputs.observed.snapshot
    if inputs.status.id is None or not isinstance(payload, Payload) or existing.is_gone(inputs):
        return False
    if existing.is_applied(inputs):
        return True
    item = inputs.held(snapshot)
    return item is not None and is_identical(payload.request.platform, payload.request.config, item)
