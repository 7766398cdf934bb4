"""The search for leaked secrets, in any encoding and also in parts."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

SHORTEST: Final = 8
"""The number of characters from either end of a secret that count as a leak."""
HEAD: Final = "c4nAry7q"
END: Final = "eNd0fKEy"
TAIL: Final = '/+ %&=:?q"\\'
"""Characters that encodings change."""
_RUN: Final = re.compile(rf"[A-Za-z0-9]{{{SHORTEST},}}")
_SEPARATORS: Final = ("", " ", ":", "-", "%", "\\x", "\\u00", "0x", ", 0x")
_AROUND: Final = 60


def canary(name: str, tail: str = TAIL) -> str:
    """A secret to search for. It begins and ends with letters and digits, which no encoding of characters changes.

    All begin and end alike, so that one search finds any of them. The name is for the message.
    """
    return f"{HEAD}-{name}{tail}{END}"


@dataclass(frozen=True, slots=True)
class Leak:
    """A part of a secret in a wrong place."""

    place: str
    secret: str
    """The name of a secret that has this part."""
    form: str
    around: str

    def __str__(self) -> str:
        """The readable form."""
        return f"{self.secret} in {self.place}, as {self.form}: {self.around!r}"


class Canaries:
    """Secrets by name, and the search for all of them."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """Prepare the search.

        Args:
            secrets: Values by name. The first 8 and the last 8 characters that are letters and digits in a
                row are searched. So each part of 8 characters or more from an end of a `canary` is found.

        Raises:
            ValueError: A value has no such run, so that its leak could be missed.
        """
        self.secrets: Final = dict(secrets)
        self._folded: dict[bytes, tuple[str, str]] = {}
        self._exact: dict[bytes, tuple[str, str]] = {}
        for name, value in secrets.items():
            runs = _RUN.findall(value)
            if not runs:
                message = f"{name} has no {SHORTEST} letters or digits in a row"
                raise ValueError(message)
            for part in (runs[0][:SHORTEST], runs[-1][-SHORTEST:]):
                self._folded |= {needle: (name, form) for form, needle in _folded(part.encode())}
                self._exact |= {needle: (name, form) for form, needle in _encoded(part.encode())}

    def search(self, places: Mapping[str, str | bytes]) -> list[Leak]:
        """Return every place and form in which a part of a secret occurs, each once."""
        return [leak for place, content in places.items() for leak in self._search(place, content)]

    def _search(self, place: str, content: str | bytes) -> Iterator[Leak]:
        data = content.encode(errors="surrogateescape") if isinstance(content, str) else content
        for needles, text in ((self._exact, data), (self._folded, data.lower())):
            for needle, (name, form) in needles.items():
                found = text.find(needle)
                if found >= 0:
                    around = data[max(0, found - _AROUND) : found + len(needle) + _AROUND]
                    yield Leak(place, name, form, around.decode(errors="replace"))


def _folded(part: bytes) -> Iterator[tuple[str, bytes]]:
    """Return the form that ignores case. URLs, JSON and Python's quoting keep letters and digits."""
    yield "text", part.lower()
    for separator in _SEPARATORS:
        yield "hex", part.hex("\0").replace("\0", separator).encode()


def _encoded(part: bytes) -> Iterator[tuple[str, bytes]]:
    for once in _base64(part):
        yield "base64", once
        for twice in _base64(once):
            yield "base64 of base64", twice


def _base64(part: bytes) -> Iterator[bytes]:
    """Return three encodings, by the number of preceding bytes, without the characters that depend on neighbours."""
    for before in range(3):
        begin, end = -(-before * 8 // 6), (before + len(part)) * 8 // 6
        yield b64encode(b"\0" * before + part)[begin:end]
