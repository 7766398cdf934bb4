"""The same life under each fault: one integration stays, one is made and one goes while the fault lasts."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from aiohttp import ClientResponseError

from netbird_streaming.reasons import Reason
from tests.proof.api_user import SECRET, StuckError
from tests.proof.cluster.case_runner import MOST_REQUESTS, Load, Trial
from tests.proof.crashes.fork_server import is_alive
from tests.proof.expectations import Wanted, Writes, is_ready
from tests.proof.promises import Verdict

CHANGED: Final = "https://siem.example.com/changed"
RESTED_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 200.0
LIFE: Final = Writes(posts=1, puts=1, deletes=1)
"""How NetBird is changed by `act`."""

Lasting = Callable[[Trial], AbstractAsyncContextManager[None]]
"""A fault, which lasts as long as its block."""
Story = Callable[[Trial], Awaitable[None]]
"""Something that happens to a trial's resources."""


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, and what is to be seen of it.

    `told` says that the conditions tell of it, else the log does, since they can't be written. `lost_answers` is how
    many PUTs may be repeated because nobody heard their answers.
    """

    name: str
    lasting: Lasting
    seconds: float = 8.0
    told: bool = False
    harmless: bool = False
    """All gets done while it lasts."""
    lost_answers: int = 0
    requests: float = MOST_REQUESTS
    """To the API server, at most, a second."""
    leased: bool = False
    """The operator acts only while it holds a Lease."""

    def __str__(self) -> str:
        """How pytest names it."""
        return self.name


async def live_through(case: Case, trial: Trial) -> list[str]:
    """Have a life under the fault; answers which promises were broken."""

    async def endure(trial: Trial) -> None:
        async with case.lasting(trial):
            offset, load = len(trial.logged()), Load(trial)
            await act(trial)
            await asyncio.sleep(case.seconds)
            trial.breaches += load.breaches(case.requests) + _silent(case, trial, offset)

    trial.leased = case.leased
    return await judged(trial, endure, LIFE, slack=case.lost_answers)


async def settle(trial: Trial) -> None:
    """Two integrations of ours and one of somebody else's, at rest."""
    await trial.secret("siem", key=SECRET)
    await trial.connect()
    await trial.start()
    await trial.connected()
    trial.foreign()
    for name in ("kept", "doomed"):
        await trial.create(name)
    await trial.ready("kept", "doomed")
    await trial.rest(RESTED_SECONDS)


async def judged(trial: Trial, tell: Story, writes: Writes, slack: int = 0, *, before: Story = settle) -> list[str]:
    """Let something befall what was there before, and see that all comes to rest as it shall be.

    Args:
        trial: whose operator it befalls; one has to run when it is over.
        tell: what happens.
        writes: how NetBird is to be changed by it.
        slack: how many PUTs may be repeated.
        before: how it came to be there.
    """
    verdict = Verdict(trial)
    follower = asyncio.create_task(trial.follow(verdict.see))
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            await before(trial)
            verdict.begin()
            trial.mark()
            await tell(trial)
            await trial.until(lambda: trial.missing() is None, "all is as it shall be")
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


async def act(trial: Trial) -> None:
    """A creation, a change and a deletion."""
    await trial.create("made")
    trial.wanted["kept"] = Wanted({"url": CHANGED})
    await trial.patch("kept", genericHTTP={"url": CHANGED})
    await trial.delete("doomed")


def _silent(case: Case, trial: Trial, offset: int) -> list[str]:
    """L3: whatever is not as it shall be is explained, by its condition or by the log where none can be written."""
    if case.harmless:
        return [f"L3: {trial.missing()}, although nothing keeps it from being done"] if trial.missing() else []
    if not case.told:
        return [] if trial.warnings(offset) else ["L3: nothing in the log says why nothing is done"]
    return [
        f"L3: {name} does not say what keeps it: {found.get('status', {}).get('conditions')}"
        for name, found in trial.objects.items()
        if not is_ready(found) and not _is_explained(trial, name)
    ]


def _is_explained(trial: Trial, name: str) -> bool:
    return trial.reason(name) == Reason.KUBERNETES_REFUSED
