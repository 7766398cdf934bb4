"""What the scenarios are worth: a server that is wrong about one thing tells another transcript than the shipped one.

That this one tells what a real API server tells is shown in `tests/controlplane`.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.simulation import lease
from tests.simulation.api_scenarios import SCENARIOS
from tests.simulation.apiserver import ApiServer
from tests.simulation.simulated_api_side import SimulatedSide


def transcripts() -> list[list[str]]:
    """Of all scenarios; one that stumbles over a wrong server tells nothing."""
    told: list[list[str]] = []
    for scenario in SCENARIOS:
        with suppress(AssertionError):
            told.append(SimulatedSide("team").play(scenario))
    return told


def any_version(self: ApiServer, read: Any) -> Any:
    """Writes by name alone."""
    return self.objects.get(read.key, read)


def every_write_counts(self: ApiServer, resource: Any, **changes: Any) -> Any:
    """A new version, also where nothing changed."""
    del changes
    self.objects[resource.key] = resource.model_copy(
        update={"metadata": resource.metadata.model_copy(update={"resource_version": self._next()})}
    )
    return self.objects[resource.key]


def late_finalizers(self: ApiServer, read: Any) -> Any:
    """Takes a finalizer in deletion too."""
    return self._store(self.compare_and_swap(read), finalizers=("x",))


def takes_all(self: lease.LeaseServer, request: Any) -> Any:
    """Knows no versions."""
    return self._store(request.body or {"spec": {}})


WRONG: tuple[tuple[type, str, Callable[..., Any]], ...] = (
    (ApiServer, "compare_and_swap", any_version),
    (ApiServer, "_store", every_write_counts),
    (ApiServer, "add_finalizer", late_finalizers),
    (lease.LeaseServer, "serve", takes_all),
)


def test_a_scenario_tells_the_same_each_time() -> None:
    told = transcripts()
    assert len(told) == len(SCENARIOS)
    assert told == transcripts()


@pytest.mark.parametrize(("server", "method", "wrong"), WRONG, ids=[each[2].__name__ for each in WRONG])
def test_a_wrong_server_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, server: type, method: str, wrong: Callable[..., Any]
) -> None:
    right = transcripts()
    monkeypatch.setattr(server, method, wrong)
    assert transcripts() != right
