"""Thousands of stories, each of them drawn from its seed, and no promise broken in any.

`SEEDS=100000 make test T=tests/simulation/test_simulation.py` runs more of them, `SEED=7` tells one.
"""

import os
import subprocess
import sys

import pytest

from tests.simulation.runner import run_many
from tests.simulation.seeds import run_seed
from tests.simulation.shrink import shrink_seed

SEEDS = int(os.environ.get("SEEDS", "10000"))
SEED = os.environ.get("SEED")


@pytest.mark.timeout(60 + SEEDS // 50)
def test_no_seed_breaks_a_promise() -> None:
    if SEED is not None:
        result = run_seed(int(SEED), output=sys.stdout)
        assert not result.breaches, str(result)
        return
    report = run_many(os.cpu_count() or 1, 0, most=SEEDS)
    sys.stdout.write(f"{report}\n")
    assert not report.failed, f"{report.failed[0]}\n{shrink_seed(report.failed[0].seed)}"


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
