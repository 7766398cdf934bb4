"""Progress messages of slow steps. They go to stderr, because a shell reads stdout."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

REPEAT_SECONDS: Final = 15.0


def say(line: str) -> None:
    """Print one line and flush it."""
    print(f"controlplane: {line}", file=sys.stderr, flush=True)


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Print the start of a step, its progress every 15 s, and its duration. The caller reports a failure."""
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
