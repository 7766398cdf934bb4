"""Requirements of the harness's own node. On Debian `python -m tests.harness.node setup` installs them."""

import os
import shutil
import subprocess
import sys
from typing import Final

from tests.harness.controlplane.progress import say
from tests.harness.node.config import PLUGINS

# Program or file, and its Debian package.
PACKAGES: Final = {
    "runc": "runc",
    "ip": "iproute2",
    "catatonit": "catatonit",
    "podman": "podman",
    "debootstrap": "debootstrap",
    "openssl": "openssl",
    "unshare": "util-linux",
    str(PLUGINS / "bridge"): "containernetworking-plugins",
}


def missing() -> list[str]:
    """Return the Debian packages that have to be installed."""
    return sorted({package for program, package in PACKAGES.items() if shutil.which(program) is None})


def problem() -> str | None:
    """Return a sentence that says why no node can be started here, or None."""
    if sys.platform != "linux":
        return "a node of our own needs Linux: install kind and docker, which are used where they are there"
    if os.geteuid() != 0:
        return (
            "a node of our own needs root: run as root, or install kind and docker, which are used where they are there"
        )
    if missing():
        return f"these Debian packages are missing: {' '.join(missing())}; `make e2e-setup` installs them"
    return None


def install() -> int:
    """Install missing packages by apt, print each step, and return the exit code."""
    packages = missing()
    if not packages:
        say("nothing is missing")
        return 0
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        say(f"missing: {' '.join(packages)}; only root on Debian installs them here")
        return 1
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-qq", "--yes", "--no-install-recommends", *packages],
    ):
        say(f"+ {' '.join(command)}")
        done = subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL)
        if done.returncode != 0:
            return done.returncode
    return 0
