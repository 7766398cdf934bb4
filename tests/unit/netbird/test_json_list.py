"""The incremental parser of a list gives the same result as the standard library."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.netbird.json_list import MAX_BRACKETS, PIECE_BYTES, PIECE_ITEMS, TooLargeError, pieces

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
indents = st.sampled_from([None, 0, 1])


def read(text: str, limit: int = 10**6) -> Any:
    """Return its result, or the type of its error."""
    try:
        return [element for piece in pieces(text.encode(), limit) for element in piece]
    except TooLargeError:
        return TooLargeError
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
def test_damaged_list_is_refused_or_read_as_by_the_standard_library(
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
def test_other_json_is_refused(text: str) -> None:
    assert read(text) is ValueError


@pytest.mark.parametrize(("length", "count"), [(10, PIECE_ITEMS), (1000, PIECE_BYTES // 1003 + 1), (2**17, 1)])
def test_elements_are_yielded_before_the_next_are_read(length: int, count: int) -> None:
    element = "x" * length
    body = b"[" + f'"{element}",'.encode() * 2 * count + b" nonsense"
    assert next(pieces(body, 2**20)) == [element] * count


@pytest.mark.parametrize("wide", [True, False])
def test_list_with_too_many_parts_is_refused(wide: bool) -> None:  # noqa: FBT001  # pytest passes it
    def element(pairs: int) -> str:
        return f"[{','.join(['[]'] * (pairs - 1))}]" if wide else "[" * pairs + "]" * pairs

    most = MAX_BRACKETS // 2
    assert read(f"[{element(most)}]") == json.loads(f"[{element(most)}]")
    assert read(f"[{element(most + 1)}]") is TooLargeError
    assert read(f"[{element(100_000)}]") is TooLargeError


@pytest.mark.parametrize("element", ['{"key": "%s"}', '"%s"', '["%s"]', '{"%s": 1}', '{"key": {"inner": ["%s", {}]}}'])
def test_element_above_the_limit_is_refused_before_it_is_decoded(element: str) -> None:
    room = 1000 - len(element % "")
    assert read(f"[1, {element % ('x' * room)}]", 1000) == [1, json.loads(element % ("x" * room))]
    assert read(f"[1, {element % ('x' * (room + 1))}, 2]", 1000) is TooLargeError
    # It is invalid JSON: only its size is checked.
    assert read(f"[1, {element % ('x' * room)}nonsense, 2]", 500) is TooLargeError


@pytest.mark.parametrize("start", ['["', '[{"', "[{", "[[", "[1", '["\\', '[{"a":"\\"'])
@pytest.mark.parametrize("rest", ['\\"', '"', "\\", "{}", "[]", '"",', "[", "1,", " ", "a"])
def test_parsing_time_is_linear_in_the_length(start: str, rest: str) -> None:
    read(start + rest * (200_000 // len(rest)))
