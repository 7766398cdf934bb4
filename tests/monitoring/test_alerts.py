"""The alerts under promtool: alerts/ has cases on both sides of each threshold, in promtool's own format."""

import re
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.harness.monitoring import ALERTS, alerts
from tools.chart import Manifest

STORIES: Final = Path(__file__).parent / "alerts"
RULES: Final[list[Manifest]] = [
    rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
]
NAMES: Final = [rule["alert"] for rule in RULES]
# Not those of a range, such as `[5m]`, nor of a label's value.
NUMBER: Final = re.compile(r"(?<![\w\[\"$])\d+(?:\.\d+)?(?![\w\]])")
MINUTES: Final = re.compile(r"(\d+)m")


def stories(name: str) -> Manifest:
    found: Manifest = yaml.safe_load((STORIES / f"{name}.yaml").read_text())
    return found


def run_cases(promtool: Path, folder: Path, name: str, groups: list[Manifest]) -> tuple[bool, str]:
    """Return whether the alert fires as its cases say, and promtool's output."""
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    (folder / "stories.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], **stories(name)}))
    command = [str(promtool), "test", "rules", str(folder / "stories.yaml")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.returncode == 0, done.stdout + done.stderr


def neighbours(number: str) -> tuple[str, ...]:
    """Wrong values of a threshold: a little less, a little more."""
    value = float(number)
    if value == 0:
        return ()  # its other side is covered by the comparison
    step = value * 0.01 if "." in number or value > 10 else 1
    return f"{value - step:g}", f"{value + step:g}"


def variants(rule: Manifest) -> Iterator[Any]:
    """Yield the rule with one threshold moved, one comparison made loose, or another duration."""
    text = rule["expr"]
    for match in NUMBER.finditer(text):
        for other in neighbours(match[0]):
            changed = text[: match.start()] + other + text[match.end() :]
            yield pytest.param(
                {**rule, "expr": changed}, id=f"{rule['alert']}: {match[0]} at {match.start()} is {other}"
            )
    # A rate is no whole number, so this cannot be distinguished.
    for match in () if "rate(" in text else re.finditer("[<>](?!=)", text):
        changed = f"{text[: match.end()]}={text[match.end() :]}"
        yield pytest.param(
            {**rule, "expr": changed}, id=f"{rule['alert']}: {match[0]} at {match.start()} is {match[0]}="
        )
    for minutes in MINUTES.findall(rule.get("for", "")):
        for moved in (int(minutes) - 1, int(minutes) + 1):
            yield pytest.param({**rule, "for": f"{moved}m"}, id=f"{rule['alert']}: for {moved}m")


def test_promtool_accepts_the_rules(promtool: Path, groups: list[Manifest]) -> None:
    command = [str(promtool), "check", "rules", "--lint=all", "--lint-fatal"]
    done = subprocess.run(
        command, input=yaml.safe_dump({"groups": groups}), check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(alerts(groups))} rules found" in done.stdout


def test_every_alert_has_cases() -> None:
    assert sorted(path.stem for path in STORIES.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_alert_fires_when_its_cases_say_so_and_no_sooner(
    promtool: Path, groups: list[Manifest], name: str, tmp_path: Path
) -> None:
    checks = [check for story in stories(name)["tests"] for check in story["alert_rule_test"]]
    assert {check["alertname"] for check in checks} == {name}
    assert {bool(check["exp_alerts"]) for check in checks} == {True, False}
    passed, said = run_cases(promtool, tmp_path, name, groups)
    assert passed, said


@pytest.mark.parametrize("changed", [each for rule in RULES for each in variants(rule)])
def test_alert_with_another_threshold_fails_its_cases(
    promtool: Path, groups: list[Manifest], changed: Manifest, tmp_path: Path
) -> None:
    others = deepcopy(groups)
    for group in others:
        for rule in group["rules"]:
            if rule["alert"] == changed["alert"]:
                rule.update(expr=changed["expr"], **({"for": changed["for"]} if "for" in changed else {}))
    passed, _ = run_cases(promtool, tmp_path, changed["alert"], others)
    assert not passed
