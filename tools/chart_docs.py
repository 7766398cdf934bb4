"""Write the generated parts of the chart's README.md, from its values and rights: `make docs`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

from tests.harness.rights import NEEDS
from tools.chart import CHART

README: Final = CHART / "README.md"
VALUES: Final = CHART / "values.yaml"


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the chart, as values.yaml describes it."""

    path: str
    default: Any
    description: str
    """The comment above it, or an empty string."""


def values(text: str) -> Iterator[Value]:
    """Return each value without children, in the order of the file."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    yield from _below(root, (), text.splitlines())


def _below(node: yaml.MappingNode, parents: tuple[str, ...], lines: list[str]) -> Iterator[Value]:
    for key, value in node.value:
        path = (*parents, key.value)
        description = _comment_above(key.start_mark.line, lines)
        # A commented value is one value, even if its default has children.
        if isinstance(value, yaml.MappingNode) and value.value and not description:
            yield from _below(value, path, lines)
        else:
            default = yaml.SafeLoader("").construct_document(value)
            yield Value(".".join(path), default, description)


def _comment_above(line: int, lines: list[str]) -> str:
    words: list[str] = []
    while line > 0 and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        words.insert(0, lines[line].lstrip().removeprefix("#").strip())
    return " ".join(words)


def values_list(text: str) -> str:
    """Return the values as a Markdown list."""
    return "".join(f"- `{each.path}` (`{_written(each.default)}`): {each.description}\n" for each in values(text))


def rights_list() -> str:
    """Return the rights as a Markdown list, with the flow that needs each."""
    return "".join(
        f"- {_resource(need.resource, need.group)}{f' `{need.name}`' if need.name else ''}, "
        f"{', '.join(need.verbs)}; {need.place.value}: {need.flow}\n"
        for need in NEEDS
    )


def written(page: str) -> str:
    """Return the page with its two lists updated.

    Raises:
        ValueError: a marker is not there exactly once, or they are in the wrong order.
    """
    page = _between(page, "values", values_list(VALUES.read_text()))
    return _between(page, "rights", rights_list())


def main() -> None:
    """Rewrite the chart's README.md in place, unless it is up to date."""
    page = README.read_text()
    if written(page) != page:
        README.write_text(written(page))


def _between(page: str, name: str, table: str) -> str:
    begin, end = f"<!-- {name}: written by `make docs` -->\n", f"<!-- end of {name} -->\n"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed or page.count(begin) + page.count(end) > len((begin, end)):
        message = f"the page must hold the lines {begin.strip()} and {end.strip()} once each, in this order"
        raise ValueError(message)
    return f"{before}{begin}\n{table}\n{end}{after}"


def _written(default: Any) -> str:
    return default if isinstance(default, str) and default else json.dumps(default)


def _resource(resource: str, group: str) -> str:
    plural, slash, subresource = resource.partition("/")
    return f"`{plural}{f'.{group}' if group else ''}{slash}{subresource}`"


if __name__ == "__main__":
    main()
