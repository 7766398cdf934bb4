"""A release of the chart on a real API server, by real Helm. Its pods are processes here, since there is no node."""

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
    """What `helm install NAME --namespace NAMESPACE` and its like do."""

    def __init__(self, plane: ControlPlane, namespace: str, name: str = "op") -> None:
        """Do nothing yet."""
        self.plane: Final = plane
        self.namespace: Final = namespace
        self.name: Final = name

    def install(self, chart: Path = CHART, *flags: str, **values: Any) -> str:
        """Install it, with the namespace where that is not there; answer what Helm prints. Raises ChartError."""
        command = ["install", self.name, str(chart), "--create-namespace", *flags]
        if self.plane.kubectl("get", "crd", "--output=name"):
            return self._run(command, values)
        # Helm makes the connection last, and without the wait might come to it before its kind is known.
        with rolling_out(self.plane, self.namespace):
            return self._run([*command, "--wait", "--timeout=60s"], values)

    def upgrade(self, **values: Any) -> str:
        """Upgrade it to our chart, with these values beside those that it has. Raises ChartError."""
        return self._run(["upgrade", self.name, str(CHART), "--reset-then-reuse-values"], values)

    def rollback(self, revision: int) -> str:
        """Go back to a revision. Raises ChartError."""
        return self._run(["rollback", self.name, str(revision)])

    def uninstall(self) -> str:
        """Remove it. Raises ChartError."""
        return self._run(["uninstall", self.name])

    def installation(self) -> Installation:
        """Answer the ServiceAccount and the arguments that the Deployment has now."""
        selector = f"--selector=app.kubernetes.io/instance={self.name}"
        found = self.plane.kubectl("get", "deployments", f"--namespace={self.namespace}", selector, "--output=json")
        (deployment,) = json.loads(found)["items"]
        pod = deployment["spec"]["template"]["spec"]
        kubeconfig = self.plane.service_account_kubeconfig(self.namespace, pod["serviceAccountName"])
        return Installation(self.plane, self.namespace, kubeconfig, tuple(pod["containers"][0]["args"]))

    @contextmanager
    def pod(self, source: Path = SOURCE) -> Iterator[Operator]:
        """Run what the Deployment's pod would run, from this source, as the leader; it ends in good order."""
        with Operator(self.installation(), *_QUICK, environment={"PYTHONPATH": str(source)}) as operator:
            yield operator.leading()
            operator.stop()

    def _run(self, arguments: list[str], values: Mapping[str, Any] | None = None) -> str:
        command = [str(self.plane.binaries.find("helm")), *arguments, f"--namespace={self.namespace}"]
        if values is not None:
            command.append("--values=-")
        # Helm's caches are kept where the server's data are.
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
    """Unpack the last commit that has another chart than the working tree: where its chart and its operator are.

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
