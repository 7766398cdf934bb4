"""The harness's own node leaves nothing, however its starter ends."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from tests.harness.node import requirements
from tools.image import ROOT

GONE_SECONDS: Final = 20.0
STARTER: Final = """
import sys
from tests.harness.node.node import Node

with Node.start() as node:
    print(node.folder, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_node_leaves_nothing_when_its_starter_ends(number: signal.Signals) -> None:
    problem = requirements.problem()
    if problem:
        pytest.skip(f"where kind is used there is no node of our own: {problem}")
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert starter.stdin
    assert starter.stdout
    folder = Path(starter.stdout.readline().strip())
    assert _left(folder), "nothing is found while it runs, so nothing is proven when it has ended"
    starter.send_signal(number)
    starter.communicate()
    deadline = time.monotonic() + GONE_SECONDS
    while _left(folder):
        assert time.monotonic() < deadline, f"left: {_left(folder)}"
        time.sleep(0.1)


def _left(folder: Path) -> list[str]:
    """Return processes, mounts, control groups and files of the node of that folder."""
    processes = [
        place.parent.name for place in Path("/proc").glob("[0-9]*/cmdline") if str(folder).encode() in _read(place)
    ]
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(folder) in line]
    cgroups = Path("/sys/fs/cgroup")
    groups = [str(each) for each in (cgroups / folder.name, *cgroups.glob(f"*/{folder.name}")) if each.exists()]
    return [*processes, *mounts, *groups, *([str(folder)] if folder.exists() else [])]


def _read(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError:
        return b""  # it has ended meanwhile
