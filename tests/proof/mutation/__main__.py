"""Change `core/` in every small way, one at a time, and check that each change is caught: `make mutation`.

An interrupted run is continued. Survivors are tried again, because there may be new tests. Names select changes:
`ARGS='policies.*'`, or `ARGS=policies.create_outcome.x__is_candidate__mutmut_3`. It fails if a surviving change is not
explained in `survivors.toml`, or if a test catches an explained one.
"""

import argparse
import os
import sys
from collections import Counter
from fnmatch import fnmatch
from typing import Final

from tests.proof.mutation import changes, explanations, mutated_tree
from tests.proof.mutation.changes import Change
from tests.proof.mutation.explanations import Place

NOTICED: Final = {"killed": "by unit tests", "timeout": "by unit tests", "caught by type check": "by types"}
STORIES: Final = "by the simulation"
WORDING: Final = "words of a message"
EXPLAINED: Final = "explained"
FINE: Final = frozenset({*NOTICED.values(), STORIES, WORDING, EXPLAINED})


def main() -> int:
    """Read the command line, try the changes; return 0 if each is caught or explained."""
    parser = argparse.ArgumentParser(prog="tests.proof.mutation", description=__doc__)
    parser.add_argument("names", nargs="*", help="changes, by their names or patterns of them (all)")
    parser.add_argument("--width", type=int, default=os.cpu_count() or 1, help="how many at once (%(default)s)")
    options = parser.parse_args()
    mutated_tree.prepare()
    again = [name for name, result in mutated_tree.results().items() if result in mutated_tree.SURVIVED]
    ended = mutated_tree.mutate(options.names, options.width)
    if ended == 0 and again and not options.names:
        ended = mutated_tree.mutate(again, options.width)
    return ended or _report(options.names)


def _report(names: list[str]) -> int:
    """Print the results of the changes with these names, or of all; return the exit status."""
    results, explained = mutated_tree.results(), explanations.read(explanations.PATH.read_text())
    found = [each for each in changes.read(mutated_tree.CORE) if not names or any(fnmatch(each.name, n) for n in names)]
    verdicts: Counter[str] = Counter()
    survived: set[Place] = set()
    for change in found:
        place = Place(change.function, change.before, change.after)
        verdict = _verdict(change, results[change.name], is_explained=place in explained)
        verdicts[verdict] += 1
        if verdict == EXPLAINED:
            survived.add(place)
        elif verdict not in FINE:
            print(f"{verdict}: {change.name}\n    {place}", flush=True)
    tried = {each.function for each in found}
    needless = [each for each in explained if each not in survived and (not names or each.function in tried)]
    for place in needless:
        print(f"explained, and nothing survives there:\n    {place}")
    print(f"{len(found)} changes: {', '.join(f'{number} {verdict}' for verdict, number in sorted(verdicts.items()))}")
    return 1 if needless or not verdicts.keys() <= FINE else 0


def _verdict(change: Change, result: str, *, is_explained: bool) -> str:
    if result not in mutated_tree.SURVIVED:
        return NOTICED.get(result, result)
    if change.is_wording:
        return WORDING
    if mutated_tree.is_noticed_by_stories(change.name):
        return STORIES
    return EXPLAINED if is_explained else "unexplained"


if __name__ == "__main__":
    sys.exit(main())
