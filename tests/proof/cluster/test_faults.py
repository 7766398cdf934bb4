"""While Kubernetes fails: no duplicate, nothing lost or touched, a reason, no storm; and then all is as it shall be."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from tests.proof.cluster.cases import CASES
from tests.proof.cluster.lanes import Lanes
from tests.proof.cluster.life import Case, live_through


async def _try(lanes: Lanes, case: Case) -> list[str]:
    async with lanes.trial() as trial:
        return await live_through(case, trial)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lives(lanes: Lanes, request: pytest.FixtureRequest) -> AsyncIterator[Mapping[str, asyncio.Task[list[str]]]]:
    """The chosen cases, begun together: they spend their time waiting."""
    chosen = {item.name for item in request.session.items}
    async with asyncio.TaskGroup() as group:
        yield {
            case.name: group.create_task(_try(lanes, case))
            for case in CASES
            if any(name.endswith(f"[{case}]") for name in chosen)
        }


@pytest.mark.timeout(600)
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_life_under_a_fault_breaks_no_promise(case: Case, lives: Mapping[str, asyncio.Task[list[str]]]) -> None:
    assert await lives[case.name] == []
