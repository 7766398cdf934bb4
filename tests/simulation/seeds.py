"""Run one seed, or one plan.

A seed gives the same scenario each time, on any machine. Nothing depends on the real clock, on the order of a set or on
other seeds that run in parallel.
"""

import logging
from dataclasses import dataclass
from typing import Final, TextIO

from netbird_streaming.reconciler.controller import Controller
from tests.simulation.bookkeeping import SECRET_WORD
from tests.simulation.outcome import check_end
from tests.simulation.plan import Plan
from tests.simulation.random_faults import FaultSource
from tests.simulation.random_scenario import RandomScenario, draw_plan
from tests.simulation.world import MakeController, World

TAIL: Final = 60
"""Lines of a failed scenario that are shown, up to the first broken promise."""
DEBUG_EVERY: Final = 16
"""Log records of all levels are read in one of so many seeds, because formatting them takes longer than the scenario.
"""


class LogCapture(logging.Handler):
    """A log handler that searches every record of the operator for secrets and for caught internal errors."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.world: World | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Check the message and all that is attached to it."""
        if self.world is None:
            return
        text = f"{record.getMessage()} {record.__dict__}"
        if SECRET_WORD in text:
            self.world.promises.published(text)
        if record.levelno >= logging.ERROR:
            self.world.promises.breach("L4", f"{record.getMessage()}: {record.__dict__.get('exception', '')}")


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one seed: the violations and the log of the scenario."""

    seed: int
    breaches: tuple[str, ...]
    log: tuple[str, ...]

    def until_broken(self, most: int) -> tuple[str, ...]:
        """Return so many lines, the last of which reports the first broken promise."""
        first = next((number for number, line in enumerate(self.log) if "!!!" in line), len(self.log))
        return self.log[max(0, first + 1 - most) : first + 1]

    def __str__(self) -> str:
        return "\n".join(
            [
                f"seed {self.seed} broke a promise (python -m tests.simulation --seed {self.seed} tells all of it):",
                *(f"  {each}" for each in self.breaches[:8]),
                *self.until_broken(TAIL),
            ]
        )


def run_plan(
    plan: Plan,
    make: MakeController = Controller,
    *,
    fault_source: FaultSource | None = None,
    output: TextIO | None = None,
) -> Result:
    """Run a plan to its end and check everything. Without `fault_source`, faults are drawn from its seed."""
    capture = LogCapture()
    logger = logging.getLogger("netbird_streaming")
    before = logger.level, logger.propagate
    logger.addHandler(capture)
    logger.propagate = False
    logger.setLevel(logging.DEBUG if plan.seed % DEBUG_EVERY == 0 else logging.INFO)
    scenario = RandomScenario(plan, make, fault_source=fault_source, output=output)
    capture.world = scenario.world
    try:
        scenario.run()
    except AssertionError as defect:
        scenario.world.promises.breach("L4", f"{type(defect).__name__}: {defect}")
    else:
        check_end(scenario)
    finally:
        capture.world = None
        scenario.world.loop.dispose()
        logger.removeHandler(capture)
        logger.level, logger.propagate = before
    return Result(plan.seed, tuple(scenario.world.promises.breaches), tuple(scenario.world.log))


def run_seed(seed: int, make: MakeController = Controller, *, output: TextIO | None = None) -> Result:
    """Run the plan that is drawn from a seed."""
    return run_plan(draw_plan(seed), make, output=output)
