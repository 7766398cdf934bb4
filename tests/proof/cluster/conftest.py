"""A real control plane for the tests of this folder, with operators that each serve one case at a time."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from tests.harness.controlplane import ControlPlane
from tests.proof.cluster.installations import Installations, installations_on

WIDTH = 8
"""The number of concurrent cases, which mostly wait."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def installations() -> AsyncIterator[Installations]:
    plane = await asyncio.to_thread(ControlPlane.start)
    with plane:
        async with installations_on(plane, WIDTH) as found:
            yield found
