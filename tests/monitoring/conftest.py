"""Fixtures of this folder: Prometheus' programs and the chart's alerts."""

from pathlib import Path

import pytest

from tests.harness.controlplane import Binaries
from tests.harness.monitoring import rule_groups
from tools.chart import Manifest


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    """Built here, because no test's timeout includes the build."""
    made = Binaries()
    for tool in ("helm", "promtool", "prometheus"):
        made.find(tool)
    return made


@pytest.fixture(scope="session")
def promtool(binaries: Binaries) -> Path:
    return binaries.find("promtool")


@pytest.fixture(scope="session")
def groups(binaries: Binaries) -> list[Manifest]:
    """The chart's rules."""
    return rule_groups(binaries.find("helm"))
