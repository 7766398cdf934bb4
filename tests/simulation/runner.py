"""Very many seeds on all processors: a number of them, as many as a time gives, or without end."""

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
"""After these many a process is replaced, so that what it remembers does not grow without bound."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of seeds that follow each other: which, how many seconds they took, and those that broke a promise."""

    seeds: range
    seconds: float
    failed: tuple[Result, ...]

    def __str__(self) -> str:
        ran = f"{len(self.seeds)} seeds ({self.seeds.start} to {self.seeds.stop - 1}) in {self.seconds:.0f} s"
        return f"{ran}: {len(self.failed)} broke a promise {[each.seed for each in self.failed[:40]] or ''}".rstrip()


def run_chunk(seeds: Iterable[int], make: MakeController = Controller) -> tuple[Result, ...]:
    """Run some in this process; answers those that broke a promise, each request told."""
    failed = []
    # What is there before the first story stays, so that nothing but the stories is looked through for garbage.
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
    """Run seeds from the first on, until there are so many, the time is over, or one has failed.

    With neither limit it goes on until one fails. No seed is left out: what has begun by then is run to its end.
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
