"""The changes of mutmut, identified by their text: the function, the lines, and the new lines. Line numbers shift."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Final

_MUTANT: Final = re.compile(r"^x(?:_|ǁ(?P<owner>\w+)ǁ)(?P<function>\w+)__mutmut_(?P<number>\d+|orig)$")
_WORDS: Final = re.compile(r"\w \w")


@dataclass(frozen=True, slots=True)
class Change:
    """A change. `function` begins with its module. `before` and `after` are the differing lines, joined.

    `is_wording` is true if only a text for users differs: a string with more than one word.
    """

    name: str
    function: str
    before: str
    after: str
    is_wording: bool


def read(folder: Path) -> Iterator[Change]:
    """Return all changes of the modules that mutmut wrote into this folder."""
    for path in sorted(folder.rglob("*.py")):
        yield from _of_module(".".join(path.relative_to(folder).with_suffix("").parts), path.read_text())


def _of_module(module: str, source: str) -> Iterator[Change]:
    lines = source.splitlines()
    found: dict[str, dict[str, ast.FunctionDef]] = {}
    for node in ast.walk(ast.parse(source)):
        match = _MUTANT.match(node.name) if isinstance(node, ast.FunctionDef) else None
        if match is not None and isinstance(node, ast.FunctionDef):
            function = ".".join(filter(None, (module, match["owner"], match["function"])))
            found.setdefault(function, {})[match["number"]] = node
    for function, nodes in found.items():
        original = nodes.pop("orig")
        body, rest = _body(original, lines), _without_words(original)
        for node in nodes.values():
            name = f"{module}.{node.name}"
            before, after = _differing(body, _body(node, lines))
            yield Change(name, function, before, after, rest == _without_words(node))


def _body(node: ast.FunctionDef, lines: list[str]) -> list[str]:
    name = node.name.partition("__mutmut_")[0]
    found = (each.strip().replace(node.name, name) for each in lines[node.lineno - 1 : node.end_lineno])
    return [each for each in found if each]


def _differing(one: list[str], other: list[str]) -> tuple[str, str]:
    steps = [each for each in SequenceMatcher(None, one, other, autojunk=False).get_opcodes() if each[0] != "equal"]
    before = (line for _, start, end, _, _ in steps for line in one[start:end])
    after = (line for _, _, _, start, end in steps for line in other[start:end])
    return " ".join(before), " ".join(after)


def _without_words(node: ast.FunctionDef) -> str:
    node.name = ""
    return ast.dump(_Unworded().visit(node))


class _Unworded(ast.NodeTransformer):
    """Empties every text of more than one word."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """A constant."""
        worded = isinstance(node.value, str) and _WORDS.search(node.value) is not None
        return ast.Constant("") if worded else node
