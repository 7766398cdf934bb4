"""A control plane with a node: pods are scheduled, run, probed, restarted and stopped as on any other."""

import json
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.harness.controlplane import Binaries, ControlPlane, ControlPlaneError, KeptProcess, commands
from tests.harness.node import config
from tests.harness.node.isolated_machine import ADDRESS, Machine

CONTAINERD: Final = "containerd"
KUBELET: Final = "kubelet"
SCHEDULER: Final = "kube-scheduler"
PROGRAMS: Final = (SCHEDULER, CONTAINERD, "containerd-shim-runc-v2", "ctr", KUBELET)
"""The additional seconds of a node."""


class Node(ControlPlane):
    """A control plane with a node. The thread that starts it is in its network until it stops.

    So everything that the thread opens or starts (kubectl, helm, a simulated service) reaches the cluster, and only the
    cluster.
    """

    address: Final = ADDRESS
    """The address at which pods reach a listener in the node's network."""

    def __init__(self, binaries: Binaries, folder: Path, ports: commands.Ports) -> None:
        """Start it, and wait until it accepts pods; use start() instead.

        Raises:
            ControlPlaneError: a program did not become ready.
            BuildError: a program is missing and can't be built.
        """
        for tool in PROGRAMS:
            binaries.find(tool)
        self._cgroup: Final = folder.name
        self._entered: Final = ExitStack()
        self._machine: Machine | None = None
        super().__init__(binaries, folder, commands.Ports(ports.etcd, ports.etcd_peer, config.APISERVER_PORT))
        try:
            self._start(SCHEDULER, config.scheduler(binaries, folder))
            self._start_inside(CONTAINERD, config.containerd(binaries, folder))
            self._start_inside(KUBELET, config.kubelet(binaries, folder, self._cgroup))
            self._wait("the node", self._takes_pods)
        except BaseException:
            self.stop()
            raise

    @classmethod
    def start(cls, minor: str | None = None) -> "Node":
        """Start one as ControlPlane.start() does."""
        node = super().start(minor)
        assert isinstance(node, Node)
        return node

    def stop(self) -> None:
        """Stop it with all of its pods. It may be called twice."""
        for name in (KUBELET, CONTAINERD, SCHEDULER):
            process = self._processes.pop(name, None)
            if process:
                process.kill()
        if self._machine is not None:
            self._machine.stop()
        super().stop()
        self._entered.close()

    def load(self, archive: Path) -> None:
        """Load the images of an archive that `podman save` or `docker save` wrote."""
        ctr = [str(self.binaries.find("ctr")), f"--address={self.folder / 'containerd.sock'}", "--namespace=k8s.io"]
        self.inside(*ctr, "images", "import", "--local", str(archive))

    def inside(self, *command: str) -> str:
        """Run a command on the node as root, and return its output.

        Raises:
            ControlPlaneError: the command failed.
        """
        assert self._machine is not None
        done = subprocess.run(self._machine.command(*command), check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise ControlPlaneError(done.stderr.strip())
        return done.stdout

    def _start(self, component: str, command: list[str]) -> None:
        if self._machine is None:
            # Before the first program, because all of them have to be in its network.
            self._machine = Machine(self._files.log("machine"), self._cgroup)
            self._entered.enter_context(self._machine.network())
            self._machine.connect()
        super()._start(component, [*config.replaced(component, command), *config.more_flags(component)])

    def _start_inside(self, component: str, command: list[str]) -> None:
        assert self._machine is not None
        # containerd looks for its shim on PATH, and the shim for runc.
        path = f"{Path(command[0]).parent}:{os.environ['PATH']}"
        log = self._files.log(component)
        self._processes[component] = KeptProcess(self._machine.command(*command), log, {"PATH": path})

    def _takes_pods(self) -> bool:
        node = json.loads(self._get(f"/api/v1/nodes/{config.NAME}") or b"{}")
        conditions = {each["type"]: each["status"] for each in node.get("status", {}).get("conditions", ())}
        # The taint is removed shortly after the condition is set.
        return conditions.get("Ready") == "True" and not node["spec"].get("taints")
