"""The output of the demonstration: headings, sentences, commands and the state of NetBird."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from textwrap import fill
from typing import Final

from tests.doubles.netbird.behaviour import HeaderMask
from tests.doubles.netbird.records import Integration
from tests.doubles.netbird.rendering import MASK, SECRET_KEYS, masked_headers
from tests.doubles.netbird.request_log import Entry

ROOT: Final = Path(__file__).parents[1]
MANIFESTS: Final = "demo/manifests"
"""The folder of the applied files, below ROOT, in which every command is run."""
_WIDTH: Final = 100


class DemoError(Exception):
    """A step failed. The text says which."""


class Terminal:
    """Prints each action and its reason. Headings are bold on a terminal and plain in a pipe."""

    def __init__(self) -> None:
        """Number the steps from 1."""
        self._numbers = count(1)
        self._bold = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def step(self, title: str, why: str) -> None:
        """Begin a step: its title, and in one or two sentences its action and reason."""
        heading = f"{next(self._numbers)}. {title}"
        self.say("\n" + (f"\033[1m{heading}\033[0m" if self._bold else heading))
        self.say(why)

    def say(self, text: str) -> None:
        """Print one paragraph, wrapped. Indented and hand-broken text stays as it is."""
        lines = text.splitlines() or [""]
        print(text if len(lines) > 1 or text.startswith(" ") else fill(text, _WIDTH), flush=True)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Print rows in columns, as kubectl does. The last column keeps its width."""
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            self.say("  " + "   ".join([*cells, row[-1]]))


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Runs kubectl and prints the exact command and its output."""

    program: Path
    kubeconfig: Path
    cache: Path
    terminal: Terminal

    def __call__(self, arguments: str, manifest: str | None = None) -> None:
        """Run it with arguments in a shell's spelling, and a manifest for its standard input.

        Raises:
            DemoError: it failed; its output was printed.
        """
        self.terminal.say(f"  $ kubectl {arguments}" + (f" <<'EOF'\n{manifest}EOF" if manifest is not None else ""))
        finished = subprocess.run(
            [self.program, *shlex.split(arguments)],
            input=manifest,
            text=True,
            check=False,
            cwd=ROOT,
            env=self.environment,
        )
        if finished.returncode:
            message = f"kubectl {shlex.split(arguments)[0]} failed"
            raise DemoError(message)

    @property
    def environment(self) -> Mapping[str, str]:
        """Return its environment. A cache in the home folder would outlive this API server."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.cache)}


def public_config(integration: Integration) -> str:
    """Return the printable settings of an integration: every secret masked, empty ones left out."""
    shown = {
        key: MASK if key in SECRET_KEYS else masked_headers(value, HeaderMask.VALUES) if key == "headers" else value
        for key, value in integration.config.items()
        if value
    }
    return "  ".join(f"{key}={value}" for key, value in shown.items())


def held(integrations: Iterable[Integration]) -> list[tuple[str, ...]]:
    """Return the integrations in NetBird, as rows."""
    rows = [(str(each.id), each.platform, str(each.enabled).lower(), public_config(each)) for each in integrations]
    return [("ID", "PLATFORM", "ENABLED", "CONFIG"), *rows]


def asked(entries: Iterable[Entry]) -> list[tuple[str, ...]]:
    """Return the writes to NetBird and their results, as rows. Bodies hold secrets and are left out."""
    writes = [entry for entry in entries if entry.method != "GET"]
    return [("NetBird got:", entry.method, entry.path, f"answered {entry.status}") for entry in writes]
