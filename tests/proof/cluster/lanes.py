"""Several installations of the operator on one control plane: each case has one to itself."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from tests.proof.cluster.life import Trial
from tests.proof.crashes.explorer import running
from tests.proof.crashes.nursery import nursery
from tests.proof.crashes.run import Stage
from tests.support.controlplane import ControlPlane
from tests.support.kubernetes import connect
from tests.support.operator import Installation, install

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

    @asynccontextmanager
    async def trial(self) -> AsyncIterator[Trial]:
        """A namespace, a NetBird and an installation, with weather between it and the API server; nothing runs yet."""
        installation = await self._free.get()
        try:
            trial = Trial(
                kubernetes=self.stage.kubernetes,
                namespace=f"trial-{next(self._numbers)}",
                stage=self.stage,
                installation=installation,
                plan=None,
            )
            async with running(trial, trial.weather.serve):
                yield trial
        finally:
            self._free.put_nowait(installation)


@asynccontextmanager
async def lanes_on(plane: ControlPlane, width: int) -> AsyncIterator[Lanes]:
    """Install the operator so many times; each installation has rights, a Lease and a fingerprint key of its own."""
    installations = [
        await asyncio.to_thread(install, plane, {"fullnameOverride": f"{NAME}{lane}"}, namespace=f"{NAME}{lane}")
        for lane in range(width)
    ]
    async with connect(plane.kubeconfig) as kubernetes, nursery() as kept:
        yield Lanes(Stage(plane, kubernetes, kept), installations)
