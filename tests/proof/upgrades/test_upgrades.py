"""An upgrade from a former commit and a rollback create nothing twice and forget nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.doubles.netbird.process import running_netbird
from tests.harness.controlplane import ControlPlane
from tests.proof.upgrades.journey import NAMES, PENDING, SETTLED, Journey, former

SUPPORTED: Final = "0700459"
"""A commit whose status the operator of the working tree reads."""
UNSUPPORTED: Final = "735673d"
"""A commit from before the operator's own part of the status had a place of its own. Nothing was released from it."""


@pytest.fixture
def journey() -> Iterator[Journey]:
    with ControlPlane.start() as plane, running_netbird() as netbird:
        made = Journey(plane, netbird)
        yield made
        made.close()


@pytest.mark.timeout(400)
def test_upgrade_and_rollback_resolve_the_create_and_keep_each_id(journey: Journey, tmp_path: Path) -> None:
    chart, source = former(SUPPORTED, tmp_path)
    installed = journey.install(chart, source)
    assert len(installed.held) == len(NAMES)
    for step in (journey.upgrade(), journey.roll_back(source)):
        assert (step.held, step.ids) == (installed.held, installed.ids)
        assert step.reasons[SETTLED] == "Synced"
        assert step.reasons[PENDING] in {"CreateOutcomeUnknown", "Synced"}
        assert set(step.writes[len(installed.writes) :]) <= {"PUT"}
    deleted = journey.delete()
    assert deleted.held == ()
    assert deleted.writes.count("POST") == len(NAMES)


@pytest.mark.timeout(300)
def test_upgrade_from_an_unreadable_status_creates_and_deletes_nothing(journey: Journey, tmp_path: Path) -> None:
    chart, source = former(UNSUPPORTED, tmp_path)
    installed = journey.install(chart, source)
    upgraded = journey.upgrade()
    assert (upgraded.held, upgraded.writes) == (installed.held, installed.writes)
    assert upgraded.reasons == {SETTLED: "OwnerUnknown", PENDING: "IdenticalExists"}
