"""A server with one wrong rule gives another transcript than the shipped simulation.

`tests/controlplane` shows that the simulation gives the transcript of a real API server.
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
    """Return the transcripts of all scenarios. A scenario that fails on a wrong server has none."""
    transcript: list[list[str]] = []
    for scenario in SCENARIOS:
        with suppress(AssertionError):
            transcript.append(SimulatedSide("team").play(scenario))
    return transcript


def any_version(self: ApiServer, read: Any) -> Any:
    """A server that ignores versions."""
    return self.objects.get(read.key, read)


def every_write_counts(self: ApiServer, resource: Any, **changes: Any) -> Any:
    """A server that makes a new version also without a change."""
    del changes
    self.objects[resource.key] = resource.model_copy(
        update={"metadata": resource.metadata.model_copy(update={"resource_version": self._next()})}
    )
    return self.objects[resource.key]


def late_finalizers(self: ApiServer, read: Any) -> Any:
    """A server that accepts a finalizer in deletion."""
    return self._store(self.compare_and_swap(read), finalizers=("x",))


def takes_all(self: lease.LeaseServer, request: Any) -> Any:
    """A server that ignores the version of a Lease."""
    return self._store(request.body or {"spec": {}})


WRONG: tuple[tuple[type, str, Callable[..., Any]], ...] = (
    (ApiServer, "compare_and_swap", any_version),
    (ApiServer, "_store", every_write_counts),
    (ApiServer, "add_finalizer", late_finalizers),
    (lease.LeaseServer, "serve", takes_all),
)


def test_scenario_gives_the_same_transcript_each_time() -> None:
    transcript = transcripts()
    assert len(transcript) == len(SCENARIOS)
    assert transcript == transcripts()


@pytest.mark.parametrize(("server", "method", "wrong"), WRONG, ids=[each[2].__name__ for each in WRONG])
def test_wrong_server_gives_another_transcript(
    monkeypatch: pytest.MonkeyPatch, server: type, method: str, wrong: Callable[..., Any]
) -> None:
    right = transcripts()
    monkeypatch.setattr(server, method, wrong)
    assert transcripts() != right
