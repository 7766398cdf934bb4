"""The control plane of `make controlplane`. A background process owns it, and .local/ has its state."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.harness.controlplane.controlplane import ControlPlane

CHECKOUT: Final = Path(__file__).parents[3]
FOLDER: Final = CHECKOUT / ".local" / "controlplane"
STATE: Final = FOLDER / "state.json"
LOG: Final = FOLDER / "holder.log"
STOP_SECONDS: Final = 15.0
POLL_SECONDS: Final = 0.1


class LocalError(Exception):
    """The control plane did not start. The message says why."""


@dataclass(frozen=True, slots=True)
class Local:
    """A running control plane."""

    pid: int
    url: str
    kubeconfig: Path


def running() -> Local | None:
    """Return the running one, or None. The files of a killed one do not count."""
    try:
        state = json.loads(STATE.read_text())
        command = Path(f"/proc/{state['pid']}/cmdline").read_bytes()
    except (OSError, ValueError, KeyError):
        return None
    # Its process id may have been reused.
    if b"tests.harness.controlplane" not in command:
        return None
    return Local(state["pid"], state["url"], Path(state["kubeconfig"]))


def start() -> Local:
    """Start one in the background, or return the running one.

    Raises:
        LocalError: it ended before it was ready.
    """
    already = running()
    if already:
        return already
    FOLDER.mkdir(parents=True, exist_ok=True)
    STATE.unlink(missing_ok=True)
    with LOG.open("wb") as log:
        holder = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.controlplane", "hold"],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    while holder.poll() is None:
        begun = running()
        if begun:
            return begun
        time.sleep(POLL_SECONDS)
    raise LocalError(LOG.read_text(errors="replace").strip().removeprefix("controlplane: "))


def stop() -> bool:
    """Stop the running one; return whether there was one."""
    found = running()
    if found is None:
        return False
    os.kill(found.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while running() is not None:
        if time.monotonic() > deadline:
            # Its watchdogs end the rest.
            os.kill(found.pid, signal.SIGKILL)
            break
        time.sleep(POLL_SECONDS)
    STATE.unlink(missing_ok=True)
    return True


def hold() -> None:
    """Run one until SIGTERM or SIGINT, in the background process."""
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with ControlPlane.start() as plane:
        state = {"pid": os.getpid(), "url": plane.url, "kubeconfig": str(plane.kubeconfig)}
        unfinished = STATE.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(state))
        unfinished.replace(STATE)
        signal.sigwait(signals)
    STATE.unlink(missing_ok=True)
