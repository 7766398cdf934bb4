"""The simulated NetBird API as a child process, for tests and for the demo."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.netbird.control import NetBirdControl

_ROOT: Final = Path(__file__).parents[3]
_STOP_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class RunningNetBird:
    """A server that runs: where its API is, its process, and the client that controls it."""

    url: str
    pid: int
    control: NetBirdControl


@contextmanager
def running_netbird(arguments: Sequence[str] = ()) -> Iterator[RunningNetBird]:
    """Run the server as its own process, on a free port unless the arguments say otherwise, until the block ends.

    Raises:
        RuntimeError: the process ended before it listened; its standard error says why.
    """
    command = [sys.executable, "-m", "tests.support.netbird", *arguments]
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    try:
        url = (process.stdout.readline() if process.stdout else "").strip()
        if not url:
            message = f"the simulated NetBird API ended with {process.wait()}"
            raise RuntimeError(message)
        yield RunningNetBird(url, process.pid, NetBirdControl(url))
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
