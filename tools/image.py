"""The container image, built by docker or podman: `python -m tools.image NAME:TAG`.

It is built on the Dockerfile's base images if their registries are reachable, else on bases made of Debian's packages,
see image_bases.py.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.harness.controlplane.progress import progress, say
from tools import image_bases

ROOT: Final = Path(__file__).parents[1]
ENGINES: Final = ("docker", "podman")
ENGINE_VARIABLE: Final = "CONTAINER_ENGINE"
CA_VARIABLE: Final = "PIP_CERT"
"""A build argument with the certificates that pip trusts, if those of the base image are not enough."""
_INSPECT_SECONDS: Final = 20.0
_USAGE: Final = 2


class ImageError(Exception):
    """The image can't be built. The message has the missing requirement, or the engine's output."""


def engine() -> str:
    """Return the engine that responds. CONTAINER_ENGINE overrides the choice.

    Raises:
        ImageError: none responds.
    """
    chosen = os.environ.get(ENGINE_VARIABLE, "").strip()
    for name in (chosen,) if chosen else ENGINES:
        # A command line without its daemon is common.
        if shutil.which(name) and _run([name, "info"]).returncode == 0:
            return name
    said = f"{chosen} does not answer" if chosen else "neither docker nor podman answers"
    message = f"{said}: start one, or install podman (on Debian: make e2e-setup)"
    raise ImageError(message)


def build(engine: str, tag: str, revision: str | None = None) -> None:
    """Build the checkout's Dockerfile.

    Args:
        engine: docker or podman.
        tag: the image's name and tag.
        revision: its label; by default the commit.

    Raises:
        ImageError: the engine fails, or there is no base image.
    """
    command = [engine, "build", f"--tag={tag}", *_base_arguments(engine), *_label_arguments(revision)]
    authorities = os.environ.get(CA_VARIABLE, "")
    if authorities:
        command.append(f"--secret=id=ca,src={authorities}")
    # docker supports `RUN --mount` only with BuildKit, which older versions need to be asked for.
    with progress(f"building {tag} with {engine}"):
        _checked([*command, str(ROOT)], {**os.environ, "DOCKER_BUILDKIT": "1"})


def save(engine: str, tag: str, archive: Path) -> Path:
    """Write an image to a file for a node, and return the path.

    Raises:
        ImageError: there is no such image.
    """
    archive.unlink(missing_ok=True)
    _checked([engine, "save", f"--output={archive}", tag])
    return archive


def make_pause(engine: str, tag: str) -> None:
    """Make the pause image, which holds a pod's namespaces by one static program that only waits, unless it exists.

    Raises:
        ImageError: the engine fails.
    """
    if not image_bases.has(engine, tag):
        program = shutil.which("catatonit") or "catatonit"
        packed = subprocess.run(["tar", "-cC", Path(program).parent, "catatonit"], check=True, stdout=subprocess.PIPE)
        done = image_bases.load(engine, tag, packed.stdout, 'ENTRYPOINT ["/catatonit", "-P"]')
        if done.returncode != 0:
            raise ImageError(done.stderr.decode(errors="replace").strip())


def _base_arguments(engine: str) -> list[str]:
    """Return the replacements of the Dockerfile's bases; none if their registries are reachable."""
    names = dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    unreached = [name for name in names.values() if not _offered(engine, name)]
    if not unreached:
        say(f"base images: {', '.join(names.values())}")
        return []
    say(f"base images: made of Debian's packages, since {unreached[0]} is not reached")
    try:
        image_bases.make(engine)
    except image_bases.BaseError as error:
        raise ImageError(str(error)) from error
    # The engine's own network needs more of a machine than its packages install.
    bases = {"BUILD_IMAGE": image_bases.BUILD, "RUNTIME_IMAGE": image_bases.RUNTIME}
    return ["--network=host", *(f"--build-arg={name}={value}" for name, value in bases.items())]


def _offered(engine: str, name: str) -> bool:
    """Return whether a registry offers an image, by the engine's own mirrors and proxies."""
    try:
        return _run([engine, "manifest", "inspect", name], seconds=_INSPECT_SECONDS).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _label_arguments(revision: str | None) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    labels = {
        "version": project["version"],
        "revision": revision or _git("rev-parse", "HEAD"),
        # The commit's time and not the build's, so that a second build gives the same image.
        "created": _git("show", "--no-patch", "--format=%cI"),
        "source": _git("remote", "get-url", "origin"),
    }
    if not labels["source"].startswith("https://") or "@" in labels["source"]:
        del labels["source"]  # a folder, or an address with credentials
    # No arguments of the Dockerfile, because podman's cache would return the layer of LABEL with another value.
    return [f"--label=org.opencontainers.image.{name}={value}" for name, value in labels.items() if value]


def _git(*arguments: str) -> str:
    """Return git's output; nothing without git or a repository."""
    return _run(["git", "-C", str(ROOT), *arguments]).stdout.strip() if shutil.which("git") else ""


def _run(command: Sequence[str], seconds: float | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds)


def _checked(command: Sequence[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    if done.returncode != 0:
        message = f"{' '.join(command[:2])} failed:\n{done.stdout}"
        raise ImageError(message)


def main(arguments: Sequence[str]) -> int:
    """Return the exit code."""
    if len(arguments) != 1:
        say("name the image: NAME:TAG")
        return _USAGE
    try:
        build(engine(), arguments[0])
    except ImageError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
