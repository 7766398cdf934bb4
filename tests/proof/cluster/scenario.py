"""The scenario under each fault: one integration stays, one is created and one deleted while the fault lasts."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from aiohttp import ClientResponseError

from netbird_streaming.reasons import Reason
from tests.proof.api_user import SECRET, StuckError
from tests.proof.cluster.case_runner import MOST_REQUESTS, CaseRun, Load
from tests.proof.crashes.fork_server import is_alive
from tests.proof.expectations import Expected, Writes, is_ready
from tests.proof.promises import PromiseChecks

CHANGED: Final = "https://siem.example.com/changed"
RESTED_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 200.0
LIFE: Final = Writes(posts=1, puts=1, deletes=1)
"""The effect of `act` on NetBird."""

Lasting = Callable[[CaseRun], AbstractAsyncContextManager[None]]
"""A fault for the duration of its block."""
Story = Callable[[CaseRun], Awaitable[None]]
"""An action on the resources of a run."""


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, and its visible effect.

    `in_conditions` says that conditions report it; else the log does. `lost_answers` is how
    many PUTs may be repeated because their responses were lost.
    """

    name: str
    lasting: Lasting
    seconds: float = 8.0
    in_conditions: bool = False
    harmless: bool = False
    """All actions succeed while it lasts."""
    lost_answers: int = 0
    requests: float = MOST_REQUESTS
    """Requests to the API server, at most, a second."""
    leased: bool = False
    """The operator acts only while it holds a Lease."""

    def __str__(self) -> str:
        """The id in pytest."""
        return self.name


async def live_through(case: Case, trial: CaseRun) -> list[str]:
    """Run the scenario under the fault; return the violations."""

    async def endure(trial: CaseRun) -> None:
        async with case.lasting(trial):
            offset, load = len(trial.logged()), Load(trial)
            await act(trial)
            await asyncio.sleep(case.seconds)
            trial.breaches += load.breaches(case.requests) + _silent(case, trial, offset)

    trial.leased = case.leased
    return await judged(trial, endure, LIFE, slack=case.lost_answers)


async def settle(trial: CaseRun) -> None:
    """Create two integrations and one of another client, and wait until they are in sync."""
    await trial.secret("siem", key=SECRET)
    await trial.connect()
    await trial.start()
    await trial.connected()
    trial.foreign()
    for name in ("kept", "doomed"):
        await trial.create(name)
    await trial.ready("kept", "doomed")
    await trial.rest(RESTED_SECONDS)


async def judged(trial: CaseRun, tell: Story, writes: Writes, slack: int = 0, *, before: Story = settle) -> list[str]:
    """Apply an action to existing resources, and check that everything is in sync afterwards.

    Args:
        trial: the run, whose operator has to run when it is over.
        tell: the action.
        writes: its effect on NetBird.
        slack: how many PUTs may be repeated.
        before: how the resources were created.
    """
    verdict = PromiseChecks(trial)
    follower = asyncio.create_task(trial.follow(verdict.see))
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            await before(trial)
            verdict.begin()
            trial.mark()
            await tell(trial)
            await trial.until(lambda: trial.missing() is None, "everything is in sync")
            await trial.rest(RESTED_SECONDS)
            await verdict.end(writes, slack)
            if not is_alive(trial.processes[0]):
                verdict.breaches.append("L4: the process has ended")
            await trial.stop()
    except (StuckError, ClientResponseError) as error:
        verdict.breaches.append(f"L1: {error}")
    except TimeoutError:
        verdict.breaches.append(f"L1: not within {LONGEST_SECONDS:.0f} s; {trial.story()}")
    finally:
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
    return trial.breaches + verdict.breaches


async def act(trial: CaseRun) -> None:
    """A create, an update and a deletion."""
    await trial.create("made")
    trial.wanted["kept"] = Expected({"url": CHANGED})
    await trial.patch("kept", genericHTTP={"url": CHANGED})
    await trial.delete("doomed")


def _silent(case: Case, trial: CaseRun, offset: int) -> list[str]:
    """Check L3: everything out of sync is explained, by its condition or by the log if no condition can be written."""
    if case.harmless:
        return [f"L3: {trial.missing()}, although nothing keeps it from being done"] if trial.missing() else []
    if not case.in_conditions:
        return [] if trial.warnings(offset) else ["L3: nothing in the log says why nothing is done"]
    return [
        f"L3: {name} does not say what keeps it: {found.get('status', {}).get('conditions')}"
        for name, found in trial.objects.items()
        if not is_ready(found) and not _is_explained(trial, name)
    ]


def _is_explained(trial: CaseRun, name: str) -> bool:
    return trial.reason(name) == Reason.KUBERNETES_REFUSED
