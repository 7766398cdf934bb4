"""A real control plane for the tests of this folder, with all selected cells started at once."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.harness.controlplane import ControlPlane
from tests.proof.answers.cells import CELLS
from tests.proof.answers.matrix import Matrix, living


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def matrix(request: pytest.FixtureRequest) -> AsyncIterator[Matrix]:
    chosen = {item.callspec.id for item in request.session.items if hasattr(item, "callspec")}
    with ControlPlane.start() as plane:
        async with living(plane, [cell for cell in CELLS if str(cell) in chosen]) as begun:
            yield begun
