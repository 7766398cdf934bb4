"""Running one seed, or one plan.

A seed is told the same way each time, on any machine: nothing in a story depends on the real clock, on the order of a
set or on how many other seeds run beside it.
"""

import logging
from dataclasses import dataclass
from typing import Final, TextIO

from netbird_streaming.reconciler.controller import Controller
from tests.simulation.bookkeeping import SECRET_WORD
from tests.simulation.outcome import check_end
from tests.simulation.plan import Plan
from tests.simulation.random_faults import Chance
from tests.simulation.random_scenario import Story, draw_plan
from tests.simulation.world import MakeController, World

TAIL: Final = 60
"""Lines of a failed story that are shown, up to the first broken promise."""
DEBUG_EVERY: Final = 16
"""Log records of all levels are read in one of so many seeds: formatting them takes longer than the rest of a story."""


class LogCapture(logging.Handler):
    """Every log record of the operator is looked at: for secrets, and for defects that were caught and logged."""

    def __init__(self) -> None:
        """Listen to nothing yet."""
        super().__init__(logging.DEBUG)
        self.world: World | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Look at the message and all that is attached to it."""
        if self.world is None:
            return
        text = f"{record.getMessage()} {record.__dict__}"
        if SECRET_WORD in text:
            self.world.promises.published(text)
        if record.levelno >= logging.ERROR:
            self.world.promises.breach("L4", f"{record.getMessage()}: {record.__dict__.get('exception', '')}")


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one seed: nothing broken, or what, and how it came to that."""

    seed: int
    breaches: tuple[str, ...]
    story: tuple[str, ...]

    def until_broken(self, most: int) -> tuple[str, ...]:
        """So many lines, of which the last one tells of the first broken promise."""
        first = next((number for number, line in enumerate(self.story) if "!!!" in line), len(self.story))
        return self.story[max(0, first + 1 - most) : first + 1]

    def __str__(self) -> str:
        return "\n".join(
            [
                f"seed {self.seed} broke a promise (python -m tests.simulation --seed {self.seed} tells all of it):",
                *(f"  {each}" for each in self.breaches[:8]),
                *self.until_broken(TAIL),
            ]
        )


def run_plan(
    plan: Plan, make: MakeController = Controller, *, chance: Chance | None = None, output: TextIO | None = None
) -> Result:
    """Run a plan to its end and check everything that can be checked; without a `chance` of its own, its seed's."""
    capture = LogCapture()
    logger = logging.getLogger("netbird_streaming")
    before = logger.level, logger.propagate
    logger.addHandler(capture)
    logger.propagate = False
    logger.setLevel(logging.DEBUG if plan.seed % DEBUG_EVERY == 0 else logging.INFO)
    story = Story(plan, make, chance=chance, output=output)
    capture.world = story.world
    try:
        story.run()
    except AssertionError as defect:
        story.world.promises.breach("L4", f"{type(defect).__name__}: {defect}")
    else:
        check_end(story)
    finally:
        capture.world = None
        story.world.loop.dispose()
        logger.removeHandler(capture)
        logger.level, logger.propagate = before
    return Result(plan.seed, tuple(story.world.promises.breaches), tuple(story.world.story))


def run_seed(seed: int, make: MakeController = Controller, *, output: TextIO | None = None) -> Result:
    """Run the plan that is drawn from a seed."""
    return run_plan(draw_plan(seed), make, output=output)
