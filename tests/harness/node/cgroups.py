"""Remove a control group and those below it when the process that started this one ends.

Run as a script: `python cgroups.py NAME`. Only the starter holds the other end of stdin, as in parent_watchdog.py.
"""

import contextlib
import signal
import sys
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path("/sys/fs/cgroup")
WAIT_SECONDS: Final = 0.2
ATTEMPTS: Final = 60


def main(name: str) -> None:
    """Wait for the end of stdin, then for the end of the processes in the group, which are being killed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    for _ in range(ATTEMPTS):
        # Version 1 has a tree for each controller, version 2 has one.
        left = [group for group in (ROOT / name, *ROOT.glob(f"*/{name}")) if group.is_dir()]
        if not left:
            return
        for group in left:
            _remove(group)
        time.sleep(WAIT_SECONDS)


def _remove(group: Path) -> None:
    for each in group.iterdir():
        if each.is_dir():
            _remove(each)
    # A process in it may not have ended yet.
    with contextlib.suppress(OSError):
        group.rmdir()


if __name__ == "__main__":
    main(sys.argv[1])
