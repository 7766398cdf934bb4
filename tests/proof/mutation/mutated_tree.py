"""The tree in which mutmut changes the code: a copy, in which every change of a function is next to the original.

Changes that mypy refuses count as caught, because `make test` runs mypy, and so do those that unit tests or the
simulation catch.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
FOLDER: Final = ROOT / ".local" / "mutation"
MUTATED: Final = FOLDER / "mutants"
CORE: Final = MUTATED / "src" / "netbird_streaming" / "core"
PREFIX: Final = "netbird_streaming.core."
SURVIVED: Final = frozenset({"survived", "no tests"})
STORIES: Final = tuple(
    f"tests/simulation/test_{name}.py" for name in ("counting", "creating", "owning", "events_and_logs", "regressions")
)
SEEDS: Final = 150
STORY_SECONDS: Final = 120.0
_BIN: Final = ROOT / ".venv-mutation" / "bin"
_COPIED: Final = ("tests", "tools", "demo", "crds", "deploy", "docs")
# Declarations that the API server checks are not changed: tests/controlplane covers those. mypy judges the effect of a
# change, not of duplicate functions or unreachable code.
_CONFIGURATION: Final = f"""
[tool.mutmut]
source_paths = ["src"]
only_mutate = ["src/netbird_streaming/core/*"]
also_copy = {list(_COPIED)}
pytest_add_cli_args = ["-p", "no:cacheprovider", "--hypothesis-seed=0"]
pytest_add_cli_args_test_selection = ["tests/unit/core", "tests/unit/reconciler"]
on_dependency_change = "ignore"
type_check_command = [
    "{_BIN / "python"}", "-m", "mypy", "--output=json", "--no-warn-unused-ignores", "--no-warn-unreachable",
    "--disable-error-code=no-redef", "--disable-error-code=has-type", "src/netbird_streaming/core",
]
"""
_ELSEWHERE: Final = (
    (r"^pythonpath = .*$", 'pythonpath = [".", "src"]'),
    (r"^mypy_path = .*$", 'mypy_path = "src"'),
    (r"^enable_error_code = .*$", 'enable_error_code = ["exhaustive-match", "possibly-undefined"]'),
)
_RESULT: Final = re.compile(rf"^\s*{re.escape(PREFIX)}(\S+__mutmut_\d+): (.+)$", re.MULTILINE)


def prepare() -> None:
    """Copy the tree to mutmut's folder. mutmut takes a source folder's name for a package's, unless that is `src`."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in (*_COPIED, "src"):
        source = ROOT / ("operator" if name == "src" else name)
        shutil.rmtree(FOLDER / name, ignore_errors=True)
        shutil.copytree(source, FOLDER / name, ignore=shutil.ignore_patterns("__pycache__"))
    settings = (ROOT / "pyproject.toml").read_text()
    for here, there in _ELSEWHERE:
        settings = re.sub(here, there, settings, count=1, flags=re.MULTILINE)
    (FOLDER / "pyproject.toml").write_text(settings + _CONFIGURATION)
    # The coverage of tests is computed again, because mutmut would run only new tests, also for new code.
    (MUTATED / "mutmut-stats.json").unlink(missing_ok=True)


def mutate(patterns: list[str], width: int) -> int:
    """Try the changes with these names, `*` in them for any; by default all untried ones."""
    command = [str(_BIN / "mutmut"), "run", f"--max-children={width}", *(PREFIX + each for each in patterns)]
    return subprocess.run(command, cwd=FOLDER, check=False).returncode


def results() -> Mapping[str, str]:
    """Return the result of each change, by its name below `PREFIX`; nothing before the first run."""
    command = [str(_BIN / "mutmut"), "results", "--all", "true"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    return dict(_RESULT.findall(done.stdout))


def is_noticed_by_stories(name: str) -> bool:
    """Return whether the simulation's tests, or some of its seeds, catch the change."""
    python = str(_BIN / "python")
    commands = (
        (python, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *STORIES),
        (python, "-m", "tests.simulation", f"--count={SEEDS}", "--workers=1"),
    )
    environment = os.environ | {"MUTANT_UNDER_TEST": PREFIX + name, "PYTHONPATH": "src"}
    for command in commands:
        try:
            done = subprocess.run(
                command, cwd=MUTATED, env=environment, capture_output=True, timeout=STORY_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return True
        if done.returncode != 0:
            return True
    return False
