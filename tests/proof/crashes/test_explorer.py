"""Every request and every event of every flow is lost, unanswered, late or the last of its process: nothing breaks."""

from typing import Final

import pytest

from tests.proof.api_user import CANARIES
from tests.proof.crashes.explorer import Explorer
from tests.proof.crashes.flows import FLOWS, Flow

MOST_MISSED: Final = 0.2
"""The share of faults that may miss their point."""


@pytest.mark.timeout(900)
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("flow", FLOWS, ids=str)
async def test_no_point_of_a_flow_breaks_a_promise(
    explorer: Explorer, flow: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    report = await explorer.explore(flow)
    with capsys.disabled():
        print(f" {report}", end=" ")  # noqa: T201 # what was covered
    assert report.broken == []
    assert len(report.missed) <= MOST_MISSED * report.runs, [str(each) for each in report.missed]


def test_requests_of_the_operators_to_the_api_server_hold_no_secret(explorer: Explorer) -> None:
    asked = explorer.asked()
    assert b'"requestObject"' in asked
    assert [str(leak) for leak in CANARIES.search({"requests": asked})] == []
