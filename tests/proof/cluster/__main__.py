"""Run some cases, and print the result of each:

`python -m tests.proof.cluster "no rights" "restored with status"`
"""

import argparse
import asyncio
import sys
import time

from tests.harness.controlplane import ControlPlane
from tests.proof.cluster.cases import CASES
from tests.proof.cluster.installations import Installations, installations_on
from tests.proof.cluster.resource_scenarios import HISTORIES, History
from tests.proof.cluster.scenario import Case


async def _try(installations: Installations, case: Case | History) -> bool:
    began = time.monotonic()
    breaches = await installations.attempt(case)
    print(f"{time.monotonic() - began:6.1f} s  {case}  {'; '.join(breaches) or 'kept'}", flush=True)
    return not breaches


async def run(cases: list[Case | History], width: int) -> int:
    """Run them concurrently; return 0 if no promise was broken."""
    with ControlPlane.start() as plane:
        async with installations_on(plane, width) as installations:
            kept = await asyncio.gather(*(_try(installations, each) for each in cases))
    return 0 if all(kept) else 1


def main() -> int:
    """Read the command line."""
    every: tuple[Case | History, ...] = (*CASES, *HISTORIES)
    parser = argparse.ArgumentParser(prog="tests.proof.cluster", description=__doc__)
    parser.add_argument("case", nargs="*", help="of " + ", ".join(f'"{each}"' for each in every))
    parser.add_argument("--width", type=int, default=8, help="how many at once (%(default)s)")
    options = parser.parse_args()
    chosen = [each for each in every if not options.case or each.name in options.case]
    return asyncio.run(run(chosen, options.width))


if __name__ == "__main__":
    sys.exit(main())
