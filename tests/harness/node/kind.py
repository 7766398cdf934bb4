"""A cluster by `kind`, for machines with kind and a container engine.

It is small on purpose, because it was not run where it was written.
"""

import os
import subprocess
from pathlib import Path
from typing import Final
from uuid import uuid4

from tests.harness.controlplane import Binaries, KubectlError

_CREATE_SECONDS: Final = "180s"


class Kind:
    """A cluster with one node, which is a container. delete() removes it."""

    def __init__(self, engine: str, folder: Path) -> None:
        """Create it, and wait until it accepts pods.

        Raises:
            CalledProcessError: kind failed.
        """
        self.folder: Final = folder
        self.kubeconfig: Final = folder / "kubeconfig"
        self._name = f"netbird-{uuid4().hex[:8]}"
        self._engine = engine
        self._kubectl: Final = Binaries().find("kubectl")
        try:
            self._kind("create", "cluster", f"--kubeconfig={self.kubeconfig}", f"--wait={_CREATE_SECONDS}")
            # This machine's address in the network of the node's container.
            self.address: Final = self.inside("ip", "-4", "route", "show", "default").split()[2]
        except BaseException:
            self.delete()
            raise

    def load(self, archive: Path) -> None:
        """Load the images of an archive that the engine saved."""
        self._kind("load", "image-archive", str(archive))

    def inside(self, *command: str) -> str:
        """Run a command on the node as root, and return its output."""
        node = [self._engine, "exec", f"{self._name}-control-plane"]
        return subprocess.run([*node, *command], check=True, stdout=subprocess.PIPE, text=True).stdout

    def kubectl(self, *args: str, input: str | None = None) -> str:  # noqa: A002 — as subprocess.run calls it
        """Run kubectl as the administrator, and return its output.

        Raises:
            KubectlError: kubectl failed.
        """
        command = [str(self._kubectl), f"--kubeconfig={self.kubeconfig}", *args]
        done = subprocess.run(command, input=input, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise KubectlError(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def delete(self) -> None:
        """Delete it."""
        self._kind("delete", "cluster")

    def _kind(self, *arguments: str) -> None:
        environment = {**os.environ, "KIND_EXPERIMENTAL_PROVIDER": self._engine}
        subprocess.run(["kind", *arguments, f"--name={self._name}"], check=True, env=environment)
