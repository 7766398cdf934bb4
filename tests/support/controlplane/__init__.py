"""A real Kubernetes control plane for tests, demo and development; see controlplane.py."""

from tests.support.controlplane.audit import AuditEvent
from tests.support.controlplane.binaries import Binaries
from tests.support.controlplane.controlplane import ControlPlane, ControlPlaneError, KubectlError
from tests.support.controlplane.process import KeptProcess, freeze

__all__ = ["AuditEvent", "Binaries", "ControlPlane", "ControlPlaneError", "KeptProcess", "KubectlError", "freeze"]
