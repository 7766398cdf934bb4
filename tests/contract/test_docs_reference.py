"""Checks of docs/reference/ against the code that writes it, and of the width of tables everywhere."""

import re
from typing import Any

import pytest
import yaml

from netbird_streaming.reasons import Reason
from tests.harness import pages as documentation
from tests.harness.pages import ROOT
from tools.reference.book import FOLDER, pages

WIDEST_ROW = 160
"""Characters. A wider row can't be read in a terminal or in a forge's diff."""
KINDS = sorted((ROOT / "crds").glob("*.yaml"))


def test_reference_matches_the_code() -> None:
    found = {path.name: path.read_text() for path in FOLDER.glob("*.md")}
    assert found == pages(), "run `make docs`"


@pytest.mark.parametrize("path", KINDS, ids=lambda path: path.stem)
def test_each_field_that_a_user_sets_has_an_example_or_names_its_values(path: Any) -> None:
    kind = yaml.safe_load(path.read_text())
    spec = kind["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert [field for field, schema in leaves(spec, "spec") if not is_shown(schema)] == []


def leaves(schema: Any, path: str) -> list[tuple[str, Any]]:
    inner = schema.get("items", schema)
    fields = inner.get("properties", {}) if isinstance(inner, dict) else {}
    found = [leaf for name, field in fields.items() for leaf in leaves(field, f"{path}.{name}")]
    return found or [(path, schema)]


def is_shown(schema: Any) -> bool:
    has_values = {"enum", "default"} & set(schema) or schema.get("type") == "boolean"
    return bool(has_values) or "Example: " in schema.get("description", "")


def test_each_reason_has_an_address() -> None:
    assert documentation.anchors("docs/reference/reasons.md") >= {reason.value.lower() for reason in Reason}


@pytest.mark.parametrize("page", documentation.pages())
def test_no_row_of_a_table_is_wide(page: str) -> None:
    rows = re.findall(r"^ *\|.*$", (ROOT / page).read_text(), re.MULTILINE)
    assert [row for row in rows if len(row) > WIDEST_ROW] == []
