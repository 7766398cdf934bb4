"""What stands in for nodes where there are none, so that `helm install --wait` ends as it does on a cluster."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.harness.controlplane import ControlPlane, KubectlError

_POLL_SECONDS: Final = 0.2


@contextmanager
def rolling_out(plane: ControlPlane, namespace: str) -> Iterator[None]:
    """Say of each Deployment in a namespace, while the block runs, that its pods are ready.

    As the operator's own pods, these are not before the API server knows the kinds that they read.
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
            found = json.loads(plane.kubectl("get", "deployments", f"--namespace={namespace}", "--output=json"))
            for each in found["items"]:
                if each["status"].get("observedGeneration") != each["metadata"]["generation"]:
                    patch = json.dumps({"status": _rolled_out(each)})
                    target = ("deployment", each["metadata"]["name"], f"--namespace={namespace}")
                    plane.kubectl("patch", *target, "--subresource=status", "--type=merge", f"--patch={patch}")
        except KubectlError:
            continue  # the kinds are not there yet, or the Deployment has gone in between


def _rolled_out(deployment: dict[str, Any]) -> dict[str, Any]:
    replicas = deployment["spec"]["replicas"]
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas)
    conditions = [
        {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
    ]
    return {"observedGeneration": deployment["metadata"]["generation"], **counts, "conditions": conditions}
