"""Changes `core/` in every small way, one at a time, and sees which changes no test notices: `make mutation`.

What survives is listed in `.local/mutation/survivors`, and shown by `mutmut show NAME` there. A run that was ended
goes on where it was, while the code is the same.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / ".local" / "mutation"
MUTMUT: Final = ROOT / ".venv-mutation" / "bin" / "mutmut"
COPIED: Final = ("tests", "crds", "deploy", "docs")
# Declarations of what the API server checks are not changed: tests/controlplane holds those.
CONFIGURATION: Final = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = ["src/netbird_streaming/core/*"]
do_not_mutate = ["src/netbird_streaming/core/schema/*", "src/netbird_streaming/core/specs/*"]
also_copy = ["tests", "crds", "deploy", "docs"]
pytest_add_cli_args = ["-p", "no:cacheprovider"]
pytest_add_cli_args_test_selection = [
    "tests/unit/core",
    "tests/unit/reconciler",
    "tests/contract/test_gitops_health.py",
    "tests/simulation/test_counting.py",
    "tests/simulation/test_creating.py",
    "tests/simulation/test_owning.py",
    "tests/simulation/test_signals.py",
]
"""
_RESULT: Final = re.compile(r"^\s*(\S+__mutmut_\d+): (.+)$", re.MULTILINE)


def prepare() -> None:
    """Copy the tree to where mutmut works; it takes a source folder's name for a package's, unless that is `src`."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in (*COPIED, "src"):
        source = ROOT / ("operator" if name == "src" else name)
        shutil.rmtree(FOLDER / name, ignore_errors=True)
        shutil.copytree(source, FOLDER / name, ignore=shutil.ignore_patterns("__pycache__"))
    settings = (ROOT / "pyproject.toml").read_text().replace('pythonpath = ["."]', 'pythonpath = [".", "src"]')
    (FOLDER / "pyproject.toml").write_text(settings + CONFIGURATION)


def main(arguments: list[str]) -> int:
    """Run mutmut, and say how many of its changes were noticed; `arguments` are mutmut's own."""
    prepare()
    width = f"--max-children={os.cpu_count() or 1}"
    ended = subprocess.run([str(MUTMUT), "run", width, *arguments], cwd=FOLDER, check=False).returncode
    said = subprocess.run(
        [str(MUTMUT), "results", "--all", "true"], cwd=FOLDER, capture_output=True, text=True, check=True
    ).stdout
    results = _RESULT.findall(said)
    survivors = [name for name, result in results if result in {"survived", "no tests"}]
    (FOLDER / "survivors").write_text("\n".join(survivors) + "\n")
    print(f"{len(results)} changes: {dict(Counter(result for _, result in results))}")
    return ended


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
