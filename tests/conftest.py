"""Hooks of all suites: a test belongs to the suite of its folder."""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from tests.harness.interpreter import description

TESTS: Final = Path(__file__).parent

# No test measures time, because a busy machine must not fail one.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        suite = item.path.relative_to(TESTS).parts[0]
        item.add_marker(suite)


def pytest_report_header() -> str:
    return description()
