"""The same life under each fault: one integration stays, one is made and one goes while the fault lasts."""

import asyncio
import json
import os
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from netbird_streaming.reasons import Reason
from tests.proof.cluster.weather import Weather
from tests.proof.crashes.nursery import is_alive
from tests.proof.crashes.run import Run
from tests.proof.user import SECRET, StuckError
from tests.proof.verdict import Verdict
from tests.proof.wanted import Wanted, Writes, is_ready

CHANGED: Final = "https://siem.example.com/changed"
RESTED_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 200.0
MOST_REQUESTS: Final = 15.0
"""Requests a second to the API server, and to NetBird, of an operator with three resources."""
MOST_CPU: Final = 0.5
"""Of a core, while nothing can be done."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True, kw_only=True)
class Trial(Run):
    """A run with weather."""

    weather: Weather = field(default_factory=Weather)
    breaches: list[str] = field(default_factory=list)
    """Promises that were broken while a fault lasted."""

    @property
    def user(self) -> str:
        """Whom the API server takes the operator for."""
        namespace = self.installation.namespace
        return f"system:serviceaccount:{namespace}:{namespace}"

    def processor_seconds(self) -> float:
        """How much its operator has computed so far."""
        fields = Path(f"/proc/{self.processes[0]}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def warnings(self, offset: int = 0) -> list[dict[str, Any]]:
        """What the operator has logged for a person to read, from that many characters on."""
        lines = (json.loads(line) for line in self.logged()[offset:].splitlines() if line.startswith("{"))
        return [each for each in lines if each["level"] in {"warning", "error"}]


Lasting = Callable[[Trial], AbstractAsyncContextManager[None]]
"""A fault, which lasts as long as its block."""


@dataclass(frozen=True, slots=True)
class Case:
    """One fault, and what is to be seen of it.

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
    verdict = Verdict(trial)
    follower = asyncio.create_task(trial.follow(verdict.see))
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            trial.leased = case.leased
            await settle(trial)
            verdict.begin()
            async with case.lasting(trial):
                trial.breaches += await _endure(case, trial)
            await trial.until(lambda: trial.missing() is None, "all is as it shall be")
            await trial.rest(RESTED_SECONDS)
            await verdict.end(Writes(posts=1, puts=1, deletes=1), slack=case.lost_answers)
            if not is_alive(trial.processes[0]):
                verdict.breaches.append("L4: the process has ended")
            await trial.stop()
    except StuckError as error:
        verdict.breaches.append(f"L1: {error}")
    except TimeoutError:
        verdict.breaches.append(f"L1: not within {LONGEST_SECONDS:.0f} s; {trial.story()}")
    finally:
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
    return trial.breaches + verdict.breaches


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


async def act(trial: Trial) -> None:
    """A creation, a change and a deletion."""
    await trial.create("made")
    trial.wanted["kept"] = Wanted({"url": CHANGED})
    await trial.patch("kept", genericHTTP={"url": CHANGED})
    await trial.delete("doomed")


async def _endure(case: Case, trial: Trial) -> list[str]:
    offset, asked, before = len(trial.logged()), trial.weather.asked.total(), trial.processor_seconds()
    remote, began = len(trial.netbird.journal.entries), time.monotonic()
    await act(trial)
    await asyncio.sleep(case.seconds)
    seconds = time.monotonic() - began
    breaches = []
    if trial.weather.asked.total() - asked > case.requests * seconds:
        often = ", ".join(f"{path} ({count})" for path, count in trial.weather.asked.most_common(4))
        breaches.append(
            f"L4: {trial.weather.asked.total() - asked} requests to the API server in {seconds:.0f} s, mostly {often}"
        )
    if len(trial.netbird.journal.entries) - remote > MOST_REQUESTS * seconds:
        breaches.append(f"L4: {len(trial.netbird.journal.entries) - remote} requests to NetBird in {seconds:.0f} s")
    if trial.processor_seconds() - before > MOST_CPU * seconds:
        breaches.append(f"L4: {trial.processor_seconds() - before:.1f} s of CPU in {seconds:.0f} s")
    return breaches + list(_silent(case, trial, offset))


def _silent(case: Case, trial: Trial, offset: int) -> list[str]:
    """L3: whatever is not as it shall be is explained, by its condition or by the log where none can be written."""
    if case.harmless:
        return [f"L3: {trial.missing()}, although nothing keeps it from being done"] if trial.missing() else []
    if not case.told:
        return [] if trial.warnings(offset) else ["L3: nothing in the log says why nothing is done"]
    return [
        f"L3: {name} does not say what keeps it: {found.get('status', {}).get('conditions')}"
        for name, found in trial.objects.items()
        if not is_ready(found) and not _is_explained(found)
    ]


def _is_explained(found: dict[str, Any]) -> bool:
    conditions = {each["type"]: each for each in found.get("status", {}).get("conditions", ())}
    ready = conditions.get("Ready", {})
    current = ready.get("observedGeneration") == found["metadata"]["generation"]
    return current and ready["reason"] == Reason.KUBERNETES_REFUSED and bool(ready["message"])
