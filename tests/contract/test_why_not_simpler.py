"""The page of mechanisms: each exists, and has as many lines as the page says."""

import ast
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator
from functools import cache

import pytest

from tests.harness.pages import ROOT

PACKAGE = ROOT / "operator/netbird_streaming"
PAGE = (ROOT / "docs/why-not-simpler.md").read_text()
ROWS = re.findall(r"- module: (.+), (\d+) lines?$", PAGE, re.MULTILINE)
TOKENS = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def lines_of(text: str) -> int:
    """Count the lines of code, without docstrings, comments and blanks."""
    bodies = [getattr(node, "body", []) for node in ast.walk(ast.parse(text))]
    nodes = [each for body in bodies if isinstance(body, list) for each in body]
    texts = [each for each in nodes if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)]
    docstrings = {line for each in texts for line in range(each.lineno, (each.end_lineno or 0) + 1)}
    kept: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in TOKENS:
            kept |= set(range(token.start[0], token.end[0] + 1))
    return len(kept - docstrings)


def definitions(name: str) -> Iterator[int]:
    """Yield the lines of each definition of a name: `Class.member`, `module.function` or a file."""
    if name.endswith(".py"):
        yield lines_of((PACKAGE / name).read_text())
        return
    place, member = name.split(".")
    for stem, text, tree, classes in _modules():
        owners: list[ast.AST] = [each for each in classes if each.name == place]
        for owner in owners or ([tree] if stem == place else []):
            yield from (_size(text, each) for each in ast.walk(owner) if member in _names(each))


@cache
def _modules() -> list[tuple[str, str, ast.Module, list[ast.ClassDef]]]:
    """Return the name, the text, the tree and the classes of each module."""
    texts = {path: path.read_text() for path in PACKAGE.rglob("*.py")}
    trees = {path: ast.parse(text) for path, text in texts.items()}
    return [
        (path.stem, texts[path], tree, [each for each in tree.body if isinstance(each, ast.ClassDef)])
        for path, tree in trees.items()
    ]


def _names(node: ast.AST) -> set[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return {node.name}
        case ast.AnnAssign(target=ast.Name(id=name) | ast.Attribute(attr=name)):
            return {name}
        case _:
            return set()


def _size(text: str, node: ast.AST) -> int:
    assert isinstance(node, ast.stmt)
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
    return lines_of(textwrap.dedent("\n".join(text.splitlines()[first - 1 : node.end_lineno])))


def test_page_has_rows() -> None:
    assert len(ROWS) == PAGE.count("- module:")


@pytest.mark.parametrize(("names", "count"), ROWS, ids=lambda value: value[:40])
def test_mechanism_has_the_lines_that_the_page_says(names: str, count: str) -> None:
    sizes = {name: next(definitions(name), None) for name in re.findall(r"`([^`]+)`", names)}
    assert None not in sizes.values(), sizes
    assert sum(each for each in sizes.values() if each is not None) == int(count), sizes
