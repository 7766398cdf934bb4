"""Fuzz the parsers, or repeat one input: `python -m tests.proof.fuzz [TARGET [FILE]]`.

Each target runs under libFuzzer for its share of the time, starting from the corpus. A failing input is kept in
`.local/fuzz`. Fix the bug and add the input to the corpus.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.proof.fuzz.targets import TARGETS

ROOT: Final = Path(__file__).parents[3]
CORPUS: Final = Path(__file__).parent / "corpus"
KEPT: Final = ROOT / ".local" / "fuzz"
LONGEST_INPUT: Final = 4096
LONGEST_RUN: Final = 5
"""Seconds that one input may take, a thousand times the usual."""
MOST_MEMORY: Final = 1024
_DONE: Final = re.compile(r"Done (\d+) runs")
_COVERED: Final = re.compile(r"cov: (\d+)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of fuzzing one target. `trouble` is the end of the output after a failure."""

    target: str
    runs: int
    covered: int
    trouble: str | None

    def __str__(self) -> str:
        """Return a line, and the failure below it."""
        line = f"{self.target}: {self.runs} inputs, {self.covered} places reached"
        return line if self.trouble is None else f"{line}, and one escaped:\n{self.trouble}"


def fuzz(target: str, seconds: int) -> Outcome:
    """Fuzz one target for so many seconds."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as found:
        command = [
            *(sys.executable, "-m", "tests.proof.fuzz.worker", target, found, str(CORPUS / target)),
            *(f"-max_total_time={seconds}", f"-max_len={LONGEST_INPUT}", f"-timeout={LONGEST_RUN}"),
            *(
                f"-rss_limit_mb={MOST_MEMORY}",
                f"-artifact_prefix={KEPT}/{target}-",
                f"-dict={CORPUS.parent / 'json.dict'}",
            ),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    said = done.stdout + done.stderr
    runs, covered = _DONE.findall(said), _COVERED.findall(said)
    trouble = None if done.returncode == 0 and runs else said[said.find("Uncaught") :][-3000:]
    return Outcome(target, int(runs[-1]) if runs else 0, int(covered[-1]) if covered else 0, trouble)


def main() -> int:
    """Read the command line; return 0 without a failure."""
    parser = argparse.ArgumentParser(prog="tests.proof.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", choices=list(TARGETS), help="only this one")
    parser.add_argument("file", nargs="?", type=Path, help="an input to try once, without the fuzzer")
    parser.add_argument("--seconds", type=int, default=110, help="for all of them (%(default)s)")
    parser.add_argument("--width", type=int, default=2, help="how many at once (%(default)s)")
    options = parser.parse_args()
    if options.file is not None:
        TARGETS[options.target](options.file.read_bytes())
        return 0
    targets = [options.target] if options.target else list(TARGETS)
    share = max(1, options.seconds * min(options.width, len(targets)) // len(targets))
    with ThreadPoolExecutor(options.width) as pool:
        outcomes = []
        for outcome in pool.map(lambda target: fuzz(target, share), targets):
            print(outcome, flush=True)
            outcomes.append(outcome)
    escaped = [each.target for each in outcomes if each.trouble is not None]
    print(f"{sum(each.runs for each in outcomes)} inputs tried by {len(outcomes)} targets, {len(escaped)} escaped")
    return 1 if escaped else 0


if __name__ == "__main__":
    sys.exit(main())
