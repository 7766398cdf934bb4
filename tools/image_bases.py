"""Base images made of Debian's packages, for machines without an image registry. They are made by root.

They hold what the Dockerfile's own bases hold: Debian 13 with Python 3.13, once with pip and a shell to build in, and
once like the "distroless" images, of the unpacked packages that Python needs and nothing else.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.harness.controlplane import cache
from tests.harness.controlplane.progress import progress

SUITE: Final = "trixie"
BUILD: Final = f"localhost/netbird-base-build:{SUITE}"
RUNTIME: Final = f"localhost/netbird-base-runtime:{SUITE}"
BUILD_PACKAGES: Final = ("ca-certificates", "netbase", "python3", "python3-pip", "tzdata")
RUNTIME_PACKAGES: Final = (
    "base-files",
    "gcc-14-base",
    "libbz2-1.0",
    "libc6",
    "libcrypt1",
    "libdb5.3t64",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libncursesw6",
    "libpython3.13-minimal",
    "libpython3.13-stdlib",
    "libreadline8t64",
    "libsqlite3-0",
    "libssl3t64",
    "libtinfo6",
    "libuuid1",
    "libzstd1",
    "media-types",
    "netbase",
    "python3-minimal",
    "python3.13-minimal",
    "tzdata",
    "zlib1g",
)
_CERTIFICATES: Final = Path("etc/ssl/certs/ca-certificates.crt")
_DOWNLOADED: Final = Path("var/cache/apt/archives")
_UNREAD: Final = ("doc", "info", "lintian", "locale", "man")
_ERROR_LINES: Final = 10


class BaseError(Exception):
    """A base image can't be made. The message says why."""


def has(engine: str, name: str) -> bool:
    """Return whether the engine has an image of that name."""
    return subprocess.run([engine, "image", "inspect", name], check=False, capture_output=True).returncode == 0


def load(engine: str, name: str, packed: bytes, change: str) -> "subprocess.CompletedProcess[bytes]":
    """Import an image from the files in a tar archive into the engine, with one instruction of a Dockerfile."""
    command = [engine, "import", "--change", change, "-", name]
    return subprocess.run(command, input=packed, check=False, capture_output=True)


def make(engine: str) -> None:
    """Make both, unless the engine has them.

    Raises:
        BaseError: the user is not root, debootstrap is missing, or Debian's mirror is not reachable.
    """
    if has(engine, BUILD) and has(engine, RUNTIME):
        return
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        message = "no registry is reached, and bases of Debian's packages take root and debootstrap (make e2e-setup)"
        raise BaseError(message)
    with cache.locked(), cache.workspace() as workspace, progress("making base images of Debian's packages"):
        whole, runtime = workspace / "whole", workspace / "runtime"
        include = f"--include={','.join(BUILD_PACKAGES)}"
        _run("debootstrap", "--variant=minbase", include, SUITE, str(whole))
        runtime.mkdir(mode=0o755)
        _unpack(whole, runtime)
        # The engine makes device files and mounts.
        for left in (_DOWNLOADED, Path("dev"), Path("proc"), Path("sys")):
            shutil.rmtree(whole / left)
            (whole / left).mkdir(parents=True)
        for folder, name in ((whole, BUILD), (runtime, RUNTIME)):
            packed = subprocess.run(["tar", "-cC", str(folder), "."], check=True, stdout=subprocess.PIPE).stdout
            done = load(engine, name, packed, "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            if done.returncode != 0:
                raise BaseError(done.stderr.decode(errors="replace").strip())


def _unpack(whole: Path, runtime: Path) -> None:
    for package in RUNTIME_PACKAGES:
        (archive,) = (whole / _DOWNLOADED).glob(f"{package}_*.deb")
        _run("dpkg-deb", "--extract", str(archive), str(runtime))
    (runtime / _CERTIFICATES).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(whole / _CERTIFICATES, runtime / _CERTIFICATES)
    for folder in _UNREAD:
        shutil.rmtree(runtime / "usr" / "share" / folder, ignore_errors=True)


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        message = f"{command[0]} failed:\n" + "\n".join(done.stdout.splitlines()[-_ERROR_LINES:])
        raise BaseError(message)
