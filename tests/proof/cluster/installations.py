"""Several installations of the operator on one control plane: each case has one to itself."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, assert_never

from tests.harness.controlplane import ControlPlane
from tests.harness.operator import Installation
from tests.harness.secret_sinks import audit_sink
from tests.proof.cluster.case_runner import Trial
from tests.proof.cluster.resource_scenarios import History
from tests.proof.cluster.scenario import Case, judged, live_through
from tests.proof.crashes.explorer import running, staged
from tests.proof.crashes.flow_run import Stage

NAME: Final = "lane-"


class Lanes:
    """The installations that are free; made by `lanes_on`."""

    def __init__(self, stage: Stage, installations: list[Installation]) -> None:
        """All of them are free."""
        self.stage: Final = stage
        self._free: asyncio.Queue[Installation] = asyncio.Queue()
        for each in installations:
            self._free.put_nowait(each)
        self._numbers = itertools.count()

    async def attempt(self, case: Case | History) -> list[str]:
        """Try one case as soon as an installation is free; answers which promises were broken."""
        async with self.trial() as trial:
            match case:
                case Case():
                    return await live_through(case, trial)
                case History():
                    return await judged(trial, case.tell, case.writes)
                case _:
                    assert_never(case)

    def asked(self) -> bytes:
        """What all operators so far have asked of the API server, by its audit log."""
        return audit_sink(self.stage.plane.audit_log, f"system:serviceaccount:{NAME}")

    @asynccontextmanager
    async def trial(self, former: Trial | None = None) -> AsyncIterator[Trial]:
        """A namespace, a NetBird and an installation, with weather between it and the API server; nothing runs yet.

        Namespace and NetBird are those of a `former` trial, on another control plane.
        """
        installation = await self._free.get()
        try:
            trial = Trial(
                kubernetes=self.stage.kubernetes,
                namespace=former.namespace if former is not None else f"trial-{next(self._numbers)}",
                stage=self.stage,
                installation=installation,
                plan=None,
            )
            if former is not None:
                trial.succeed(former)
            async with running(trial, trial.weather.serve):
                yield trial
        finally:
            self._free.put_nowait(installation)


@asynccontextmanager
async def lanes_on(plane: ControlPlane, width: int) -> AsyncIterator[Lanes]:
    """So many lanes at once."""
    async with staged(plane, NAME, width) as (stage, installations):
        yield Lanes(stage, installations)
