"""Checks of the annotations by which Artifact Hub shows the chart."""

import re

import yaml

from tools.artifact_hub import CHANGELOG, PATH, written
from tools.crds.definitions import DEFINITIONS


def annotations(chart: str) -> dict[str, str]:
    found: dict[str, str] = yaml.safe_load(chart)["annotations"]
    return found


def test_annotations_match_the_definitions() -> None:
    assert written(PATH.read_text(), CHANGELOG.read_text()) == PATH.read_text(), "run `make docs`"


def test_each_definition_is_shown_and_has_an_example_of_its_version() -> None:
    found = annotations(PATH.read_text())
    shown = yaml.safe_load(found["artifacthub.io/crds"])
    examples = yaml.safe_load(found["artifacthub.io/crdsExamples"])
    kinds = {each.model.__name__ for each in DEFINITIONS}
    assert {each["kind"] for each in shown} == {each["kind"] for each in examples} == kinds
    for each, example in zip(shown, examples, strict=True):
        assert set(each) == {"kind", "version", "name", "displayName", "description"}
        assert example["apiVersion"].endswith(f"/{each['version']}")
    assert all(isinstance(value, str) for value in found.values())


def test_changes_of_a_released_version_are_those_of_the_changelog() -> None:
    chart = PATH.read_text()
    version = re.findall(r"^version: (.*)$", chart, re.MULTILINE)[0]
    changelog = CHANGELOG.read_text()
    released = changelog.replace("## [Unreleased]", f"## [{version}] - 2026-01-01")
    changes = yaml.safe_load(annotations(written(chart, released))["artifacthub.io/changes"])
    assert len(changes) == len(re.findall(r"^- ", changelog, re.MULTILINE))
    assert {each["kind"] for each in changes} <= {"added", "changed", "fixed", "removed", "security"}
