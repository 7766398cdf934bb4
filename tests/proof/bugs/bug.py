"""The bugs of `patches/`: each is a patch with a header that names the effect, the origin and the catching tests.

The header is the patch's own text, which `git apply` ignores: a title, a blank line, a sentence, a blank line, then
`Issue: URL` and one or more `Caught-by: TEST`. Each TEST is a pytest id, without its parameters.
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
    """A bug. `issue` is its report for another program, `tests` are those that have to fail."""

    path: Path
    title: str
    sentence: str
    issue: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name in the command line and the report."""
        return self.path.stem

    @property
    def is_slow(self) -> bool:
        """Return whether it needs a control plane."""
        return any(test.startswith(_SLOW) for test in self.tests)


def read(path: Path) -> Bug:
    """Parse the bug of a patch. Raises ValueError if its header is incomplete."""
    match = _HEADER.match(path.read_text())
    if match is None:
        msg = f"{path.name}: the header is not a title, a sentence, Issue and Caught-by"
        raise ValueError(msg)
    tests = tuple(line.removeprefix("Caught-by: ") for line in match["caught"].splitlines())
    return Bug(path, match["title"], " ".join(match["sentence"].split()), match["issue"], tests)


def all_bugs() -> list[Bug]:
    """Return all bugs, in order."""
    return [read(path) for path in sorted(FOLDER.glob("*.patch"))]
