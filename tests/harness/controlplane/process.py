"""A program that never outlives the process that started it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

WATCHDOG: Final = Path(__file__).with_name("parent_watchdog.py")
STOP_SECONDS: Final = 10.0
DONE: Final = b"done"
"""Tells the watchdog of a folder that nothing is left to do."""


class KeptProcess:
    """A running program. It is killed when this process ends; see parent_watchdog.py."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        """Start it, and append its output to the log file.

        Args:
            command: the program's path and its arguments.
            log: a file whose folder exists.
            environment: all variables; by default this process's.

        Raises:
            OSError: the program does not exist.
        """
        self.log: Final = log
        with log.open("ab") as output:
            self._keeper = _keeper([*command], output, environment)
        assert self._keeper.stdout is not None
        try:
            said = self._keeper.stdout.readline()
        except BaseException:
            # Ctrl-C: no code has this object yet, and its processes must end before its folder is removed.
            self.kill()
            raise
        if not said:
            self._keeper.wait()
            message = f"{command[0]} could not be started; see {log}"
            raise OSError(message)
        self.pid: Final = int(said)

    @property
    def alive(self) -> bool:
        """Return whether it still runs, also paused."""
        return self._keeper.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal. Nothing happens if it has ended."""
        if self.alive:
            os.kill(self.pid, number)

    def wait(self, seconds: float) -> int:
        """Wait for its end, and return its exit code (256 less the signal's number, if a signal ended it).

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        return self._keeper.wait(seconds)

    def kill(self) -> None:
        """Kill it at once, with its process group."""
        for pipe in (self._keeper.stdin, self._keeper.stdout):
            if pipe is not None:
                pipe.close()
        self._keeper.wait(STOP_SECONDS)


def freeze(pid: int) -> None:
    """Stop a process (SIGSTOP), and wait until none of its threads runs. They stop after kill(2) has returned."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + STOP_SECONDS
    while not all(_is_stopped(thread) for thread in Path(f"/proc/{pid}/task").iterdir()):
        assert time.monotonic() < deadline, f"process {pid} did not stop within {STOP_SECONDS:.0f} s"
        time.sleep(0.001)


def _is_stopped(thread: Path) -> bool:
    """Return whether a thread is stopped or has ended (proc_pid_stat(5))."""
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0] in "TXZ"
    except (FileNotFoundError, ProcessLookupError):
        return True


class FolderRemoval:
    """Removes a folder when this process ends."""

    def __init__(self, folder: Path) -> None:
        """Start the watchdog."""
        self._folder = folder
        self._keeper = _keeper(["--remove", str(folder)], None, None)

    def now(self) -> None:
        """Remove the folder now, when nothing writes to it any more."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._folder.exists():
            return
        self._keeper.communicate(DONE, STOP_SECONDS)


def _keeper(
    arguments: list[str], errors: IO[bytes] | None, environment: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    """Start a watchdog in its own session, so that Ctrl-C in a terminal reaches only the starter."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(WATCHDOG), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment,
        start_new_session=True,
    )
