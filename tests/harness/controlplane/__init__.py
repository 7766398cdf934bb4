"""A real Kubernetes control plane for tests, demo and development; see controlplane.py."""

from tests.harness.controlplane.audit import AuditEvent
from tests.harness.controlplane.binaries import Binaries
from tests.harness.controlplane.controlplane import ControlPlane, ControlPlaneError, KubectlError
from tests.harness.controlplane.process import KeptProcess, freeze

__all__ = ["AuditEvent", "Binaries", "ControlPlane", "ControlPlaneError", "KeptProcess", "KubectlError", "freeze"]
