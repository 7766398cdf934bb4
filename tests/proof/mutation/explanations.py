"""The explanations of surviving changes, in `survivors.toml`: one reason for each group of changes.

A change is named by its function, the line before and the line after, without indentation.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

PATH: Final = Path(__file__).with_name("survivors.toml")


class Place(NamedTuple):
    """The changed line and its new text."""

    function: str
    before: str
    after: str

    def __str__(self) -> str:
        """Return its form in `survivors.toml`."""
        return f"{{ function = \"{self.function}\", before = '''{self.before}''', after = '''{self.after}''' }},"


def read(text: str) -> Mapping[Place, str]:
    """Return the reason for each change. Raises ValueError for duplicates, KeyError or TypeError for another format."""
    found: dict[Place, str] = {}
    for group in tomllib.loads(text)["group"]:
        for change in group["changes"]:
            place = Place(**change)
            if place in found:
                msg = f"explained twice: {place}"
                raise ValueError(msg)
            found[place] = group["reason"]
    return found
