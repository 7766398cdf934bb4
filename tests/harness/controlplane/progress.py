"""Lines that say what takes long, and how long so far. They go to stderr: stdout is for a shell to read."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

REPEAT_SECONDS: Final = 15.0


def say(line: str) -> None:
    """Print one line at once, whatever buffers stderr."""
    print(f"controlplane: {line}", file=sys.stderr, flush=True)


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Say that it began, every 15 s that it goes on, and how long it took; a failure is left to the caller."""
    began = time.monotonic()
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(REPEAT_SECONDS):
            say(f"{what} … {time.monotonic() - began:.0f} s")

    say(f"{what} …")
    reporter = threading.Thread(target=repeat, name="progress", daemon=True)
    reporter.start()
    try:
        yield
    finally:
        over.set()
        reporter.join()
    say(f"{what}: done in {time.monotonic() - began:.0f} s")
