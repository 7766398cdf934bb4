"""The liveness page fails only when a restart would help, because a restart loses the memory."""

from dataclasses import dataclass
from typing import Any, cast

import pytest

from netbird_streaming.app import LeaderComponents, Operator
from netbird_streaming.config.settings import Settings


@dataclass
class Ages:
    """A stand-in for the controller and both watches, with their ages in seconds."""

    queue: float = 0.0
    silent: float = 0.0
    outage: float = 0.0
    secrets: float = 0.0

    def stuck_for(self) -> float:
        return self.queue

    def seconds_since_activity(self) -> float:
        return self.silent

    def seconds_since_response(self) -> float:
        return self.outage

    def age(self) -> float:
        return self.secrets


def verdict(ages: Ages | None) -> tuple[str | None, str | None]:
    operator = Operator(Settings(), {}, lambda: None)
    if ages is not None:
        part = cast("Any", ages)
        operator._leader = LeaderComponents(part, part, part, lambda: None)
    return operator._liveness_problem(), operator._readiness_problem()


def test_process_is_alive_and_not_ready_before_it_is_connected() -> None:
    assert verdict(None) == (None, "not connected to the Kubernetes API server yet")


@pytest.mark.parametrize(
    ("ages", "wrong"),
    [
        (Ages(), None),
        (Ages(queue=599), None),
        (Ages(queue=601), "the queue is stuck"),
        (Ages(silent=299), None),
        (Ages(silent=301), "a watch is dead"),
        (Ages(secrets=301), "the watch of Secrets is dead"),
        (Ages(secrets=3600, outage=3590), None),
    ],
)
def test_causes_of_a_failing_liveness_probe(ages: Ages, wrong: str | None) -> None:
    assert verdict(ages)[0] == wrong
