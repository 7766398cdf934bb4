"""A long JSON list, read piece by piece from its bytes: neither all of its text nor all of its elements exist at once.

The end of an element is found before the element is decoded, so that its size is known in time to refuse it.
"""

import json
import re
from collections.abc import Iterator
from typing import Final, NoReturn

PIECE_ITEMS: Final = 50
PIECE_BYTES: Final = 16 * 1024
"""So a piece takes less than a millisecond, unless its last element is a large one."""
MAX_BRACKETS: Final = 256
"""Of one element. An integration has about four; each takes longer to find than a hundred other characters."""

Encoded = bytes | bytearray

# All of them are possessive: no input makes them go back.
_SPACE: Final = re.compile(rb"[ \t\n\r]*+")
_SCALAR: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[^][{}," \t\n\r]++', re.DOTALL)
_TO_BRACKET: Final = re.compile(rb'(?:[^][{}"]++|"(?:[^"\\]++|\\.)*+")*+[][{}]', re.DOTALL)
_OPENING: Final = b"[{"


class TooLargeError(ValueError):
    """An element is longer than the limit, or has too many parts."""


def is_list(body: Encoded) -> bool:
    """Return whether the first character of the JSON text begins a list."""
    return body.startswith(b"[", _after_space(body, 0))


def pieces(body: Encoded, limit: int) -> Iterator[list[object]]:
    """Yield the elements of the list that the body is, some at a time: the last one may be beyond `PIECE_BYTES`.

    Raises:
        TooLargeError: An element has more than `limit` bytes, or more than `MAX_BRACKETS`.
        ValueError: The body is no JSON list (RFC 8259); what was given by then is worth nothing.
    """
    place = _after_space(body, 0)
    if not body.startswith(b"[", place):
        raise ValueError
    place = _after_space(body, place + 1)
    more = not body.startswith(b"]", place)
    decoder = json.JSONDecoder(parse_constant=_refuse)
    piece: list[object] = []
    begun = place
    while more:
        end = _end(body, place, limit)
        piece.append(decoder.decode(str(body[place:end], "utf-8")))
        place = _after_space(body, end)
        more = body.startswith(b",", place)
        if more:
            place = _after_space(body, place + 1)
        if len(piece) >= PIECE_ITEMS or place - begun >= PIECE_BYTES:
            yield piece
            piece, begun = [], place
    if not body.startswith(b"]", place) or _after_space(body, place + 1) != len(body):
        raise ValueError
    yield piece


def _end(body: Encoded, place: int, limit: int) -> int:
    """Find the end of the element that begins here."""
    last = min(len(body), place + limit)
    if body[place : place + 1] not in (b"[", b"{"):
        found = _SCALAR.match(body, place, last)
        if found is None:
            raise _fault(body, last)
        return found.end()
    depth, end = 0, place
    for _ in range(MAX_BRACKETS):
        found = _TO_BRACKET.match(body, end, last)
        if found is None:
            raise _fault(body, last)
        end = found.end()
        depth += 1 if body[end - 1] in _OPENING else -1
        if depth == 0:
            return end
    raise TooLargeError


def _fault(body: Encoded, last: int) -> ValueError:
    """Return the error for an element that has no end before `last`."""
    return TooLargeError() if last < len(body) else ValueError()


def _refuse(constant: str) -> NoReturn:
    """Refuse NaN and infinities, which are JavaScript's, and no JSON."""
    raise ValueError(constant)


def _after_space(body: Encoded, place: int) -> int:
    found = _SPACE.match(body, place)
    return place if found is None else found.end()
