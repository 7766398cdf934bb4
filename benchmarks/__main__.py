"""`make bench`: run the benchmarks; `make bench ARGS="--burst 200 --rest 0"` runs less."""

import argparse
import asyncio
import sys

from benchmarks.burst import burst
from benchmarks.failover import failover
from benchmarks.idle import rest
from benchmarks.report import Report
from benchmarks.rig import rig


async def run(options: argparse.Namespace) -> None:
    """Run each part on its own pair of servers, so that no part affects the next."""
    report = Report()
    if options.burst:
        async with rig(options.python) as first:
            await burst(first, options.burst, report)
    if options.rest:
        async with rig(options.python) as second:
            await rest(second, options.rest, report)
    if options.failover:
        async with rig(options.python) as third:
            await failover(third, options.failover)
    print(f"\n{report}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--burst", type=int, default=1000, metavar="N", help="resources created at once (default 1000)")
    parser.add_argument("--rest", type=int, default=10_000, metavar="N", help="resources at rest (default 10000)")
    parser.add_argument("--failover", type=int, default=3, metavar="N", help="leaders gone in each way (default 3)")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="runs the operator (default: this)")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
