"""The official envtest archives: etcd, kube-apiserver and kubectl, built by kubernetes-sigs/controller-tools.

They lack kube-controller-manager and Helm, which are built in any case (or found on PATH). An archive is checked
against the SHA-512 in the release index, so it is as trustworthy as the host of the index. The hashes of a build are in
git.
"""

import hashlib
import http.client
import os
import re
import tarfile
import urllib.request
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final

from tests.harness.controlplane import cache
from tests.harness.controlplane.progress import progress, say

TOOLS: Final = ("etcd", "kube-apiserver", "kubectl")
MIRROR_VARIABLE: Final = "ENVTEST_MIRROR"
"""A base URL of envtest-releases.yaml. Each archive is below the name of its release."""
INDEX: Final = "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml"
RELEASES: Final = "https://github.com/kubernetes-sigs/controller-tools/releases/download"
CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 30.0


class UnavailableError(Exception):
    """The archive is not available. The message says why, and a build replaces it."""


class Archives:
    """The archives of one run. A host that did not respond is not tried again."""

    def __init__(self, mirror: str | None = None) -> None:
        chosen = (mirror or os.environ.get(MIRROR_VARIABLE, "")).rstrip("/")
        self._index_url = f"{chosen}/envtest-releases.yaml" if chosen else INDEX
        self._releases_url = chosen or RELEASES
        self._failed: str | None = None

    def download(self, minor: str) -> dict[str, Path]:
        """Download the newest patch of that minor into the locked cache, and return its programs.

        Raises:
            UnavailableError: no host responded, there is no such archive, or its checksum differs from the
                index.
        """
        if self._failed:
            raise UnavailableError(self._failed)
        try:
            return self._download(minor)
        except UnavailableError as error:
            self._failed = str(error)
            say(f"no envtest archive for {minor} ({error})")
            raise

    def _download(self, minor: str) -> dict[str, Path]:
        index = _read(_open(self._index_url)).decode()
        version, expected = newest(index, minor)
        name = f"envtest-{version}-linux-{cache.architecture()}.tar.gz"
        with progress(f"downloading {name}"), cache.workspace() as workspace:
            content = _read(_open(f"{self._releases_url}/envtest-{version}/{name}"))
            if hashlib.sha512(content).hexdigest() != expected:
                message = f"the SHA-512 of {name} is not the one in the release index"
                raise UnavailableError(message)
            archive = workspace / name
            archive.write_bytes(content)
            return _unpack(archive, f"envtest-{version}", workspace)


def cached(minor: str) -> dict[str, Path]:
    """Return the programs of a downloaded archive of that minor, if there is one."""
    for folder in sorted(cache.root().glob(f"envtest-v{minor}.*-linux-{cache.architecture()}"), reverse=True):
        tools = {tool: folder / tool for tool in TOOLS}
        if all(path.exists() for path in tools.values()):
            return tools
    return {}


def newest(index: str, minor: str) -> tuple[str, str]:
    """Return the version and SHA-512 of the newest patch of a minor for this architecture.

    The index is YAML of one fixed form, parsed line by line because only the standard library is available.

    Raises:
        UnavailableError: the index has none.
    """
    pattern = rf"envtest-v({re.escape(minor)}\.\d+)-linux-{cache.architecture()}\.tar\.gz:\s+hash: ([0-9a-f]{{128}})\s"
    found: list[tuple[str, str]] = re.findall(pattern, index)
    if not found:
        message = "the release index lists none"
        raise UnavailableError(message)
    version, digest = max(found, key=lambda entry: int(entry[0].rpartition(".")[2]))
    return f"v{version}", digest


def _unpack(archive: Path, name: str, workspace: Path) -> dict[str, Path]:
    with tarfile.open(archive) as opened:
        for tool in TOOLS:
            member = opened.extractfile(f"controller-tools/envtest/{tool}")
            if member is None:
                message = f"{archive.name} does not hold {tool}"
                raise UnavailableError(message)
            (workspace / tool).write_bytes(member.read())
    return {tool: cache.publish(workspace / tool, name, tool) for tool in TOOLS}


def _open(url: str) -> http.client.HTTPResponse:
    """Open a URL with a timeout for the whole request. A name that does not resolve exceeds any socket timeout."""
    opened: SimpleQueue[http.client.HTTPResponse | Exception] = SimpleQueue()

    def attempt() -> None:
        try:
            opened.put(urllib.request.urlopen(url, timeout=READ_SECONDS))  # noqa: S310 — a mirror may be a folder
        except (OSError, http.client.HTTPException, ValueError) as error:
            opened.put(error)

    Thread(target=attempt, name="envtest", daemon=True).start()
    try:
        answer = opened.get(timeout=CONNECT_SECONDS)
    except Empty:
        message = f"{url} did not answer within {CONNECT_SECONDS:.0f} s"
        raise UnavailableError(message) from None
    if isinstance(answer, Exception):
        message = f"{url} is not reached: {answer}"
        raise UnavailableError(message) from answer
    return answer


def _read(response: http.client.HTTPResponse) -> bytes:
    with response:
        try:
            return response.read()
        except (OSError, http.client.HTTPException) as error:
            message = f"{response.url} broke off: {error}"
            raise UnavailableError(message) from error
