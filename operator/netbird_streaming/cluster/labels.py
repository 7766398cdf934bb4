"""The labels of the objects that the operator creates for itself."""

from typing import Final

OWN_LABELS: Final = {
    "app.kubernetes.io/name": "netbird-streaming-operator",
    "app.kubernetes.io/component": "operator",
    "app.kubernetes.io/managed-by": "netbird-streaming-operator",
}
"""Kubernetes' recommended labels: admission policies of many clusters reject an object without them."""
