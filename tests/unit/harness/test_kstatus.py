"""The rules of kstatus, one by one, as in its documentation."""

from typing import Any

import pytest

from tests.harness.gitops.kstatus import Result, compute

TRUE_READY = {"Ready": "True"}


def resource(conditions: dict[str, str], observed: int | None = 3, **metadata: Any) -> dict[str, Any]:
    status: dict[str, Any] = {"conditions": [{"type": name, "status": value} for name, value in conditions.items()]}
    if observed is not None:
        status["observedGeneration"] = observed
    return {"metadata": {"generation": 3, **metadata}, "status": status}


@pytest.mark.parametrize(
    ("conditions", "result"),
    [
        (TRUE_READY, Result.CURRENT),
        ({"Ready": "False"}, Result.IN_PROGRESS),
        ({"Ready": "Unknown"}, Result.IN_PROGRESS),
        ({"Ready": "False", "Reconciling": "True"}, Result.IN_PROGRESS),
        ({"Ready": "True", "Reconciling": "True"}, Result.IN_PROGRESS),
        ({"Ready": "False", "Stalled": "True"}, Result.FAILED),
        ({"Ready": "True", "Stalled": "True"}, Result.FAILED),
        ({"Ready": "True", "Reconciling": "False", "Stalled": "False"}, Result.CURRENT),
        ({"Stalled": "True", "Reconciling": "True"}, Result.FAILED),
        ({"Reconciling": "True", "Stalled": "True"}, Result.IN_PROGRESS),
        ({"Other": "False"}, Result.CURRENT),
        ({}, Result.CURRENT),
    ],
)
def test_conditions_decide(conditions: dict[str, str], result: Result) -> None:
    assert compute(resource(conditions)) is result


def test_older_generation_is_in_progress_with_any_conditions() -> None:
    assert compute(resource(TRUE_READY, observed=2)) is Result.IN_PROGRESS
    assert compute(resource({"Stalled": "True"}, observed=2)) is Result.IN_PROGRESS


def test_status_without_a_generation_is_used() -> None:
    assert compute(resource(TRUE_READY, observed=None)) is Result.CURRENT


def test_deletion_has_precedence() -> None:
    assert compute(resource(TRUE_READY, deletionTimestamp="2026-05-01T12:00:00Z")) is Result.TERMINATING


def test_object_without_a_status_counts_as_ready() -> None:
    assert compute({"metadata": {"generation": 1}}) is Result.CURRENT
