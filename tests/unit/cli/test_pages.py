"""The pages of the commands: the program accepts each command line on them."""

import re
import shlex

import pytest

from netbird_streaming.cli.commands import COMMANDS, parser
from netbird_streaming.version import PROGRAM
from tests.harness import pages

FOLDER = "docs/commands/"
LINES = [
    (page, line)
    for page in pages.pages()
    if page.startswith(FOLDER)
    for block in pages.blocks(page)
    for line in block.script.replace("\\\n", " ").splitlines()
    if line.startswith(f"{PROGRAM} ")
]


@pytest.mark.parametrize(("page", "line"), LINES)
def test_command_line_of_a_page_is_accepted(page: str, line: str) -> None:
    words = shlex.split(re.split(r" (?:[|]+|&&|<<|>) ?", line)[0])[1:]
    command = next(word for word in words if word in COMMANDS)
    assert parser([command]).parse_args(words).command == command


@pytest.mark.parametrize("name", ["export", "verify", "bundle"])
def test_page_of_a_command_has_a_command_line(name: str) -> None:
    assert [line for page, line in LINES if page == f"{FOLDER}{name}.md" and line.split()[1] == name]
