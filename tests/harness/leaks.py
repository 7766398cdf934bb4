"""The search for secrets that left the Secrets that hold them, whatever form they took and however little got out."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

SHORTEST: Final = 8
"""Characters from the beginning or the end of a secret that are worth something to who finds them."""
HEAD: Final = "c4nAry7q"
END: Final = "eNd0fKEy"
TAIL: Final = '/+ %&=:?q"\\'
"""What encodings write differently."""
_RUN: Final = re.compile(rf"[A-Za-z0-9]{{{SHORTEST},}}")
_SEPARATORS: Final = ("", " ", ":", "-", "%", "\\x", "\\u00", "0x", ", 0x")
_AROUND: Final = 60


def canary(name: str, tail: str = TAIL) -> str:
    """A secret to look for: it begins and ends with letters and digits, which no encoding of characters changes.

    All of them begin and end alike, so that one search finds any of them; the name tells people which.
    """
    return f"{HEAD}-{name}{tail}{END}"


@dataclass(frozen=True, slots=True)
class Leak:
    """A part of a secret where none should be."""

    place: str
    secret: str
    """The name of a secret that has this part."""
    form: str
    around: str

    def __str__(self) -> str:
        """As a person reads it."""
        return f"{self.secret} in {self.place}, as {self.form}: {self.around!r}"


class Canaries:
    """Secrets, by names for people, and the search for all of them."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """Make ready to look for these.

        Args:
            secrets: Values by name. What is looked for are the first 8 and the last 8 characters that are letters and
                digits in a row; so of what `canary` made, each part of 8 characters or more from an end is found.

        Raises:
            ValueError: A value has no such run, so that it could leave unseen.
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
        """Every place and form in which a part of a secret is written, told once each."""
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
    """What is the same in upper and lower case: URLs, JSON and Python's own quoting leave letters and digits alone."""
    yield "text", part.lower()
    for separator in _SEPARATORS:
        yield "hex", part.hex("\0").replace("\0", separator).encode()


def _encoded(part: bytes) -> Iterator[tuple[str, bytes]]:
    for once in _base64(part):
        yield "base64", once
        for twice in _base64(once):
            yield "base64 of base64", twice


def _base64(part: bytes) -> Iterator[bytes]:
    """Three ways, by how many bytes are in front of it: what does not depend on what is beside it."""
    for before in range(3):
        begin, end = -(-before * 8 // 6), (before + len(part)) * 8 // 6
        yield b64encode(b"\0" * before + part)[begin:end]
