"""A real control plane for the tests of this folder, with an explorer on it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.harness.controlplane import ControlPlane
from tests.proof.crashes.explorer import Explorer, exploring

WIDTH = 8
"""The number of concurrent runs, which mostly wait."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def explorer() -> AsyncIterator[Explorer]:
    with ControlPlane.start() as plane:
        async with exploring(plane, WIDTH) as found:
            yield found
