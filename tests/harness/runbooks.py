"""The runbooks, followed as an engineer on call does: the commands first, then the row that matches what they show."""

import os
import re
import subprocess
from pathlib import Path
from typing import Final

from tests.harness import pages
from tests.harness.controlplane import ControlPlane

_LOG: Final = re.compile(r"kubectl logs [^|]*\|")
"""There is no node here, so that the log of the operator is a file."""
_SECONDS: Final = 60.0


class Runbook:
    """A page of docs/runbooks."""

    def __init__(self, alert: str) -> None:
        self.page: Final = f"docs/runbooks/{alert}.md"
        self._text: Final = (pages.ROOT / self.page).read_text()

    def look(self, plane: ControlPlane, log: Path) -> str:
        """Run the commands of "Look first" and return what they print.

        Raises:
            AssertionError: a command does not work; that a search finds nothing is no failure.
        """
        end = self._text[: self._text.index("## What it means")].count("\n")
        found = [block for block in pages.blocks(self.page) if block.line < end]
        assert found, f"{self.page} has no commands to begin with"
        return "".join(_run(_LOG.sub(f"cat {log} |", block.script), plane) for block in found)

    def remedy(self, seen: str) -> str:
        """Return what the row of "Remedies" says whose first cell contains this text."""
        rows = re.findall(r"^\| (.+?) \| (.+) \|$", self._text.partition("## Remedies")[2], re.MULTILINE)
        matching = [remedy for cell, remedy in rows if seen in cell]
        assert len(matching) == 1, f"{self.page}: {len(matching)} rows have {seen!r}"
        (found,) = matching
        return str(found)


def _run(script: str, plane: ControlPlane) -> str:
    programs = plane.binaries.find("kubectl").parent
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(plane.folder),
        "KUBECONFIG": str(plane.kubeconfig),
    }
    done = subprocess.run(
        ["bash", "-c", script], env=environment, check=False, capture_output=True, text=True, timeout=_SECONDS
    )
    # grep and `kubectl auth can-i` answer 1 for "nothing" and "no".
    assert done.returncode in {0, 1}, f"{script}\n{done.stderr}"
    assert "error:" not in done.stderr.lower(), f"{script}\n{done.stderr}"
    return done.stdout + done.stderr
