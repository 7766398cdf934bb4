"""Running seeds: one with its story, or very many.

A seed is told the same way each time, on any machine: nothing in a story depends on the real clock, on the order of a
set or on how many other seeds run beside it.
"""

import gc
import io
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TextIO

from netbird_streaming.reconciler.controller import Controller
from tests.simulation.ledger import SECRET_WORD
from tests.simulation.outcome import check_end
from tests.simulation.story import Story
from tests.simulation.world import MakeController, World

TAIL: Final = 60
"""Lines of a failed story that are shown before the first broken promise."""
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

    def __str__(self) -> str:
        first = next((number for number, line in enumerate(self.story) if "!!!" in line), len(self.story))
        return "\n".join(
            [
                f"seed {self.seed} broke a promise (python -m tests.simulation --seed {self.seed} tells all of it):",
                *(f"  {each}" for each in self.breaches[:8]),
                *self.story[max(0, first - TAIL) : first + 5],
            ]
        )


def run_seed(seed: int, make: MakeController = Controller, *, output: TextIO | None = None) -> Result:
    """Run one seed to its end and check everything that can be checked."""
    capture = LogCapture()
    logger = logging.getLogger("netbird_streaming")
    before = logger.level, logger.propagate
    logger.addHandler(capture)
    logger.propagate = False
    logger.setLevel(logging.DEBUG if seed % DEBUG_EVERY == 0 else logging.INFO)
    story = Story(seed, make, output=output)
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
    return Result(seed, tuple(story.world.promises.breaches), tuple(story.world.story))


def run_seeds(seeds: Iterable[int], make: MakeController = Controller) -> tuple[list[Result], float]:
    """Run many; answers those that broke a promise, each request told, and the seconds that it took."""
    began, failed = time.perf_counter(), []
    # What is there before the first story stays, so that nothing but the stories is looked through for garbage.
    gc.freeze()
    gc.disable()
    try:
        for seed in seeds:
            result = run_seed(seed, make)
            if result.breaches:
                failed.append(run_seed(seed, make, output=io.StringIO()))
            gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()
    return failed, time.perf_counter() - began


def run_seeds_on(workers: int, first: int, count: int, output: TextIO) -> int:
    """Share many seeds among processes of their own; answers 1 where any of them failed."""
    share, started = -(-count // workers), []
    for number in range(workers):
        begin = first + number * share
        size = min(share, first + count - begin)
        if size > 0:
            command = (sys.executable, "-m", "tests.simulation", "--workers=1", f"--first={begin}", f"--count={size}")
            started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}))
    status = 0
    try:
        for each in started:
            told, _ = each.communicate()
            output.write(told)
            status = status or each.returncode
    finally:
        for each in started:
            if each.poll() is None:
                each.kill()
                each.wait()
    return status
