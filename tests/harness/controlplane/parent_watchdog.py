"""Run one program, and kill it when the process that started this one ends.

Run as a script: `python parent_watchdog.py COMMAND…`, or `python parent_watchdog.py --remove FOLDER`. Only the starter
holds the other end of stdin. The kernel closes it when the starter ends, also after SIGKILL. Then the program is killed
or the folder is removed. If this process itself is killed, PR_SET_PDEATHSIG kills the program. The starter can't use
that signal directly, because it is sent when the *thread* that started the program ends.
"""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

PR_SET_PDEATHSIG: Final = 1
SETTLE_SECONDS: Final = 0.5
REMOVALS: Final = 20


def main() -> int:
    """Return the program's exit code, negative for a signal."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.argv[1] == "--remove":
        if sys.stdin.buffer.read():
            return 0
        # The starter had no time to clean up. A program that it lost track of may still write there, until its own
        # watchdog has noticed the starter's end.
        for _ in range(REMOVALS):
            time.sleep(SETTLE_SECONDS)
            if not Path(sys.argv[2]).exists():
                break
            shutil.rmtree(sys.argv[2], ignore_errors=True)
        return 0
    return _keep(sys.argv[1:])


def _keep(command: list[str]) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    keeper = os.getpid()

    def die_with_keeper() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:
            os._exit(1)
        # Ignored signals are inherited, and the program has to receive its own.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)

    # stdout is the pipe to the starter. The program's output goes to this process' stderr, its log.
    program = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        preexec_fn=die_with_keeper,  # noqa: PLW1509 — this process has one thread
        start_new_session=True,
    )
    print(program.pid, file=sys.stdout, flush=True)
    poll = select.poll()
    poll.register(os.pidfd_open(program.pid), select.POLLIN)
    poll.register(sys.stdin.fileno(), select.POLLIN | select.POLLHUP)
    poll.poll()
    if program.poll() is None:
        os.killpg(program.pid, signal.SIGKILL)
    return program.wait()


if __name__ == "__main__":
    sys.exit(main() & 0xFF)
