"""Several installations of the operator on one control plane, each for one case at a time."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, assert_never

from tests.harness.controlplane import ControlPlane
from tests.harness.operator import Installation
from tests.harness.secret_sinks import audit_sink
from tests.proof.cluster.case_runner import CaseRun
from tests.proof.cluster.resource_scenarios import History
from tests.proof.cluster.scenario import Case, judged, live_through
from tests.proof.crashes.explorer import running, staged
from tests.proof.crashes.flow_run import Stage

NAME: Final = "lane-"


class Installations:
    """The free installations. Made by `installations_on`."""

    def __init__(self, stage: Stage, installations: list[Installation]) -> None:
        self.stage: Final = stage
        self._free: asyncio.Queue[Installation] = asyncio.Queue()
        for each in installations:
            self._free.put_nowait(each)
        self._numbers = itertools.count()

    async def attempt(self, case: Case | History) -> list[str]:
        """Run one case as soon as an installation is free; return the violations."""
        async with self.trial() as trial:
            match case:
                case Case():
                    return await live_through(case, trial)
                case History():
                    return await judged(trial, case.tell, case.writes)
                case _:
                    assert_never(case)

    def asked(self) -> bytes:
        """Return the requests of all operators so far, from the API server's audit log."""
        return audit_sink(self.stage.plane.audit_log, f"system:serviceaccount:{NAME}")

    @asynccontextmanager
    async def trial(self, former: CaseRun | None = None) -> AsyncIterator[CaseRun]:
        """Create a namespace, a NetBird and an installation, with a fault proxy. Nothing runs yet.

        Namespace and NetBird can be those of a `former` run, on another control plane.
        """
        installation = await self._free.get()
        try:
            trial = CaseRun(
                kubernetes=self.stage.kubernetes,
                namespace=former.namespace if former is not None else f"trial-{next(self._numbers)}",
                stage=self.stage,
                installation=installation,
                plan=None,
            )
            if former is not None:
                trial.succeed(former)
            async with running(trial, trial.proxy.serve):
                yield trial
        finally:
            self._free.put_nowait(installation)


@asynccontextmanager
async def installations_on(plane: ControlPlane, width: int) -> AsyncIterator[Installations]:
    """Create so many installations."""
    async with staged(plane, NAME, width) as (stage, installations):
        yield Installations(stage, installations)
