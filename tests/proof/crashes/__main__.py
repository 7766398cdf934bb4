"""Explore one flow, or repeat one fault:

`python -m tests.proof.crashes create "POST event-streaming #1: carried out"`
"""

import argparse
import asyncio
import sys

from tests.harness.controlplane import ControlPlane
from tests.proof.crashes.explorer import exploring
from tests.proof.crashes.flows import FLOWS


async def explore(options: argparse.Namespace) -> int:
    """Explore, and print the result of each run; return 0 if no promise was broken."""
    (flow,) = (each for each in FLOWS if each.name == options.flow)
    with ControlPlane.start() as plane:
        async with exploring(plane, options.width) as explorer:
            report = await explorer.explore(flow, only=options.strike, tell=print)
    print(report)
    return 1 if report.broken else 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="tests.proof.crashes", description=__doc__)
    parser.add_argument("flow", choices=[flow.name for flow in FLOWS])
    parser.add_argument("strike", nargs="?", default="", help="the beginning of a strike, as a report names it")
    parser.add_argument("--width", type=int, default=8, help="how many runs at once (%(default)s)")
    return asyncio.run(explore(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
