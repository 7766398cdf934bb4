"""The files and command lines that make a control plane a node: containerd, kubelet, scheduler, controllers."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.harness.certificates import AUTHORITY
from tests.harness.controlplane import Binaries
from tests.harness.node.isolated_machine import ADDRESS, PODS

NAME: Final = "node"
PAUSE: Final = "localhost/netbird-pause:1"
PLUGINS: Final = Path("/usr/lib/cni")
"""The folder of Debian's containernetworking-plugins."""

APISERVER_PORT: Final = 443
# A later flag overrides an earlier one, except for a list, to which it adds.
REPLACED: Final[dict[str, tuple[str, ...]]] = {
    # Pods have ServiceAccounts here, as everywhere.
    "kube-apiserver": ("--disable-admission-plugins", "--bind-address"),
    "kube-controller-manager": ("--controllers",),
}


def more_flags(component: str) -> list[str]:
    """Return the additional flags of a component of the control plane with a node."""
    if component == "kube-apiserver":
        return ["--bind-address=0.0.0.0", "--kubelet-preferred-address-types=InternalIP"]
    if component == "kube-controller-manager":
        return ["--controllers=*", f"--root-ca-file={AUTHORITY}"]
    return []


def scheduler(binaries: Binaries, folder: Path) -> list[str]:
    """Return the scheduler's command, for the single node."""
    kubeconfig = folder / "manager.kubeconfig"
    return [
        str(binaries.find("kube-scheduler")),
        f"--kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--secure-port=0",
    ]


def containerd(binaries: Binaries, folder: Path) -> list[str]:
    """Return containerd's command, with its data in the folder."""
    networks = folder / "cni"
    networks.mkdir()
    (networks / "pods.conflist").write_text(json.dumps(_network(folder)))
    path = folder / "containerd.toml"
    path.write_text(_CONTAINERD.format(folder=folder, pause=PAUSE, plugins=PLUGINS))
    return [str(binaries.find("containerd")), f"--config={path}"]


def kubelet(binaries: Binaries, folder: Path, cgroup: str) -> list[str]:
    """Return the kubelet's command for a small machine, within that control group."""
    path = folder / "kubelet.json"
    path.write_text(json.dumps(_kubelet(folder, cgroup)))
    return [
        str(binaries.find("kubelet")),
        f"--config={path}",
        f"--kubeconfig={folder / 'manager.kubeconfig'}",
        f"--root-dir={folder / 'kubelet'}",
        f"--cert-dir={folder / 'kubelet-certs'}",
        f"--hostname-override={NAME}",
        f"--node-ip={ADDRESS}",
    ]


def replaced(component: str, command: Sequence[str]) -> list[str]:
    """Return the command without the flags that more_flags() replaces."""
    gone = REPLACED.get(component, ())
    return [each for each in command if each.partition("=")[0] not in gone]


def _kubelet(folder: Path, cgroup: str) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{folder}/containerd.sock",
        "podLogsDir": f"{folder}/pod-logs",
        "volumePluginDir": f"{folder}/volume-plugins",
        # Its only client is the API server of the same folder.
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        # Nothing is reserved besides the use of pods, and version 1 of control groups is still in use.
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "makeIPTablesUtilChains": False,
        "resolvConf": "",
        # A nearly full disk is not the test's concern.
        "evictionHard": {"memory.available": "10Mi"},
        "imageGCHighThresholdPercent": 100,
        # A test pulls an image that is loaded under another name, too. By KEP-2535, that name would need a pull since.
        "imagePullCredentialsVerificationPolicy": "NeverVerify",
        "syncFrequency": "5s",
    }


def _network(folder: Path) -> dict[str, Any]:
    ranges = [[{"subnet": PODS}]]
    bridge = {
        "type": "bridge",
        "bridge": "pods",
        "isDefaultGateway": True,
        "ipMasq": False,
        "ipam": {"type": "host-local", "ranges": ranges, "dataDir": f"{folder}/addresses"},
    }
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}


_CONTAINERD: Final = """
version = 3
root = "{folder}/containerd"
state = "{folder}/containerd-state"
[grpc]
address = "{folder}/containerd.sock"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{pause}"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{plugins}"]
conf_dir = "{folder}/cni"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = false
"""
