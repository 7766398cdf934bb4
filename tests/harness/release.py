"""A release of the chart on a real API server, by real Helm. Its pods are processes here, because there is no node."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.harness.controlplane import ControlPlane
from tests.harness.fake_rollout import rolling_out
from tests.harness.operator import Installation, Operator
from tools.chart import CHART, ROOT, ChartError

SOURCE: Final = ROOT / "operator"
_QUICK: Final = ("--lease-duration=4", "--lease-renew-deadline=3", "--lease-retry-period=0.5")


class Release:
    """A Helm release with its commands, such as `helm install NAME --namespace NAMESPACE`."""

    def __init__(self, plane: ControlPlane, namespace: str, name: str = "op", *, helm: str = "helm") -> None:
        """Prepare the release; `helm` is the tool: `helm` or `helm3`."""
        self.plane: Final = plane
        self.namespace: Final = namespace
        self.name: Final = name
        self.helm: Final = helm

    def install(self, chart: Path = CHART, *flags: str, **values: Any) -> str:
        """Install it, with its namespace if that is missing; return Helm's output. Raises ChartError."""
        command = ["install", self.name, str(chart), "--create-namespace", *flags]
        # Helm 3 makes no connection at the first install.
        if self.helm == "helm3" or self.plane.kubectl("get", "crd", "--output=name"):
            return self._run(command, values)
        # Helm creates the connection last, and without the wait its kind might not be served yet.
        with rolling_out(self.plane, self.namespace):
            return self._run([*command, "--wait", "--timeout=60s"], values)

    def upgrade(self, *flags: str, **values: Any) -> str:
        """Upgrade it to the working tree's chart, with these values in addition to its own. Raises ChartError."""
        reused = "--reset-then-reuse-values" if self.helm == "helm" else "--reuse-values"  # Helm 3.14 has the former
        return self._run(["upgrade", self.name, str(CHART), reused, *flags], values)

    def rollback(self, revision: int) -> str:
        """Roll back to a revision. Raises ChartError."""
        return self._run(["rollback", self.name, str(revision)])

    def uninstall(self) -> str:
        """Uninstall it. Raises ChartError."""
        return self._run(["uninstall", self.name])

    def installation(self) -> Installation:
        """Return the ServiceAccount and the arguments of the current Deployment."""
        selector = f"--selector=app.kubernetes.io/instance={self.name}"
        found = self.plane.kubectl("get", "deployments", f"--namespace={self.namespace}", selector, "--output=json")
        (deployment,) = json.loads(found)["items"]
        pod = deployment["spec"]["template"]["spec"]
        kubeconfig = self.plane.service_account_kubeconfig(self.namespace, pod["serviceAccountName"])
        return Installation(self.plane, self.namespace, kubeconfig, tuple(pod["containers"][0]["args"]))

    @contextmanager
    def pod(self, source: Path = SOURCE) -> Iterator[Operator]:
        """Run the program of the Deployment's pod from this source, as the leader, and stop it gracefully."""
        with Operator(self.installation(), *_QUICK, environment={"PYTHONPATH": str(source)}) as operator:
            yield operator.leading()
            operator.stop()

    def _run(self, arguments: list[str], values: Mapping[str, Any] | None = None) -> str:
        command = [str(self.plane.binaries.find(self.helm)), *arguments, f"--namespace={self.namespace}"]
        if values is not None:
            command.append("--values=-")
        # Helm's caches are kept in the server's folder.
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.plane.folder),
            "KUBECONFIG": str(self.plane.kubeconfig),
        }
        done = subprocess.run(
            command, input=json.dumps(values or {}), env=environment, check=False, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise ChartError(done.stderr.strip())
        return done.stdout


def former_version(folder: Path) -> tuple[Path, Path]:
    """Unpack the last commit with another chart than the working tree; return its chart and its operator.

    In a clone without history that is the last commit.
    """
    chart, source = (str(path.relative_to(ROOT)) for path in (CHART, SOURCE))
    commits = _git("log", "--format=%H", "--", chart).decode().split()
    changed = (each for each in commits if _git("diff", "--name-only", each, "--", chart))
    archive = _git("archive", next(changed, "HEAD"), chart, source)
    subprocess.run(["tar", "--extract", f"--directory={folder}"], input=archive, check=True)
    return folder / chart, folder / source


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True).stdout
