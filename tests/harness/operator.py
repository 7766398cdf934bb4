"""The operator as a process, with the rights of its chart and no others: for tests, demo and benchmarks."""

import http.client
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml

from netbird_streaming.api.types import GROUP, VERSION
from tests.harness.controlplane import ControlPlane, KeptProcess
from tests.harness.interpreter import operator_python
from tools.chart import Manifest, of_kind, render

NAMESPACE: Final = "netbird-system"
LEASE: Final = "netbird-streaming-operator"
READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05
_PORT: Final = r'{} endpoint"?.*?port"?[=:] ?(\d+)'
_RIGHTS: Final = ("ServiceAccount", "Secret", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")


class OperatorError(Exception):
    """The operator failed. The message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Installation:
    """The chart's objects in a cluster, without the Deployment, because there is no node for its pod."""

    plane: ControlPlane
    namespace: str
    kubeconfig: Path
    arguments: tuple[str, ...]
    """Those of the Deployment's container."""


def install(
    plane: ControlPlane, values: Mapping[str, Any] | None = None, *, namespace: str = NAMESPACE
) -> Installation:
    """Apply the chart's definitions, ServiceAccount, rights and connection, as `helm install` would.

    Args:
        plane: the control plane.
        values: changes of the chart's values.yaml.
        namespace: the release's, created if missing.

    Raises:
        ChartError: the values are refused.
        KubectlError: the API server refuses a manifest.
    """
    rendered = render(plane.binaries.find("helm"), namespace, values, api_versions=[f"{GROUP}/{VERSION}"])
    apply(plane, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    definitions = of_kind(rendered, "CustomResourceDefinition")
    apply(plane, *definitions)
    names = [f"customresourcedefinition/{each['metadata']['name']}" for each in definitions]
    plane.wait_until_established(*names)
    apply(plane, *of_kind(rendered, *_RIGHTS, "ClusterNetBirdConnection"))
    (deployment,) = of_kind(rendered, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    _wait_until_granted(plane, rendered, f"system:serviceaccount:{namespace}:{pod['serviceAccountName']}")
    kubeconfig = plane.service_account_kubeconfig(namespace, pod["serviceAccountName"])
    return Installation(plane, namespace, kubeconfig, tuple(pod["containers"][0]["args"]))


def _wait_until_granted(plane: ControlPlane, rendered: list[Manifest], user: str) -> None:
    """Wait until the API server knows the last binding of each kind, and the role in it. It learns of them in order."""
    for binding in (*of_kind(rendered, "ClusterRoleBinding")[-1:], *of_kind(rendered, "RoleBinding")[-1:]):
        place, named = binding["metadata"].get("namespace"), binding["roleRef"]
        (role,) = (
            each
            for each in of_kind(rendered, named["kind"])
            if (each["metadata"]["name"], each["metadata"].get("namespace")) == (named["name"], place)
        )
        rule = role["rules"][-1]
        target = ".".join(part for part in (rule["resources"][0], rule["apiGroups"][0]) if part)
        name = "".join(f"/{each}" for each in rule.get("resourceNames", ())[:1])
        scope = f"--namespace={place}" if place else "--all-namespaces"
        plane.wait_until_allowed(rule["verbs"][0], target + name, f"--as={user}", scope)


def apply(plane: ControlPlane, *manifests: Manifest) -> None:
    """Apply manifests as the administrator. The list may be empty."""
    if manifests:
        plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=yaml.safe_dump_all(manifests))


class Operator:
    """A running operator. Use it as a context manager, or call stop() or kill().

    It ends with this process. Several of one installation compete for its Lease.
    """

    def __init__(
        self,
        installation: Installation,
        *arguments: str,
        log: Path | None = None,
        python: str | None = None,
        module: str = "netbird_streaming",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it without waiting; see ready().

        Args:
            installation: its rights and arguments.
            arguments: additional ones; a later one wins.
            log: its log file; by default one in the control plane's folder.
            python: the interpreter and its dependencies; by default the image's.
            module: the module to run; `tests.harness.verbose_operator` is the operator with an unfiltered
                log.
            environment: variables in addition to those of a pod.
        """
        self.log: Final = log or _new_log(installation.plane.folder)
        self._offset = self.log.stat().st_size if self.log.exists() else 0
        command = [python or operator_python(), "-m", module, *installation.arguments]
        # The chart's ports may be in use on this host.
        for each in ("health", "metrics"):
            command += [f"--{each}-host=127.0.0.1", f"--{each}-port=0"]
        command += arguments
        self.temporary: Final = Path(tempfile.mkdtemp(prefix="temporary-", dir=installation.plane.folder))
        whole = {**_environment(installation.kubeconfig), "TMPDIR": str(self.temporary), **(environment or {})}
        self._process = KeptProcess(command, self.log, whole)

    @property
    def pid(self) -> int:
        """The process id, for example to measure its memory."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Return whether it still runs."""
        return self._process.alive

    def ready(self, seconds: float = READY_SECONDS) -> Self:
        """Wait until /readyz answers 200: connected, and leading or following.

        Raises:
            OperatorError: it ended, or is not ready in time.
        """
        self._wait(lambda: self.probe("/readyz")[0] == http.client.OK, "ready", seconds)
        return self

    def leading(self, seconds: float = READY_SECONDS) -> Self:
        """Wait until it holds the Lease.

        Raises:
            OperatorError: it ended, or does not lead in time.
        """
        self._wait(lambda: "leading as" in self.text(), "leading", seconds)
        return self

    def probe(self, path: str) -> tuple[int, str]:
        """Send a probe as the kubelet does; return status and text, or 0 without a response."""
        return self._get("health", path)

    def metrics(self) -> str:
        """Scrape /metrics as Prometheus does; return the text, empty without a response."""
        return self._get("metrics", "/metrics")[1]

    def _get(self, endpoint: str, path: str) -> tuple[int, str]:
        ports = ports_of(endpoint, self.text())
        if not ports:
            return 0, ""
        connection = http.client.HTTPConnection("127.0.0.1", ports[0], timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def text(self) -> str:
        """Return its log since its start."""
        with self.log.open("rb") as lines:
            lines.seek(self._offset)
            return lines.read().decode(errors="replace")

    def log_tail(self, lines: int) -> str:
        """Return the last lines of its log."""
        return "\n".join(self.text().splitlines()[-lines:])

    def log_lines(self) -> list[dict[str, Any]]:
        """Return its decoded log. The chart's default format is JSON."""
        return [json.loads(line) for line in self.text().splitlines() if line.startswith("{")]

    def terminate(self) -> None:
        """Send SIGTERM, as the kubelet does, and don't wait."""
        self._process.send(signal.SIGTERM)

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """Stop it as the kubelet does, and return its exit code.

        Raises:
            OperatorError: it does not end in time.
        """
        self.terminate()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise OperatorError(self._complaint(f"still runs {seconds:.0f} s after SIGTERM")) from None

    def kill(self) -> None:
        """Kill it at once (SIGKILL), as a crash would."""
        self._process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()

    def _wait(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if not self.alive:
                raise OperatorError(self._complaint("ended"))
            if time.monotonic() > deadline:
                raise OperatorError(self._complaint(f"is not {what} after {seconds:.0f} s"))
            time.sleep(_POLL_SECONDS)

    def _complaint(self, what: str) -> str:
        return f"the operator {what}:\n{self.log_tail(20)}"


def ports_of(endpoint: str, log: str) -> list[int]:
    """Return the ports of `health` or `metrics`, in the order of the processes' starts, from their log."""
    return [int(each) for each in re.findall(_PORT.format(endpoint), log)]


def _new_log(folder: Path) -> Path:
    number, name = tempfile.mkstemp(prefix="operator-", suffix=".log", dir=folder)
    os.close(number)
    return Path(name)


def _environment(kubeconfig: Path) -> dict[str, str]:
    """Return the environment of a pod: no proxy, no home folder, no setting of the user who runs the tests."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    return {**kept, "KUBECONFIG": str(kubeconfig), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


def peak_memory(pid: int) -> int:
    """Return the most bytes that a process has held in memory; 0 if it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
