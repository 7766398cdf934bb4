"""Checks of the vocabulary of code and pages, against docs/glossary.md and the style rule in CONTRIBUTING.md."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
GLOSSARY: Final = "docs/glossary.md"
SUFFIXES: Final = frozenset({".md", ".py", ".tpl", ".yaml"})
QUOTED: Final = re.compile(r"tests/contract/recordings/|.*/openapi\.yaml$|\.github/")
"""Files with text of another program, or that are checked where they are generated."""
NOT_FIRST: Final = re.compile(
    r"(What|Whatever|Whether|Which|Who|Whom|Whose|How|Why|Where|It|Its|They|Those|These|That|Such"
    r"|Takes?|Gives?|Tells?|Says?|Hears?|One|Nothing|Something|Everybody)\b"
)
"""Words that no docstring begins with."""


def banned_words(glossary: str) -> list[str]:
    rows = re.findall(r"^\| ([a-z ]+?) \|", glossary.partition("<!-- not used -->")[2], re.MULTILINE)
    return [row for row in rows if row != "not used"]


def problems(text: str, banned: list[str], *, python: bool) -> Iterator[str]:
    pattern = re.compile(rf"\b({'|'.join(banned)})\b", re.IGNORECASE)
    for number, line in enumerate(text.splitlines(), 1):
        for match in pattern.finditer(line):
            yield f"{number}: {match[0]!r} is not used, see {GLOSSARY}"
    if python:
        yield from docstring_problems(text)


def docstring_problems(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first = NOT_FIRST.match(ast.get_docstring(node) or "")
        if first:
            yield f"{node.body[0].lineno}: a docstring begins with a verb or a noun, not with {first[0]!r}"


def files() -> list[str]:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [
        name
        for name in tracked.splitlines()
        if Path(name).suffix in SUFFIXES and name != GLOSSARY and not QUOTED.match(name) and (ROOT / name).exists()
    ]


def test_files_use_the_glossary_and_the_style_rule() -> None:
    banned = banned_words((ROOT / GLOSSARY).read_text())
    assert len(banned) >= 20
    found = {name: list(problems((ROOT / name).read_text(), banned, python=name.endswith(".py"))) for name in files()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('"""Return the key."""\n', 0),
        ('"""What is kept."""\n', 1),
        ('def f() -> None:\n    """Whether it is so."""\n', 1),
        ("# It is made quux.\n", 1),
        ("quuxes = frobber\n", 0),
    ],
)
def test_violation_is_found(text: str, count: int) -> None:
    assert len(list(problems(text, ["quux", "frob"], python=True))) == count
