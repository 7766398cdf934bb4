"""A stand-in for nodes, so that `helm install --wait` ends as it does on a cluster."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.harness.controlplane import ControlPlane, KubectlError

_POLL_SECONDS: Final = 0.2


@contextmanager
def rolling_out(plane: ControlPlane, namespace: str) -> Iterator[None]:
    """Mark the pods of each Deployment in a namespace as ready, and its disruption budget, while the block runs.

    Like the operator's own pods, they become ready only after the API server serves the operator's kinds.
    """
    ended = threading.Event()
    thread = threading.Thread(target=_roll_out, args=(plane, namespace, ended), name="rollout")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _roll_out(plane: ControlPlane, namespace: str, ended: threading.Event) -> None:
    while not ended.wait(_POLL_SECONDS):
        try:
            plane.kubectl("get", "clusternetbirdconnections")
            kinds = "deployments,poddisruptionbudgets"
            found = json.loads(plane.kubectl("get", kinds, f"--namespace={namespace}", "--output=json"))
            for each in found["items"]:
                if each["status"].get("observedGeneration") != each["metadata"]["generation"]:
                    status = _STATUS[each["kind"]](each)
                    target = (each["kind"], each["metadata"]["name"], f"--namespace={namespace}")
                    patch = f"--patch={json.dumps({'status': status})}"
                    plane.kubectl("patch", *target, "--subresource=status", "--type=merge", patch)
        except KubectlError:
            continue  # the kinds are missing, or the Deployment was deleted in between


def _rolled_out(deployment: dict[str, Any]) -> dict[str, Any]:
    replicas = deployment["spec"]["replicas"]
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas)
    conditions = [
        {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
    ]
    return {"observedGeneration": deployment["metadata"]["generation"], **counts, "conditions": conditions}


def _disruptions_allowed(budget: dict[str, Any]) -> dict[str, Any]:
    counts = {"currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2, "disruptionsAllowed": 1}
    allowed = {
        "type": "DisruptionAllowed",
        "status": "True",
        "reason": "SufficientPods",
        "message": "",
        "lastTransitionTime": budget["metadata"]["creationTimestamp"],
    }
    return {"observedGeneration": budget["metadata"]["generation"], **counts, "conditions": [allowed]}


_STATUS: Final[dict[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "Deployment": _rolled_out,
    "PodDisruptionBudget": _disruptions_allowed,
}
