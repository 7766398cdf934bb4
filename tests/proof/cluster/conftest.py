"""A real control plane for the tests of this folder, with operators on it that each serve one case at a time."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from tests.harness.controlplane import ControlPlane
from tests.proof.cluster.installations import Lanes, lanes_on

WIDTH = 8
"""Cases at once: they mostly wait."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lanes() -> AsyncIterator[Lanes]:
    plane = await asyncio.to_thread(ControlPlane.start)
    with plane:
        async with lanes_on(plane, WIDTH) as found:
            yield found
