"""The runbooks, followed as by an engineer on call: the commands first, then the row that matches their output."""

import os
import re
import subprocess
from pathlib import Path
from typing import Final

from tests.harness import pages
from tests.harness.controlplane import ControlPlane

_LOG: Final = re.compile(r"kubectl logs [^|]*\|")
"""There is no node here, so the log of the operator is a file."""
_SECONDS: Final = 60.0


class Runbook:
    """A page of docs/runbooks."""

    def __init__(self, alert: str) -> None:
        self.page: Final = f"docs/runbooks/{alert}.md"
        self._text: Final = (pages.ROOT / self.page).read_text()

    def look(self, plane: ControlPlane, log: Path) -> str:
        """Run the commands of "Look first" and return their output.

        Raises:
            AssertionError: a command fails. A search without a result is no failure.
        """
        end = self._text[: self._text.index("## What it means")].count("\n")
        found = [block for block in pages.blocks(self.page) if block.line < end]
        assert found, f"{self.page} has no commands to begin with"
        return "".join(_run(_LOG.sub(f"cat {log} |", block.script), plane) for block in found)

    def is_printed_by(self, command: str, plane: ControlPlane) -> bool:
        """Return whether a command of an annotation prints the page."""
        return _run(command, plane) == self._text

    def remedy(self, seen: str) -> str:
        """Return the row of "Remedies" whose first cell contains this text."""
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
    # grep and `kubectl auth can-i` return 1 for "nothing" and "no".
    assert done.returncode in {0, 1}, f"{script}\n{done.stderr}"
    assert "error:" not in done.stderr.lower(), f"{script}\n{done.stderr}"
    return done.stdout + done.stderr
