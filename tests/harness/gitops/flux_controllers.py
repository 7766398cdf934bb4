"""Flux's own source-controller and kustomize-controller, as processes beside a control plane."""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.harness.controlplane import ControlPlane, KeptProcess
from tests.harness.controlplane.commands import LOOPBACK, free_port
from tests.harness.end_to_end import eventually
from tests.harness.gitops import definitions
from tests.harness.gitops.controllers import cluster_admin, define

NAMESPACE: Final = "flux-system"
READY_SECONDS: Final = 120.0
"""A Kustomization of the example is retried after a minute."""
_REQUESTED: Final = "reconcile.fluxcd.io/requestedAt"


class Flux:
    """The two controllers; use it as a context manager. They don't outlive this process."""

    def __init__(self, plane: ControlPlane, *flags: str) -> None:
        """Install the definitions and start the controllers; `flags` are more of kustomize-controller."""
        self._plane = plane
        self._requests = 0
        define(plane, definitions.flux())
        kubeconfig = cluster_admin(plane, NAMESPACE, "flux")
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(plane.folder),
            "KUBECONFIG": str(kubeconfig),
            "RUNTIME_NAMESPACE": NAMESPACE,
        }
        storage = plane.folder / "flux-artifacts"
        storage.mkdir(exist_ok=True)
        address = f"{LOOPBACK}:{free_port()}"
        self._processes = [
            self._start("source-controller", f"--storage-path={storage}", *_at(address)),
            # A dependency is looked at every half minute otherwise.
            self._start("kustomize-controller", "--requeue-dependency=1s", "--concurrent=10", *flags),
        ]

    def _start(self, tool: str, *flags: str) -> KeptProcess:
        ports = [f"--{each}-addr={LOOPBACK}:{free_port()}" for each in ("health", "metrics")]
        command = [str(self._plane.binaries.find(tool)), "--events-addr=", *ports, *flags]
        return KeptProcess(command, self.log(tool), self._environment)

    def log(self, tool: str) -> Path:
        """Return the file that a controller logs to."""
        return self._plane.folder / f"{tool}.log"

    def read(self, name: str, kind: str = "kustomization") -> dict[str, Any]:
        """Read a Kustomization or a source."""
        printed = self._plane.kubectl("get", kind, name, f"--namespace={NAMESPACE}", "--output=json")
        found: dict[str, Any] = json.loads(printed)
        return found

    def condition(self, name: str, kind: str = "kustomization", type_: str = "Ready") -> dict[str, Any]:
        """Read a condition; empty while there is none."""
        conditions = self.read(name, kind).get("status", {}).get("conditions", ())
        return next((each for each in conditions if each["type"] == type_), {})

    def conditions(self) -> dict[str, dict[str, Any]]:
        """Return the Ready condition of every Kustomization, by its name; one without is left out."""
        printed = self._plane.kubectl("get", "kustomizations", f"--namespace={NAMESPACE}", "--output=json")
        return {
            found["metadata"]["name"]: each
            for found in json.loads(printed)["items"]
            for each in found.get("status", {}).get("conditions", ())
            if each["type"] == "Ready"
        }

    def reconcile(self, name: str) -> None:
        """Do what `flux reconcile kustomization` does, and wait until the request was handled."""
        self._handled(name, "kustomization", self.request(name))

    def reconcile_source(self, name: str) -> None:
        """Do what `flux reconcile source git` does, and wait until the request was handled."""
        self._handled(name, "gitrepository", self.request(name, "gitrepository"))

    def request(self, name: str, kind: str = "kustomization") -> str:
        """Request a reconcile, and don't wait; return what `status.lastHandledReconcileAt` will be."""
        self._requests += 1
        value = str(self._requests)
        target = (kind, name, f"--namespace={NAMESPACE}", "--overwrite")
        self._plane.kubectl("annotate", *target, f"{_REQUESTED}={value}")
        return value

    def _handled(self, name: str, kind: str, value: str) -> None:
        eventually(
            lambda: self.read(name, kind).get("status", {}).get("lastHandledReconcileAt") == value,
            f"{kind} {name} is reconciled",
        )

    def condition_at(self, name: str, revision: str) -> dict[str, Any]:
        """Return the Ready condition of a Kustomization; empty while it is about another revision."""
        status = self.read(name).get("status", {})
        attempted = str(status.get("lastAttemptedRevision", ""))
        return self.condition(name) if attempted.endswith(revision) else {}

    def ready(self, name: str, revision: str | None = None) -> None:
        """Wait until a Kustomization is Ready, at a revision if one is given."""
        eventually(lambda: self._is_ready(name, revision), f"{name} is Ready", READY_SECONDS)

    def _is_ready(self, name: str, revision: str | None) -> bool:
        found = self.read(name)
        applied = str(found.get("status", {}).get("lastAppliedRevision", ""))
        conditions = found.get("status", {}).get("conditions", ())
        ready: dict[str, Any] = next((each for each in conditions if each["type"] == "Ready"), {})
        observed = ready.get("observedGeneration") == found["metadata"]["generation"]
        return ready.get("status") == "True" and observed and (revision is None or applied.endswith(revision))

    def __enter__(self) -> Self:
        """Return itself; it runs already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End both controllers at once."""
        for each in self._processes:
            each.kill()


def _at(address: str) -> tuple[str, str]:
    return f"--storage-addr={address}", f"--storage-adv-addr={address}"
