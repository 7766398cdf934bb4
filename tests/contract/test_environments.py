"""The matrix of docs/environments.md: each row names an existing test, or says that it is not run."""

import re
from typing import Final

from tests.harness.pages import ROOT

PAGE: Final = ROOT / "docs" / "environments.md"
TEST: Final = re.compile(r"`(tests/[\w/]+(?:\.py)?)`")
DIMENSIONS: Final = {"Python", "NetBird by TLS", "proxy", "address family", "uid", "Helm", "Kubernetes"}


def rows() -> list[list[str]]:
    table = PAGE.read_text().partition("## What was tried\n")[2]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def test_each_row_names_an_existing_test_or_says_not_run() -> None:
    for dimension, value, run_by in rows():
        named = TEST.findall(run_by)
        assert bool(named) != run_by.startswith("not run"), (dimension, value)
        assert [each for each in named if not (ROOT / each).exists()] == []


def test_each_dimension_has_a_row_that_is_run() -> None:
    assert {dimension for dimension, _, run_by in rows() if not run_by.startswith("not run")} >= DIMENSIONS
