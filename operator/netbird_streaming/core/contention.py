"""The limit on writes that work against another client of NetBird."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from netbird_streaming.api.status import MAX_CORRECTIONS
from netbird_streaming.api.timestamps import is_recent
from netbird_streaming.core.actions import Report, refuse
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.reasons import Reason

CONTENTION_WINDOW: Final = timedelta(hours=1)


def contended(inputs: DecisionInput, sentence: str) -> Report | None:
    """Return the report that no further correction or re-creation is made, or None where one may be."""
    wall = inputs.observed.wall
    recent = [each for each in inputs.status.internal.corrections if is_recent(each.at, wall, within=CONTENTION_WINDOW)]
    if (len(recent) < MAX_CORRECTIONS and not _is_reported(inputs)) or is_requested(inputs):
        return None
    report = refuse(Reason.CONTENDED, f"{sentence} The operator corrected it {MAX_CORRECTIONS} times within an hour.")
    return replace(report, drifted=report.message)


def is_requested(inputs: DecisionInput) -> bool:
    """Return whether a user requested a reconcile that was not handled yet."""
    return inputs.desired.requested not in (None, inputs.status.last_handled_reconcile_at)


def _is_reported(inputs: DecisionInput) -> bool:
    return any(each.reason == Reason.CONTENDED and each.status == "True" for each in inputs.status.conditions)
