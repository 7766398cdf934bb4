"""The bugs of `patches/`: each a patch behind a header that says what goes wrong, who had it, and what catches it.

The header is the patch's own text, which `git apply` passes over: a title, a blank line, a sentence, a blank line, then
`Issue: URL` and one or more `Caught-by: TEST`, each TEST as pytest names it, a parametrised one without its parameters.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "patches"
_HEADER: Final = re.compile(
    r"(?P<title>\S[^\n]*)\n\n(?P<sentence>\S[^\n]*(?:\n[^\n]+)*)\n\n"
    r"Issue: (?P<issue>\S+)\n(?P<caught>(?:Caught-by: \S+\n)+)\ndiff --git a/"
)
_SLOW: Final = "tests/controlplane/"


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug; `issue` is where somebody reported it of another program, `tests` are those that have to fail."""

    path: Path
    title: str
    sentence: str
    issue: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        """As the command line and the report call it."""
        return self.path.stem

    @property
    def is_slow(self) -> bool:
        """Whether only a control plane shows it."""
        return any(test.startswith(_SLOW) for test in self.tests)


def read(path: Path) -> Bug:
    """The bug of a patch; raises ValueError where its header is incomplete."""
    match = _HEADER.match(path.read_text())
    if match is None:
        msg = f"{path.name}: the header is not a title, a sentence, Issue and Caught-by"
        raise ValueError(msg)
    tests = tuple(line.removeprefix("Caught-by: ") for line in match["caught"].splitlines())
    return Bug(path, match["title"], " ".join(match["sentence"].split()), match["issue"], tests)


def all_bugs() -> list[Bug]:
    """All of them, in order."""
    return [read(path) for path in sorted(FOLDER.glob("*.patch"))]
