"""The table of incidents in docs/operations.md names the incidents that the tests of this folder cause."""

import re
from pathlib import Path

import yaml

from tests.harness.monitoring import ALERTS
from tests.harness.pages import ROOT
from tests.monitoring.test_incidents_of_netbird import CASES

TABLE = re.findall(
    r"^\| (\d+\w?) \| .+? \| (\w+).* \|(.*)\|$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE
)
NUMBER = re.compile(r"(?<=_)(\d+\w?)(?=_)")


def tried() -> set[str]:
    """The numbers of the cases, and those in the names of the tests."""
    paths = Path(__file__).parent.glob("test_incidents_*.py")
    names = [name for path in paths for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)]
    return {case.name.split()[0] for case in CASES.values()} | {each for name in names for each in NUMBER.findall(name)}


def test_each_row_is_tested() -> None:
    numbers = [number for number, _, _ in TABLE]
    assert len(numbers) == 27
    assert set(numbers) <= tried()


def test_each_row_names_an_alert_and_a_time_or_the_reason_for_none() -> None:
    known = {rule["alert"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}
    for _, alert, after in TABLE:
        assert (alert == "none") == (after.strip() == "")
        assert alert == "none" or f"NetBirdStreaming{alert}" in known
