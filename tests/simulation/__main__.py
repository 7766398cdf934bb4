"""Run seeds from the command line.

`python -m tests.simulation --seed 7` prints a whole scenario, and shrinks it if it breaks a promise. Without a seed,
seeds run on all processors until one fails. That one is shrunk.
"""

import argparse
import os
import sys
import time

from tests.simulation.runner import run_many
from tests.simulation.seeds import run_seed
from tests.simulation.shrink import shrink_seed


def main() -> int:
    """Return the exit status: 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="print the whole scenario of this seed")
    parser.add_argument("--first", type=int, default=0, help="the first of many seeds (%(default)s)")
    parser.add_argument("--fresh", action="store_true", help="begin with a new seed, from the clock")
    parser.add_argument("--count", type=int, help="how many seeds at most")
    parser.add_argument("--seconds", type=float, help="begin no more seeds after so many seconds")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes to run them on (%(default)s)"
    )
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return _print_seed(arguments.seed)
    first = time.time_ns() // 1_000_000 if arguments.fresh else arguments.first
    report = run_many(arguments.workers, first, most=arguments.count, seconds=arguments.seconds)
    if report.failed:
        sys.stdout.write(f"{report.failed[0]}\n\n{shrink_seed(report.failed[0].seed)}\n\n")
    sys.stdout.write(f"{report}\n")
    return 1 if report.failed else 0


def _print_seed(seed: int) -> int:
    result = run_seed(seed, output=sys.stdout)
    sys.stdout.write("\n".join(result.breaches or ("all promises were kept",)) + "\n")
    if result.breaches:
        sys.stdout.write(f"\n{shrink_seed(seed)}\n")
    return 1 if result.breaches else 0


if __name__ == "__main__":
    sys.exit(main())
