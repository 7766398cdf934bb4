"""The labels of the objects that the operator creates for itself."""

from typing import Final

from netbird_streaming.version import PROGRAM

OWN_LABELS: Final = {
    "app.kubernetes.io/name": PROGRAM,
    "app.kubernetes.io/component": "operator",
    "app.kubernetes.io/managed-by": PROGRAM,
}
"""Kubernetes' recommended labels: admission policies of many clusters reject an object without them."""
