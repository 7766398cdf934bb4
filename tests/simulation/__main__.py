"""Run seeds from the command line.

`python -m tests.simulation --seed 7` tells a whole story; without a seed, very many are run on all processors.
"""

import argparse
import os
import sys

from tests.simulation.seeds import run_seed, run_seeds, run_seeds_on


def main() -> int:
    """Answer the exit status: 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="tell the whole story of this seed")
    parser.add_argument("--first", type=int, default=0, help="the first of many seeds")
    parser.add_argument("--count", type=int, default=10_000, help="how many seeds")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes to run them on")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        result = run_seed(arguments.seed, output=sys.stdout)
        sys.stdout.write("\n".join(result.breaches or ("all promises were kept",)) + "\n")
        return 1 if result.breaches else 0
    if arguments.workers > 1:
        return run_seeds_on(arguments.workers, arguments.first, arguments.count, sys.stdout)
    failed, seconds = run_seeds(range(arguments.first, arguments.first + arguments.count))
    for each in failed[:3]:
        sys.stdout.write(f"{each}\n")
    numbers = [each.seed for each in failed[:40]]
    sys.stdout.write(f"{len(failed)} of {arguments.count} seeds broke a promise, {seconds:.1f} s: {numbers}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
