"""The explanations of `make mutation` match the current code, and a change is identified by its text."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.proof.mutation import changes
from tests.proof.mutation.changes import Change
from tests.proof.mutation.explanations import PATH, read

CORE = Path(__file__).parents[2] / "operator" / "netbird_streaming" / "core"
EXPLAINED = read(PATH.read_text())
GROUP = '[[group]]\nreason = "So."\nchanges = [{}]'
CHANGE = '{ function = "f", before = "a = 1", after = "a = \\"x\\"" }'
MUTATED = '''
class Sums:
    def xǁSumsǁadd__mutmut_orig(self, one, other):
        """Add."""
        return one + other, "a sum"

    def xǁSumsǁadd__mutmut_1(self, one, other):
        """Add."""
        return one - other, "a sum"

    def xǁSumsǁadd__mutmut_2(self, one, other):
        """Add."""
        return one + other, "A Sum"


def x__half__mutmut_orig(
    whole,
):
    return whole / 2


def x__half__mutmut_1(
    whole,
):
    return whole / 3
'''


def functions(node: ast.AST, name: str, lines: list[str]) -> Mapping[str, str]:
    """Return the text of each function, its lines joined, by its name with that of its class."""
    found: dict[str, str] = {}
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.ClassDef):
            found |= functions(each, f"{name}.{each.name}", lines)
        elif isinstance(each, ast.FunctionDef):
            text = lines[each.lineno - 1 : each.end_lineno]
            found[f"{name}.{each.name}"] = " ".join(filter(None, map(str.strip, text)))
    return found


def module_of(function: str) -> str:
    """Return the module of a function, by its path below `core/` with dots."""
    parts = function.split(".")
    found = (
        ".".join(parts[:length])
        for length in range(1, len(parts))
        if CORE.joinpath(*parts[:length]).with_suffix(".py").exists()
    )
    return next(found)


def test_explained_change_exists() -> None:
    for place in EXPLAINED:
        module = module_of(place.function)
        source = (CORE / f"{module.replace('.', '/')}.py").read_text()
        assert place.before in functions(ast.parse(source), module, source.splitlines())[place.function], place
        assert place.before != place.after


def test_each_reason_is_a_sentence() -> None:
    assert [reason for reason in EXPLAINED.values() if not re.fullmatch(r"[A-Z].+\.", reason)] == []


def test_explanation_is_written_as_it_is_read() -> None:
    (place,) = read(GROUP.format(CHANGE))
    assert read(GROUP.format(place)) == {place: "So."}


def test_change_is_explained_once() -> None:
    with pytest.raises(ValueError, match="explained twice"):
        read(GROUP.format(f"{CHANGE}, {CHANGE}"))


def test_change_is_identified_by_its_text_without_wording(tmp_path: Path) -> None:
    (tmp_path / "sums.py").write_text(MUTATED)
    one, two, three = sorted(changes.read(tmp_path), key=lambda each: (each.function, each.name))
    sound = 'return one + other, "a sum"'
    assert one == Change("sums.xǁSumsǁadd__mutmut_1", "sums.Sums.add", sound, sound.replace("+", "-"), is_wording=False)
    assert two == Change(
        "sums.xǁSumsǁadd__mutmut_2", "sums.Sums.add", sound, sound.replace("a s", "A S"), is_wording=True
    )
    assert three == Change(
        "sums.x__half__mutmut_1", "sums._half", "return whole / 2", "return whole / 3", is_wording=False
    )
