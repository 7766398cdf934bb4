"""Thousands of stories, each of them drawn from its seed, and no promise broken in any.

`SEEDS=100000 make test T=tests/simulation/test_simulation.py` runs more of them, `SEED=7` tells one.
"""

import io
import os
import subprocess
import sys
import time

import pytest

from tests.simulation.seeds import run_seed, run_seeds_on

SEEDS = int(os.environ.get("SEEDS", "10000"))
SEED = os.environ.get("SEED")


@pytest.mark.timeout(60 + SEEDS // 50)
def test_no_seed_breaks_a_promise() -> None:
    if SEED is not None:
        result = run_seed(int(SEED), output=sys.stdout)
        assert not result.breaches, str(result)
        return
    output, began = io.StringIO(), time.perf_counter()
    status = run_seeds_on(os.cpu_count() or 1, 0, SEEDS, output)
    sys.stdout.write(f"{SEEDS} seeds in {time.perf_counter() - began:.1f} s\n")
    assert status == 0, output.getvalue()


@pytest.mark.parametrize("seed", [3, 16, 47, 92])
def test_a_seed_tells_the_same_story_twice(seed: int) -> None:
    assert run_seed(seed).story == run_seed(seed).story


def test_a_seed_tells_the_same_story_under_another_hash_seed() -> None:
    stories = [
        subprocess.run(
            (sys.executable, "-m", "tests.simulation", "--seed", "11"),
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert stories[0] == stories[1]
    assert "p0 starts" in stories[0]
