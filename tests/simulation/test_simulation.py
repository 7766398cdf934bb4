"""Thousands of random scenarios without a broken promise.

`SEEDS=100000 make test T=tests/simulation/test_simulation.py` runs more of them, `SEED=7` prints one.
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


@pytest.mark.timeout(60 + SEEDS // 20)
def test_no_seed_breaks_a_promise() -> None:
    if SEED is not None:
        result = run_seed(int(SEED), output=sys.stdout)
        assert not result.breaches, str(result)
        return
    report = run_many(os.cpu_count() or 1, 0, most=SEEDS)
    sys.stdout.write(f"{report}\n")
    assert not report.failed, f"{report.failed[0]}\n{shrink_seed(report.failed[0].seed)}"


@pytest.mark.parametrize("seed", [3, 16, 47, 92])
def test_seed_gives_the_same_scenario_twice(seed: int) -> None:
    assert run_seed(seed).log == run_seed(seed).log


def test_seed_gives_the_same_scenario_under_another_hash_seed() -> None:
    scenarios = [
        subprocess.run(
            (sys.executable, "-m", "tests.simulation", "--seed", "11"),
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert scenarios[0] == scenarios[1]
    assert "p0 starts" in scenarios[0]
