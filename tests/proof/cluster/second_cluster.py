"""A restore into another cluster: another API server, and an operator that has never seen the account."""

import asyncio
from typing import Final

from netbird_streaming.reasons import Reason
from tests.harness.controlplane import ControlPlane
from tests.proof.api_user import CANARIES, SECRET
from tests.proof.cluster.case_runner import CaseRun
from tests.proof.cluster.installations import Installations, installations_on
from tests.proof.cluster.resource_scenarios import adopt, restore
from tests.proof.cluster.scenario import judged
from tests.proof.expectations import Writes

NAMES: Final = ("kept", "doomed")


async def restore_elsewhere(installations: Installations, *, with_status: bool) -> list[str]:
    """Lose the cluster after its operator has ended, and restore a backup in another; return the violations."""
    async with installations.trial() as here:
        breaches = await judged(here, _nothing, Writes())
        statuses = {name: here.objects[name]["status"] if with_status else None for name in NAMES}
        reason = Reason.RESTORED_STATUS if with_status else Reason.IDENTICAL_EXISTS

        async def bring(there: CaseRun) -> None:
            await there.secret("siem", key=SECRET)
            await there.connect()
            for name, status in statuses.items():
                await (there.create(name) if status is None else restore(there, name, status))

        async def take_over(there: CaseRun) -> None:
            await there.start()
            await adopt(there, reason)

        with await asyncio.to_thread(ControlPlane.start) as plane:
            async with installations_on(plane, 1) as elsewhere:
                async with elsewhere.trial(here) as there:
                    breaches += await judged(there, take_over, Writes(puts=2), before=bring)
                breaches += [str(leak) for leak in CANARIES.search({"requests": elsewhere.asked()})]
    return breaches


async def _nothing(_: CaseRun) -> None:
    pass
