"""The assumptions about NetBird: the page lists those of the table, and `verify` tests each."""

import pytest

from netbird_streaming.cli.assumptions import ASSUMPTIONS
from tools.assumption_docs import ASSUMED, SECURITY, Assumed, with_assumptions

TESTED = {name for name, _, _ in ASSUMPTIONS}


def test_page_lists_the_assumptions_of_the_table() -> None:
    page = SECURITY.read_text()
    assert with_assumptions(page) == page, "make docs writes it"


@pytest.mark.parametrize("assumed", ASSUMED, ids=lambda each: each.assumption[:40])
def test_verify_tests_each_assumption(assumed: Assumed) -> None:
    assert assumed.rows
    assert set(assumed.rows) <= TESTED
