"""Kubernetes' own roles for users, with what the chart's roles add to them."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.harness.controlplane import ControlPlane, KeptProcess


@contextmanager
def aggregated_roles(plane: ControlPlane) -> Iterator[None]:
    """Run the controller that fills `view`, `edit` and `admin`, until the block ends."""
    manager = KeptProcess(
        [
            str(plane.binaries.find("kube-controller-manager")),
            f"--kubeconfig={plane.kubeconfig}",
            "--controllers=clusterrole-aggregation-controller",
            "--leader-elect=false",
            "--secure-port=0",
        ],
        plane.folder / "aggregator.log",
    )
    try:
        yield
    finally:
        manager.kill()
