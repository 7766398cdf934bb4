"""Put seeded bugs into a copy of the operator, one at a time, and check that each is caught:

`python -m tests.proof.bugs 07`.

Bugs that need a control plane run with `--slow`, or by name.
"""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.proof.bugs.bug import Bug, all_bugs
from tests.proof.bugs.bug_run import SLOW_SECONDS, run, sound_copy, try_out


def chosen(names: list[str], *, slow: bool) -> list[Bug]:
    """Return the bugs with these prefixes; without any, all, and slow ones only on request."""
    if names:
        return [bug for bug in all_bugs() if bug.name.startswith(tuple(names))]
    return [bug for bug in all_bugs() if slow or not bug.is_slow]


def main() -> int:
    """Read the command line, try the bugs; return 0 if each was caught."""
    parser = argparse.ArgumentParser(prog="tests.proof.bugs", description=__doc__)
    parser.add_argument("names", nargs="*", help="how the bugs' names begin (all)")
    parser.add_argument("--slow", action="store_true", help="those too that need a control plane")
    parser.add_argument("--width", type=int, default=2, help="how many at once (%(default)s)")
    options = parser.parse_args()
    bugs = chosen(options.names, slow=options.slow)
    with sound_copy() as sound:
        # A test that fails without the bug too would catch anything. This also compiles for all runs.
        failed, trouble = run(sound, sorted({test for bug in bugs for test in bug.tests}), SLOW_SECONDS)
        if failed or trouble is not None:
            print(f"the tests fail without any bug: {trouble or ', '.join(failed)}")
            return 1
        caught = 0
        with ThreadPoolExecutor(options.width) as pool:
            for verdict in pool.map(lambda bug: try_out(bug, sound), bugs):
                print(verdict, flush=True)
                caught += verdict.is_caught
    print(f"{len(bugs)} bugs seeded, {caught} caught")
    return 0 if bugs and caught == len(bugs) else 1


if __name__ == "__main__":
    sys.exit(main())
