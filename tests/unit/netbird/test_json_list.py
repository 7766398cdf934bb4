"""A list that is read element by element is read as the standard library reads all of it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.netbird.json_list import elements

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
indents = st.sampled_from([None, 0, 1])


def read(text: str) -> Any:
    """What it gives, or the kind of what it raises."""
    try:
        return list(elements(text))
    except ValueError:
        return ValueError


def expected(text: str) -> Any:
    try:
        parsed = json.loads(text)
    except ValueError:
        return ValueError
    return parsed if isinstance(parsed, list) else ValueError


@given(st.lists(values, max_size=5), indents)
def test_any_list_is_read(items: list[Any], indent: int | None) -> None:
    assert read(json.dumps(items, indent=indent)) == items


@given(st.lists(values, max_size=3), st.integers(0, 60), st.integers(0, 3), st.text('[]{},: \t\n\r1"a', max_size=2))
def test_a_damaged_list_is_refused_or_read_as_by_the_standard_library(
    items: list[Any], place: int, cut: int, put: str
) -> None:
    text = json.dumps(items)
    damaged = text[:place] + put + text[place + cut :]
    assert read(damaged) == expected(damaged)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "null",
        "{}",
        "[",
        "]",
        "[]]",
        "[1",
        "[1,",
        "[,]",
        "[1,]",
        "[1 2]",
        "[1,,2]",
        "[1]2",
        "[NaN]",
        "\ufeff[]",
    ],
)
def test_what_is_no_list_is_refused(text: str) -> None:
    assert read(text) is ValueError


def test_an_element_is_given_before_the_next_is_read() -> None:
    assert next(elements("[1, nonsense")) == 1


def test_what_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(RecursionError):
        list(elements("[" * 100_000))
