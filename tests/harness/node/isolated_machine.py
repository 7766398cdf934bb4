"""An isolated machine: its own namespaces for network, mounts and processes, which end with their first process.

When that is killed, the kernel kills every process in it, containers included, and removes the mounts and network
devices. The control groups would be left and are removed here.
"""

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.harness.controlplane import ControlPlaneError, KeptProcess

# From the ranges for documentation: no real network has them.
ADDRESS: Final = "198.51.100.1"
PODS: Final = "203.0.113.0/24"
SERVICE_ADDRESS: Final = "10.0.0.1"
"""The address of the Service `kubernetes`. The API server listens on it itself, so that no forwarding is needed."""

_CLONE_NEWNET: Final = 0x40000000
_START_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.02
_REMOVER: Final = Path(__file__).with_name("cgroups.py")
# Folders that the kubelet, containerd and its plugins write outside of their own.
_SCRIPT: Final = """
for place in /run /var/lib /var/log; do mount -t tmpfs none $place; done
echo "$1"
exec catatonit -P
"""
_NETWORK: Final = (
    "link set lo up",
    f"address add {SERVICE_ADDRESS}/32 dev lo",
    # The kubelet refuses a loopback address as its node's, and not every kernel has dummy devices.
    "link add node type bridge",
    f"address add {ADDRESS}/24 dev node",
    "link set node up",
)


class Machine:
    """Runs until stop(), or until this process ends."""

    def __init__(self, log: Path, cgroup: str) -> None:
        """Start it, and wait until it is ready.

        Args:
            log: a file whose folder exists.
            cgroup: the control group of its containers, removed at the end.

        Raises:
            ControlPlaneError: its namespaces can't be created.
        """
        self._cgroups = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_REMOVER), cgroup], stdin=subprocess.PIPE, start_new_session=True
        )
        flags = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        ready = f"ready {time.monotonic_ns()}"
        self._process = KeptProcess(["unshare", *flags, "sh", "-ec", _SCRIPT, "sh", ready], log)
        deadline = time.monotonic() + _START_SECONDS
        while ready not in log.read_text(errors="replace"):
            if not self._process.alive or time.monotonic() > deadline:
                message = f"no namespaces of its own for the node:\n{log.read_text(errors='replace')}"
                self.stop()
                raise ControlPlaneError(message)
            time.sleep(_POLL_SECONDS)
        parent = self._process.pid
        self.pid: Final = int(Path(f"/proc/{parent}/task/{parent}/children").read_text())
        """The process id of its first process, as seen from outside."""

    def command(self, *command: str) -> list[str]:
        """Return a command that runs inside, except for the network, which is the calling thread's, see network()."""
        return ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--", *command]

    @contextmanager
    def network(self) -> Iterator[None]:
        """Move this thread and its children into the machine's network until the end of the block."""
        with Path("/proc/thread-self/ns/net").open() as outside, Path(f"/proc/{self.pid}/ns/net").open() as inside:
            _enter(inside.fileno())
            try:
                yield
            finally:
                _enter(outside.fileno())

    def connect(self) -> None:
        """Set up its network. Called inside.

        Raises:
            CalledProcessError: a device or an address was refused.
        """
        for line in _NETWORK:
            subprocess.run(["ip", *line.split()], check=True)

    def stop(self) -> None:
        """Stop it with all its processes. It may be called twice."""
        self._process.kill()
        if self._cgroups.stdin is not None:
            self._cgroups.stdin.close()
        self._cgroups.wait(_STOP_SECONDS)


def _enter(namespace: int) -> None:
    """Call setns(2), which the standard library has from 3.12 on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
