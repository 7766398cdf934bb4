"""The command lines of the control plane's programs."""

import random
import socket
from dataclasses import dataclass, fields
from typing import Final

from tests.harness.controlplane.binaries import Binaries
from tests.harness.controlplane.files import Files

LOOPBACK: Final = "127.0.0.1"
# Below the kernel's range for outgoing connections, so that no client gets the port of an API server during its
# restart.
PORTS: Final = range(15_000, 32_000)
PORT_ATTEMPTS: Final = 200


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the programs, all on loopback."""

    etcd: int
    etcd_peer: int
    apiserver: int


def free_ports() -> Ports:
    """Return three unused ports."""
    chosen: set[int] = set()
    while len(chosen) < len(fields(Ports)):
        chosen.add(free_port())
    etcd, peer, apiserver = chosen
    return Ports(etcd, peer, apiserver)


def etcd(binaries: Binaries, files: Files, ports: Ports) -> list[str]:
    """Return etcd's command. Its data are in the folder and not synced to disk, because they are temporary."""
    client, peer = f"http://{LOOPBACK}:{ports.etcd}", f"http://{LOOPBACK}:{ports.etcd_peer}"
    return [
        str(binaries.find("etcd")),
        "--name=local",
        f"--data-dir={files.folder / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=local={peer}",
    ]


def apiserver(binaries: Binaries, files: Files, ports: Ports) -> list[str]:
    """Return the API server's command, with RBAC, static tokens, ServiceAccounts and an audit log."""
    folder = files.folder
    return [
        str(binaries.find("kube-apiserver")),
        f"--etcd-servers=http://{LOOPBACK}:{ports.etcd}",
        f"--bind-address={LOOPBACK}",
        # With these two it needs no network but loopback. The kubernetes Service then has no endpoint, and no pod uses
        # it.
        f"--advertise-address={LOOPBACK}",
        "--endpoint-reconciler-type=none",
        f"--secure-port={ports.apiserver}",
        f"--cert-dir={folder / 'certs'}",
        "--authorization-mode=RBAC",
        f"--token-auth-file={folder / 'tokens.csv'}",
        f"--service-account-key-file={folder / 'service-account.key'}",
        f"--service-account-signing-key-file={folder / 'service-account.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.0.0.0/24",
        # This would refuse pods until their ServiceAccount exists. No pod runs here.
        "--disable-admission-plugins=ServiceAccount",
        f"--audit-policy-file={folder / 'audit-policy.json'}",
        f"--audit-log-path={files.audit_log}",
        # Megabytes. The default of 100 would drop the beginning of a long run.
        "--audit-log-maxsize=100000",
    ]


def controller_manager(binaries: Binaries, files: Files) -> list[str]:
    """Return the controller manager's command, which deletes namespaces and dependents and creates ServiceAccounts."""
    return [
        str(binaries.find("kube-controller-manager")),
        f"--kubeconfig={files.folder / 'manager.kubeconfig'}",
        "--controllers=namespace-controller,garbage-collector-controller,serviceaccount-controller",
        "--leader-elect=false",
        "--secure-port=0",
    ]


def free_port() -> int:
    """Return an unused port on loopback.

    Raises:
        OSError: there is none.
    """
    for _ in range(PORT_ATTEMPTS):
        port = random.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    message = f"no free port between {PORTS.start} and {PORTS.stop} in {PORT_ATTEMPTS} attempts"
    raise OSError(message)
