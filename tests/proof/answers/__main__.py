"""Run all cells, and write their results into docs/faults.md: `python -m tests.proof.answers`.

With words, only cells whose names contain all of them run, and the page's other rows stay.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from tests.harness.controlplane import ControlPlane
from tests.proof.answers import faults_page
from tests.proof.answers.cells import CELLS, Cell, Seen
from tests.proof.answers.matrix import living


async def write(cells: Sequence[Cell]) -> int:
    """Write the page; return 0 if no promise was broken."""
    known = faults_page.read(faults_page.PAGE.read_text())
    found: dict[Cell, Seen] = {}
    broken = 0
    with ControlPlane.start() as plane:
        async with living(plane, cells) as matrix:
            for cell in cells:
                life = await matrix.lives[str(cell)]
                broken += bool(life.breaches)
                print(f"{cell}: {life.requests} requests; {'; '.join(life.breaches) or 'kept'}", flush=True)
                if life.seen is not None:
                    found[cell] = life.seen
    ordered = {cell: {**known, **found}[cell] for cell in CELLS if cell in known or cell in found}
    faults_page.PAGE.write_text(faults_page.with_tables(faults_page.PAGE.read_text(), ordered))
    print(f"{len(cells)} cells, {broken} broken")
    return 1 if broken else 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="tests.proof.answers", description=__doc__)
    parser.add_argument("words", nargs="*", help="parts of the names of the cells that are of interest")
    words = parser.parse_args().words
    return asyncio.run(write([cell for cell in CELLS if all(word in str(cell) for word in words)]))


if __name__ == "__main__":
    sys.exit(main())
