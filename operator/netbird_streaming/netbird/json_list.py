"""A long JSON list, read element by element: all of them at once would take twice what is kept of them."""

import json
import re
from collections.abc import Iterator
from typing import Final, NoReturn

_SPACE: Final = re.compile(r"[ \t\n\r]*")


def elements(text: str) -> Iterator[object]:
    """Give the elements of the list that the text is, each as soon as it is read.

    Raises:
        ValueError: The text is no JSON list (RFC 8259); what was given by then is worth nothing.
        RecursionError: An element is nested too deeply.
    """
    place = _after_space(text, 0)
    if not text.startswith("[", place):
        raise ValueError
    place = _after_space(text, place + 1)
    decoder = json.JSONDecoder(parse_constant=_refuse)
    more = not text.startswith("]", place)
    while more:
        element, place = decoder.raw_decode(text, place)
        yield element
        place = _after_space(text, place)
        more = text.startswith(",", place)
        if more:
            place = _after_space(text, place + 1)
    if not text.startswith("]", place) or _after_space(text, place + 1) != len(text):
        raise ValueError


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return place if found is None else found.end()


def _refuse(constant: str) -> NoReturn:
    """NaN and infinities are JavaScript's, and no JSON."""
    raise ValueError(constant)
