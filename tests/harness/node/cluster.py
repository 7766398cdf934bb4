"""A cluster with a node, by `kind` where that is there, else one of our own; tests can't tell which."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.harness.node import config, requirements
from tests.harness.node.kind import Kind
from tests.harness.node.node import Node
from tools import image


class ClusterError(Exception):
    """No cluster can be started here; the message is one sentence that says why and what remedies it."""


class Cluster(Protocol):
    """What tests see of it."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""

    @property
    def folder(self) -> Path:
        """A folder for what belongs to this cluster; it goes with it."""

    @property
    def address(self) -> str:
        """Where pods reach what the test's thread listens on."""

    def kubectl(self, *args: str, input: str | None = None) -> str:  # noqa: A002 — as subprocess.run calls it
        """Run kubectl as the administrator. Raises KubectlError."""

    def load(self, archive: Path) -> None:
        """Give the node the images of an archive."""

    def inside(self, *command: str) -> str:
        """Run a command on the node, as its administrator, and answer what it prints."""


def check() -> None:
    """See in a moment whether cluster() has what it needs.

    Raises:
        ClusterError: this machine lacks something.
    """
    problem = None if shutil.which("kind") else requirements.problem()
    if problem:
        raise ClusterError(problem)


@contextmanager
def cluster(engine: str) -> Iterator[Cluster]:
    """Start one, and end it with the block, with all that is in it. Where it is our own, the thread is in its network.

    Args:
        engine: docker or podman, see image.engine().

    Raises:
        ClusterError: this machine lacks something.
        ImageError: the image that pods are held by can't be made.
    """
    check()
    if shutil.which("kind"):
        with tempfile.TemporaryDirectory(prefix="netbird-kind-") as folder:
            kind = Kind(engine, Path(folder))
            try:
                yield kind
            finally:
                kind.delete()
        return
    image.make_pause(engine, config.PAUSE)
    with Node.start() as node:
        node.load(image.save(engine, config.PAUSE, node.folder / "pause.tar"))
        yield node
