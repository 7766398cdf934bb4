"""Policy for a connection that is observed only: what would be written to NetBird is reported instead."""

from typing import Final, TypeGuard

from netbird_streaming.api.status import Origin
from netbird_streaming.core.actions import (
    Action,
    Create,
    Delete,
    DeleteFormer,
    ReadyState,
    RecordId,
    Report,
    Update,
    Write,
)
from netbird_streaming.core.inputs import DecisionInput, Target
from netbird_streaming.core.netbird import compare
from netbird_streaming.core.netbird.payload import Payload
from netbird_streaming.core.netbird.types import Integration
from netbird_streaming.reasons import Reason

SECRET_VALUES: Final = "Secret values"  # noqa: S105  # words of a message


def hold_back(inputs: DecisionInput, action: Action) -> Action:
    """Return the action, or the report of a write that the connection does not allow.

    The id of an integration that we created is recorded in any case: otherwise it would be forgotten.
    """
    target = inputs.observed.target
    if not isinstance(target, Target) or not target.observe_only or not is_write(action):
        return action
    message = f"The operator would {describe(inputs, action)}. {Reason.OBSERVE_ONLY.remedy}"
    drifted = message if isinstance(action, Update) and action.correction is not None else None
    return Report(ReadyState.SUSPENDED, Reason.OBSERVE_ONLY, message, drifted=drifted, planned=action)


def describe(inputs: DecisionInput, action: Write) -> str:
    """Return what the action does, beginning with a verb. Fields are named without their values."""
    match action:
        case Create():
            return f"create a {action.payload.request.platform} integration"
        case RecordId():
            return f"adopt integration {action.item.id} and send all settings{_differing(inputs, action.item)}"
        case Update():
            return f"update {', '.join(changed_fields(inputs, action))} of integration {action.id}"
        case Delete():
            return f"delete integration {action.id}"
        case DeleteFormer():
            return f"delete integration {action.id}, which was replaced and appeared again"


def changed_fields(inputs: DecisionInput, action: Write) -> tuple[str, ...]:
    """Return the settings that the write changes, by the names that NetBird gives them."""
    match action:
        case RecordId():
            return _unlike(inputs, action.item)
        case Update():
            snapshot = inputs.observed.snapshot
            item = None if snapshot is None else snapshot.by_id.get(action.id)
            return (() if item is None else _unlike(inputs, item)) or (SECRET_VALUES,)
        case Create() | Delete() | DeleteFormer():
            return ()


def is_write(action: Action) -> TypeGuard[Write]:
    """Return whether the action writes to NetBird, or takes an integration over."""
    if isinstance(action, RecordId):
        return action.origin is Origin.ADOPTED
    return isinstance(action, Create | Update | Delete | DeleteFormer)


def _differing(inputs: DecisionInput, item: Integration) -> str:
    fields = _unlike(inputs, item)
    return f" (it differs in {', '.join(fields)})" if fields else ""


def _unlike(inputs: DecisionInput, item: Integration) -> tuple[str, ...]:
    payload = inputs.desired.payload
    if not isinstance(payload, Payload):
        return ()
    request = payload.request
    toggled = item.enabled not in (None, request.enabled)
    return (*compare.unlike(request.platform, request.config, item), *(["enabled"] if toggled else []))
