"""Integrations that a resource owned before: NetBird stopped showing them, or an adoption elsewhere replaced them."""

from netbird_streaming.api.status import MAX_FORMER, Former, Origin
from netbird_streaming.api.timestamps import CREATED_ROUNDING, parse_time
from netbird_streaming.api.types import DriftPolicy
from netbird_streaming.core.actions import Action, DeleteFormer, ReadyState, RecordId, Report, WaitForList
from netbird_streaming.core.inputs import AccountSnapshot, DecisionInput, Target
from netbird_streaming.core.netbird.types import Integration
from netbird_streaming.errors import OperatorError
from netbird_streaming.reasons import Reason


def recorded(inputs: DecisionInput) -> tuple[Former, ...]:
    """Return the former integrations once the one that is owned is replaced."""
    status = inputs.status
    if status.id is None:
        return status.internal.former
    given_up = Former(
        id=status.id,
        authority=status.internal.authority,
        account_id=status.account_id,
        created_at=parse_time(status.created_at),
        platform=status.platform,
        origin=status.origin,
    )
    return (*status.internal.former, given_up)[-MAX_FORMER:]


def without(inputs: DecisionInput, integrations: tuple[Former, ...], integration_id: int) -> tuple[Former, ...]:
    """Return the former integrations without the one that has this id on the connection's server."""
    target = inputs.observed.target
    if isinstance(target, OperatorError):
        return integrations
    return tuple(each for each in integrations if each.id != integration_id or not _is_reachable(each, target))


def left(inputs: DecisionInput) -> tuple[Former, ...]:
    """Return the former integrations on another server, or in another account, than the connection's.

    An adoption replaced them. They are live as far as is known, and the connection's token can't reach them.
    """
    target = inputs.observed.target
    if isinstance(target, OperatorError):
        return ()
    return tuple(each for each in inputs.status.internal.former if not _is_reachable(each, target))


def describe(integrations: tuple[Former, ...]) -> str:
    """Return the integrations with their accounts, as part of a sentence."""
    return ", ".join(f"{each.id} (account {each.account_id or 'unknown'})" for each in integrations)


def _is_reachable(former: Former, target: Target) -> bool:
    if former.authority != target.authority:
        return False
    return former.account_id is None or target.account in (None, former.account_id)


def is_done(inputs: DecisionInput, integration_id: int | None) -> bool:
    """Return whether this resource owned the integration before: an adoption of it that is still declared is done."""
    gone = recorded(inputs) if inputs.memory.absence.since is not None else inputs.status.internal.former
    return any(each.id == integration_id for each in gone)


def shown(inputs: DecisionInput, snapshot: AccountSnapshot) -> list[tuple[Former, Integration]]:
    """Return the former integrations that the LIST shows again, by id, `createdAt` and platform."""
    target = inputs.observed.target
    if isinstance(target, OperatorError):
        return []
    here = (target.authority, target.account)
    there = [each for each in inputs.status.internal.former if (each.authority, each.account_id) == here]
    pairs = ((each, snapshot.by_id.get(each.id)) for each in there)
    return [
        (each, item) for each, item in pairs if item is not None and _is_same(each, item) and inputs.unowned([item])
    ]


def _is_same(former: Former, item: Integration) -> bool:
    shown, known = parse_time(item.created_at), former.created_at
    if shown is None or known is None or item.platform != former.platform:
        return False
    return abs(shown - known) <= CREATED_ROUNDING


def adopt_again(inputs: DecisionInput) -> Action | None:
    """Own an integration again that appears before another one was created in its place."""
    if not inputs.status.internal.former or inputs.status.id is not None:
        return None
    snapshot = inputs.observed.snapshot
    if snapshot is None:
        return WaitForList(inputs.observed.now)
    again = shown(inputs, snapshot)
    return RecordId(again[0][1], again[0][0].origin or Origin.CREATED) if again else None


def settle(inputs: DecisionInput) -> Action | None:
    """Delete an integration that appears again beside the one that was created in its place."""
    snapshot = inputs.observed.snapshot
    again = shown(inputs, snapshot) if snapshot is not None and inputs.status.id is not None else []
    if not again:
        return None
    spec, integration_id = inputs.desired.resource.spec, again[0][0].id
    if spec.drift_policy is DriftPolicy.CORRECT and not spec.suspend:
        return DeleteFormer(integration_id)
    message = (
        f"Integration {integration_id}, which integration {inputs.status.id} replaced, is in NetBird again. "
        "Delete one of the two in NetBird."
    )
    return Report(ReadyState.STALLED, Reason.IDENTICAL_EXISTS, message)
