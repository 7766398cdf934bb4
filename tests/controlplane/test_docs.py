"""Somebody reads every page on a real API server and does what it says: applies its examples, types its commands."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import pytest

from tests.support import pages
from tests.support.controlplane import ControlPlane
from tests.support.netbird.process import running_netbird
from tests.support.reader import FIRST_ID, Reader, given_to_a_team

FIRST: Final = "docs/install.md"
LAST: Final = "docs/upgrade-and-uninstall.md"
FROM_NOTHING: Final = {"README.md", "docs/platforms.md"}
"""These say themselves how to make the Secrets; the others speak of a team that has them, and one integration."""
PAGES: Final = [
    page
    for page in sorted(pages.pages(), key=lambda page: (page == LAST, page))
    if page != FIRST and any(block.runs for block in pages.blocks(page))
]


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """One who has installed the operator as the first page says, on an API server of their own."""
    with ControlPlane.start() as plane, running_netbird([f"--first-id={FIRST_ID}"]) as netbird, ExitStack() as stack:
        reader = Reader(plane, netbird, stack)
        assert reader.read(FIRST) > 0
        yield reader


@pytest.mark.parametrize("page", PAGES)
def test_what_the_page_says_works(reader: Reader, page: str) -> None:
    reader.begin(*([] if page in FROM_NOTHING else given_to_a_team()))
    assert reader.read(page) > 0
