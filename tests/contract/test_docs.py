"""README.md against the code that it speaks of; tests/controlplane/test_readme.py applies what it says to apply."""

import re
from pathlib import Path

import pytest

from netbird_streaming.reasons import Reason
from tests.support.docs import BEGIN, END, README, reasons_table, with_table

ROOT = README.parent
PAGE = README.read_text()


def test_the_table_of_reasons_is_the_closed_list() -> None:
    assert with_table(PAGE, reasons_table()) == PAGE, "run `make docs`"


def test_every_reason_has_a_row_with_its_cure() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE.partition(BEGIN)[2].partition(END)[0], re.MULTILINE)
    assert rows == [(reason.value, reason.cure) for reason in Reason]


def test_no_cure_breaks_the_table() -> None:
    assert [reason for reason in Reason if set("|\n") & set(reason.cure)] == []


def test_every_make_target_that_it_names_exists() -> None:
    named = set(re.findall(r"(?:^\s*|`)make ([a-z0-9-]+)", PAGE, re.MULTILINE))
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test", "run", "install", "docs", "controlplane", "controlplane-stop"} <= named
    assert named - targets == set()


def test_every_file_that_it_links_to_exists() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", PAGE)
    folders = re.findall(r"`(tests/[a-z0-9]+)`", PAGE)
    assert [name for name in links + folders if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", ["no markers", f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}", f"{BEGIN}{END}{END}"])
def test_a_page_without_its_markers_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="once each, in this order"):
        with_table(page, "")


def test_writing_the_table_twice_changes_nothing_more() -> None:
    once = with_table(f"before\n{BEGIN}old\n{END}after\n", "new\n")
    assert once == f"before\n{BEGIN}\nnew\n\n{END}after\n"
    assert with_table(once, "new\n") == once


def test_it_names_no_place_of_one_machine() -> None:
    assert str(Path.home()) not in PAGE
    assert str(ROOT) not in PAGE
