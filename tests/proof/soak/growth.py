"""The use of a process after each round of a long run, and whether it grows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

WARM_UP: Final = 10
"""Rounds in which caches and pools fill. They are not judged."""
ROUNDS: Final = WARM_UP + 12
"""The least number of rounds that can be judged."""
ALLOWED: Final = {"memory": 0.03, "descriptors": 0.25, "threads": 0.25, "log": 0.5}
"""How much more the last third may have than the first one after the warm-up, as a share. The log varies by round."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The use after a round: bytes in memory, open files, threads, and bytes logged in the round."""

    memory: int
    descriptors: int
    threads: int
    log: int


_MEASURES: Final[dict[str, Callable[[Sample], int]]] = {
    "memory": lambda each: each.memory,
    "descriptors": lambda each: each.descriptors,
    "threads": lambda each: each.threads,
    "log": lambda each: each.log,
}


def sample(pid: int, logged: int) -> Sample:
    """Read the use of a process from the kernel (proc_pid_status(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines if ":" in line)
    descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return Sample(int(status["VmRSS"].split()[0]) * 1024, descriptors, int(status["Threads"]), logged)


def growth(samples: Sequence[Sample]) -> dict[str, float]:
    """Return for each measure the share by which the last third exceeds the first one after the warm-up.

    Raises:
        ValueError: there are too few rounds.
    """
    if len(samples) < ROUNDS:
        message = f"{len(samples)} rounds are too few to judge; {ROUNDS} are needed: give the run more minutes"
        raise ValueError(message)
    judged = samples[WARM_UP:]
    third = len(judged) // 3
    early, late = judged[:third], judged[-third:]
    return {name: median(map(read, late)) / median(map(read, early)) - 1 for name, read in _MEASURES.items()}


def grown(samples: Sequence[Sample]) -> dict[str, float]:
    """Return the measures that grew by more than is allowed. Raises ValueError."""
    return {name: share for name, share in growth(samples).items() if share > ALLOWED[name]}
