"""The simulated NetBird API as a child process, for tests and for the demo."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.doubles.netbird.control import NetBirdControl
from tests.harness.controlplane import KeptProcess

_ROOT: Final = Path(__file__).parents[3]
_URL: Final = re.compile(r"^(https?://\S+)\n", re.MULTILINE)
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.01


class NetBirdError(Exception):
    """The simulated NetBird API did not start."""


@dataclass(frozen=True, slots=True)
class RunningNetBird:
    """A running server: its URL, its process, and the client that controls it."""

    url: str
    pid: int
    control: NetBirdControl


@contextmanager
def running_netbird(arguments: Sequence[str] = ()) -> Iterator[RunningNetBird]:
    """Run the server as a process, on a free port unless the arguments say otherwise, until the block ends.

    Its errors go to standard error, at the end.

    Raises:
        NetBirdError: the process ended before it listened, or takes too long. The message has its output.
    """
    command = [sys.executable, "-m", "tests.doubles.netbird", *arguments]
    with TemporaryDirectory(prefix="netbird-") as folder:
        process = KeptProcess(command, Path(folder) / "log", {**os.environ, "PYTHONPATH": str(_ROOT)})
        try:
            url = _url(process)
            yield RunningNetBird(url, process.pid, NetBirdControl(url))
        finally:
            _stop(process)
            sys.stderr.write(_URL.sub("", process.log.read_text(), 1))


def _url(process: KeptProcess) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while (found := _URL.search(printed := process.log.read_text())) is None:
        if not process.alive or time.monotonic() > deadline:
            message = f"the simulated NetBird API did not start:\n{printed}"
            raise NetBirdError(message)
        time.sleep(_POLL_SECONDS)
    return found[1]


def _stop(process: KeptProcess) -> None:
    """Stop it gracefully, so that it writes its state if it has a file."""
    process.send(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        process.kill()
