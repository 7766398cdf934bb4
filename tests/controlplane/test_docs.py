"""The documentation on a real API server: each page's examples are applied and its commands run."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import pytest

from tests.doubles.netbird.process import running_netbird
from tests.harness import pages
from tests.harness.controlplane import ControlPlane
from tests.harness.docs_reader import FIRST_ID, TEAM, Reader, given_to_a_team
from tests.harness.foreign_objects import OTHER_TEAM

FIRST: Final = "docs/install.md"
COMPLETE: Final = "docs/getting-started.md"
"""This page requires nothing, so it has its own cluster."""
LAST: Final = "docs/upgrade-and-uninstall.md"
FROM_NOTHING: Final = {"README.md", "docs/platforms.md"}
"""These pages create their Secrets. The others require a team with Secrets and one integration."""
PAGES: Final = [
    page
    for page in sorted(pages.pages(), key=lambda page: (page == LAST, page))
    if page not in {FIRST, COMPLETE} and any(block.runs for block in pages.blocks(page))
]


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """A reader with the operator of the first page installed, on a separate API server."""
    with ControlPlane.start() as plane, running_netbird([f"--first-id={FIRST_ID}"]) as netbird, ExitStack() as stack:
        reader = Reader(plane, netbird, stack)
        reader.create_namespaces(TEAM, OTHER_TEAM)
        assert reader.read(FIRST) > 0
        reader.share_the_installation()
        yield reader


@pytest.mark.parametrize("page", PAGES)
def test_page_works_as_written(reader: Reader, page: str) -> None:
    reader.begin(*([] if page in FROM_NOTHING else given_to_a_team()))
    assert reader.read(page) > 0


def test_first_page_leads_from_an_empty_cluster_to_an_integration_and_back() -> None:
    with ControlPlane.start() as plane, running_netbird() as netbird, ExitStack() as stack:
        reader = Reader(plane, netbird, stack)
        reader.create_namespaces(OTHER_TEAM)
        assert reader.read(COMPLETE) > 0
        left = [each.platform for each in netbird.control.integrations("company")]
        assert left == ["firehose"], "only what was made by hand is left"
