"""Many seeds on all processors: a given number, a given time, or without end."""

import gc
import io
import multiprocessing
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import count
from typing import Final

from netbird_streaming.reconciler.controller import Controller
from tests.simulation.seeds import Result, run_seed
from tests.simulation.world import MakeController

CHUNK: Final = 50
CHUNKS_A_PROCESS: Final = 100
"""The number of seeds after which a process is replaced, to bound its memory."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of consecutive seeds: which, their duration in seconds, and the failed ones."""

    seeds: range
    seconds: float
    failed: tuple[Result, ...]

    def __str__(self) -> str:
        ran = f"{len(self.seeds)} seeds ({self.seeds.start} to {self.seeds.stop - 1}) in {self.seconds:.0f} s"
        return f"{ran}: {len(self.failed)} broke a promise {[each.seed for each in self.failed[:40]] or ''}".rstrip()


def run_chunk(seeds: Iterable[int], make: MakeController = Controller) -> tuple[Result, ...]:
    """Run some seeds in this process; return the failed ones, with each request logged."""
    failed = []
    # Objects from before the first scenario are frozen, so that the garbage collector scans only the scenarios.
    gc.freeze()
    gc.disable()
    try:
        for seed in seeds:
            if run_seed(seed, make).breaches:
                failed.append(run_seed(seed, make, output=io.StringIO()))
            gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()
    return tuple(failed)


def run_many(workers: int, first: int, *, most: int | None = None, seconds: float | None = None) -> Report:
    """Run seeds from the first on, until the number is reached, the time is over, or one has failed.

    Without either limit it runs until one fails. No seed is skipped: started ones run to their end.
    """
    began, ran = time.monotonic(), 0
    failed: list[Result] = []
    chunks = _chunks(first, most)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, max_tasks_per_child=CHUNKS_A_PROCESS) as pool:
        underway: dict[Future[tuple[Result, ...]], range] = {}
        more = True
        while more or underway:
            while more and len(underway) <= workers:
                chunk = next(chunks, None)
                if chunk is None:
                    more = False
                else:
                    underway[pool.submit(run_chunk, chunk)] = chunk
            for done in wait(underway, return_when=FIRST_COMPLETED).done:
                ran += len(underway.pop(done))
                failed += done.result()
            more = more and not failed and (seconds is None or time.monotonic() - began < seconds)
    failed.sort(key=lambda each: each.seed)
    return Report(range(first, first + ran), time.monotonic() - began, tuple(failed))


def _chunks(first: int, most: int | None) -> Iterator[range]:
    for begin in count(first, CHUNK):
        end = begin + CHUNK if most is None else min(begin + CHUNK, first + most)
        if begin >= end:
            return
        yield range(begin, end)
