"""Why some changes are noticed by no test, in `survivors.toml`: one reason for each group of changes.

A change is named by its function, the line before and the line after, without what leads them in.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

PATH: Final = Path(__file__).with_name("survivors.toml")


class Place(NamedTuple):
    """What is changed, and into what."""

    function: str
    before: str
    after: str

    def __str__(self) -> str:
        """As `survivors.toml` has it."""
        return f"{{ function = \"{self.function}\", before = '''{self.before}''', after = '''{self.after}''' }},"


def read(text: str) -> Mapping[Place, str]:
    """The reason for each change; raises ValueError where one is told twice, KeyError or TypeError for another form."""
    found: dict[Place, str] = {}
    for group in tomllib.loads(text)["group"]:
        for change in group["changes"]:
            place = Place(**change)
            if place in found:
                msg = f"explained twice: {place}"
                raise ValueError(msg)
            found[place] = group["reason"]
    return found
