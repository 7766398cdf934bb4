"""The folder of downloaded and built programs. It is outside of the checkout, so that a new clone finds it again."""

import fcntl
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.harness.controlplane.progress import say

UNFINISHED: Final = ".unfinished-"
ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """Return this machine's architecture as Go and the archives name it."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def root() -> Path:
    """Return `$XDG_CACHE_HOME/netbird-streaming-operator`, or the folder below ~/.cache. It may not exist."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "netbird-streaming-operator"


def folder(name: str) -> Path:
    """Return the folder of one program's version on this architecture. It may not exist."""
    return root() / f"{name}-linux-{architecture()}"


@contextmanager
def locked() -> Iterator[None]:
    """Lock the cache, so that two runs don't build the same program. The lock ends with its process."""
    root().mkdir(parents=True, exist_ok=True)
    with (root() / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process downloads or builds; waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in root().glob(f"{UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


@contextmanager
def workspace() -> Iterator[Path]:
    """Create a temporary folder on the cache's file system. Used while the cache is locked."""
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=root()) as made:
        yield Path(made)


def publish(made: Path, name: str, tool: str) -> Path:
    """Move a finished program to its place atomically."""
    target = folder(name) / tool
    target.parent.mkdir(parents=True, exist_ok=True)
    made.chmod(0o755)
    made.replace(target)
    return target
