"""Failures of Kubernetes: no duplicate, nothing lost or touched, a reason, no storm, and recovery afterwards."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

import pytest
import pytest_asyncio

from tests.proof.api_user import CANARIES
from tests.proof.cluster.cases import CASES
from tests.proof.cluster.installations import Installations
from tests.proof.cluster.outages import MOMENTS, OUTAGES, Outage, lose_the_definitions, outlive
from tests.proof.cluster.resource_scenarios import HISTORIES, History
from tests.proof.cluster.scenario import Case
from tests.proof.cluster.second_cluster import restore_elsewhere

Lives = Mapping[str, asyncio.Task[list[str]]]
EVERY: Final[tuple[Case | History, ...]] = (*CASES, *HISTORIES)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lives(installations: Installations, request: pytest.FixtureRequest) -> AsyncIterator[Lives]:
    """The selected cases, started together, because they mostly wait."""
    chosen = {item.name for item in request.session.items}
    async with asyncio.TaskGroup() as group:
        yield {
            case.name: group.create_task(installations.attempt(case))
            for case in EVERY
            if any(name.endswith(f"[{case}]") for name in chosen)
        }


@pytest.mark.timeout(600)
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("case", EVERY, ids=str)
async def test_no_promise_is_broken(case: Case | History, lives: Lives) -> None:
    assert await lives[case.name] == []


@pytest.mark.timeout(500)
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("outage", OUTAGES, ids=str)
async def test_no_promise_is_broken_by_an_outage(outage: Outage, installations: Installations) -> None:
    assert await outlive(outage, installations) == []


@pytest.mark.timeout(500)
@pytest.mark.asyncio(loop_scope="session")
async def test_no_promise_is_broken_when_all_definitions_are_deleted_and_applied_again(
    installations: Installations,
) -> None:
    assert await lose_the_definitions(installations) == []


@pytest.mark.timeout(500)
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("with_status", [False, True], ids=["without status", "with status"])
async def test_no_promise_is_broken_by_a_restore_in_another_cluster(
    installations: Installations, *, with_status: bool
) -> None:
    assert await restore_elsewhere(installations, with_status=with_status) == []


@pytest.mark.asyncio(loop_scope="session")
async def test_requests_of_the_operators_to_the_api_server_hold_no_secret(
    installations: Installations, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = installations.asked()
    assert b'"requestObject"' in asked
    assert [str(leak) for leak in CANARIES.search({"requests": asked})] == []
    with capsys.disabled():
        counts = f"{len(CASES)} faults, {len(HISTORIES)} histories, {len(OUTAGES)} outages in {len(MOMENTS)} moments"
        print(f" {counts}", end=" ")  # noqa: T201 # what was covered
