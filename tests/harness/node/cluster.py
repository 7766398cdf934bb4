"""A cluster with a node, by `kind` if it is installed, else by the harness itself. Tests see no difference."""

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
    """No cluster can be started here. The message has the cause and the remedy in one sentence."""


class Cluster(Protocol):
    """The interface for tests."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""

    @property
    def folder(self) -> Path:
        """A folder of this cluster, removed with it."""

    @property
    def address(self) -> str:
        """The address at which pods reach a listener of the test's thread."""

    def kubectl(self, *args: str, input: str | None = None) -> str:  # noqa: A002 — as subprocess.run calls it
        """Run kubectl as the administrator. Raises KubectlError."""

    def load(self, archive: Path) -> None:
        """Load the images of an archive into the node."""

    def inside(self, *command: str) -> str:
        """Run a command on the node as root, and return its output."""


def check() -> None:
    """Check quickly whether cluster() has what it needs.

    Raises:
        ClusterError: this machine lacks something.
    """
    problem = None if shutil.which("kind") else requirements.problem()
    if problem:
        raise ClusterError(problem)


@contextmanager
def cluster(engine: str) -> Iterator[Cluster]:
    """Start one, and stop it with the block. If it is the harness's own, the thread is in its network.

    Args:
        engine: docker or podman, see image.engine().

    Raises:
        ClusterError: this machine lacks something.
        ImageError: the pause image can't be made.
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
