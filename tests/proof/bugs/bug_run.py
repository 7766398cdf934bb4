"""The run of one bug: a copy of the tree, the patch, the tests that have to fail, and their output."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.proof.bugs.bug import Bug

ROOT: Final = Path(__file__).parents[3]
NEEDED: Final = (
    "operator",
    "tests",
    "tools",
    "demo",
    "crds",
    "deploy",
    "docs",
    "examples",
    "benchmarks",
    "requirements",
    ".github",
)
FILES: Final = ("pyproject.toml", "README.md", "Makefile", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
QUICK_SECONDS: Final = 120
SLOW_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class BugResult:
    """The result of a run: the failed tests, or why they are unknown. `seconds` is its duration."""

    bug: Bug
    failed: tuple[str, ...]
    trouble: str | None
    seconds: float

    @property
    def is_caught(self) -> bool:
        """Return whether each of the tests failed, and not for another reason."""
        return self.trouble is None and all(any(_is_of(each, test) for each in self.failed) for test in self.bug.tests)

    def __str__(self) -> str:
        """Return a line of the report."""
        what = (
            "caught by " + ", ".join(self.bug.tests) if self.is_caught else f"NOT CAUGHT ({self.trouble or 'passed'})"
        )
        return f"{self.seconds:6.1f} s  {self.bug.name}: {what}"


def _is_of(failed: str, test: str) -> bool:
    return failed == test or failed.startswith((f"{test}[", f"{test}::"))


@contextmanager
def sound_copy(root: Path = ROOT) -> Iterator[Path]:
    """Copy everything that the tests need, for the duration of the block. Its compiled files serve all runs."""
    with tempfile.TemporaryDirectory(prefix="bugs-") as folder:
        sound = Path(folder) / "sound"
        sound.mkdir()
        for name in (*NEEDED, *FILES):
            if (root / name).is_dir():
                shutil.copytree(root / name, sound / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif (root / name).is_file():
                shutil.copy2(root / name, sound / name)
        yield sound


def run(tree: Path, tests: Sequence[str], seconds: float) -> tuple[tuple[str, ...], str | None]:
    """Run tests in a tree; return the failed ones, and the reason if the result is incomplete."""
    report = tree / "report.xml"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "timeout=30",
        f"--junitxml={report}",
        *tests,
    ]
    environment = {**os.environ, "PYTHONPATH": str(tree / "operator")}
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return (), f"no end within {seconds:.0f} s"
    if done.returncode not in {0, 1} or not report.exists():
        return (), f"pytest ended with {done.returncode}: {done.stdout.decode()[-2000:]}"
    cases = list(ET.parse(report).getroot().iter("testcase"))  # noqa: S314 # our own pytest wrote it
    broken = [_name(case) for case in cases if case.find("error") is not None]
    trouble = f"could not run: {', '.join(broken)}" if broken else None
    return tuple(_name(case) for case in cases if case.find("failure") is not None), trouble


def _name(case: ET.Element) -> str:
    """Return the pytest id of a test from the report, which has its module with dots, and its class after that."""
    parts = str(case.get("classname")).split(".")
    last = next(index for index, part in enumerate(parts) if part.startswith("test_"))
    return "::".join(("/".join(parts[: last + 1]) + ".py", *parts[last + 1 :], str(case.get("name"))))


def try_out(bug: Bug, sound: Path) -> BugResult:
    """Apply the bug to a new copy, and return which of its tests fail."""
    began = time.monotonic()
    tree = sound.parent / bug.name
    shutil.copytree(sound, tree)
    try:
        failed, trouble = _fails(bug, tree)
    finally:
        shutil.rmtree(tree)
    return BugResult(bug, failed, trouble, time.monotonic() - began)


def _fails(bug: Bug, tree: Path) -> tuple[tuple[str, ...], str | None]:
    # One line of context is enough, so that a change nearby does not invalidate a patch.
    patched = subprocess.run(["git", "apply", "-C1", str(bug.path)], cwd=tree, capture_output=True, check=False)
    if patched.returncode:
        return (), f"does not apply: {patched.stderr.decode()}"
    return run(tree, bug.tests, SLOW_SECONDS if bug.is_slow else QUICK_SECONDS)
