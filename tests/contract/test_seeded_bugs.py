"""The seeded bugs apply to the current code, and their run is reliable."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.proof.bugs.bug import FOLDER, Bug, all_bugs, read
from tests.proof.bugs.bug_run import ROOT, try_out

BUGS = all_bugs()
FEWEST = 40
PATCH = """A doubled sum

It is twice what it should be.

Issue: https://github.com/someone/something/issues/1
Caught-by: tests/test_sums.py::{test}

diff --git a/sums.py b/sums.py
--- a/sums.py
+++ b/sums.py
@@ -1,2 +1,2 @@
 def add(one, other):
-    return one + other
+    return {wrong}
"""


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_each_applies_to_the_current_code(bug: Bug) -> None:
    done = subprocess.run(
        ["git", "apply", "-C1", "--check", str(bug.path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_each_leaves_code_without_an_undefined_name(bug: Bug, tmp_path: Path) -> None:
    """Hold that a test fails because of the bug, not because of a NameError."""
    files = re.findall(r"^diff --git a/(\S+)", bug.path.read_text(), re.MULTILINE)
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    subprocess.run(["git", "apply", "-C1", str(bug.path)], cwd=tmp_path, check=True)
    python = [name for name in files if name.endswith(".py")]
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select=F821,E9", *python]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_each_names_its_effect_and_existing_tests(bug: Bug) -> None:
    assert bug.sentence.endswith(".")
    assert not bug.title.endswith(".")
    for test in bug.tests:
        path, *_, name = test.split("::")
        assert f"def {name}(" in (ROOT / path).read_text()


def test_each_is_a_different_reported_bug() -> None:
    assert len(BUGS) >= FEWEST
    assert [each for each, count in Counter(bug.issue for bug in BUGS).items() if count > 1] == []
    pattern = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+")
    assert [bug.issue for bug in BUGS if not pattern.fullmatch(bug.issue)] == []


def test_they_are_numbered_consecutively() -> None:
    assert [int(bug.name[:2]) for bug in BUGS] == list(range(1, len(BUGS) + 1))
    assert {path.suffix for path in FOLDER.iterdir()} == {".patch"}


@pytest.mark.parametrize(
    ("wrong", "test", "caught"),
    [
        pytest.param("2 * (one + other)", "test_add", True, id="a failure"),
        pytest.param("other + one", "test_add", False, id="no failure"),
        pytest.param("2 * (one + other)", "test_other", False, id="a failure of another test"),
        pytest.param("2 * (one + other)", "test_with_a_broken_fixture", False, id="a fixture that fails"),
        pytest.param("2 * (one + other", "test_add", False, id="a file that can't be read"),
    ],
)
def test_only_a_failing_test_catches_a_bug(tmp_path: Path, wrong: str, test: str, caught: bool) -> None:  # noqa: FBT001 # pytest passes it
    sound = tmp_path / "sound"
    (sound / "tests").mkdir(parents=True)
    (sound / "sums.py").write_text("def add(one, other):\n    return one + other\n")
    (sound / "tests" / "test_sums.py").write_text(
        "import pytest\n"
        "from sums import add\n"
        "@pytest.fixture\n"
        "def broken():\n"
        "    assert add(1, 1) == 2\n"
        "def test_add():\n"
        "    assert add(1, 1) == 2\n"
        "def test_other():\n"
        "    pass\n"
        "def test_with_a_broken_fixture(broken):\n"
        "    pass\n"
    )
    path = tmp_path / "01-doubled-sum.patch"
    path.write_text(PATCH.format(wrong=wrong, test=test))
    assert try_out(read(path), sound).is_caught is caught


def test_patch_with_an_incomplete_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "01-no-issue.patch"
    path.write_text(PATCH.replace("Issue: ", "Nothing: "))
    with pytest.raises(ValueError, match=r"01-no-issue\.patch"):
        read(path)
