"""A temporary Kubernetes control plane on loopback: etcd, API server, controllers."""

import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from uuid import uuid4

from tests.harness.certificates import trusting
from tests.harness.controlplane import audit, commands, files
from tests.harness.controlplane.audit import AuditEvent
from tests.harness.controlplane.binaries import Binaries
from tests.harness.controlplane.etcd_client import EtcdClient
from tests.harness.controlplane.process import FolderRemoval, KeptProcess, freeze

ETCD: Final = "etcd"
APISERVER: Final = "kube-apiserver"
MANAGER: Final = "kube-controller-manager"
# A busy machine may take ten times the usual 3 s.
READY_SECONDS: Final = 120.0
POLL_SECONDS: Final = 0.05
START_ATTEMPTS: Final = 3
LOG_LINES: Final = 15
ESTABLISHED_SECONDS: Final = 30
REVISIONS: Final = 2000
"""Revisions between a backup and its restore: more than a test's own writes."""


class ControlPlaneError(Exception):
    """A component ended or did not become ready. The message has the end of its log."""


class KubectlError(Exception):
    """kubectl failed. The message is its output."""


class ControlPlane:
    """A running control plane. Use it as a context manager, or call stop().

    It ends with this process, unless its programs were started by `make controlplane`.
    """

    def __init__(self, binaries: Binaries, folder: Path, ports: commands.Ports) -> None:
        """Start its programs and wait until they work; use start() instead.

        Raises:
            ControlPlaneError: a program did not become ready.
        """
        self.binaries: Final = binaries
        self.folder: Final = folder
        self.url: Final = f"https://{commands.LOOPBACK}:{ports.apiserver}"
        self._ports: Final = ports
        self._processes: dict[str, KeptProcess] = {}
        self._complete = False
        # Registered before its start, because Ctrl-C may come at any moment.
        self._removal: Final = FolderRemoval(folder)
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            self._files: Final = files.write(folder)
            self._start(ETCD, commands.etcd(binaries, self._files, ports))
            self.start_apiserver()
            self.kubeconfig: Final = self._kubeconfig("admin", self._files.admin_token)
            self._kubeconfig("manager", self._files.manager_token)
            self._start(MANAGER, commands.controller_manager(binaries, self._files))
            self._wait("the default ServiceAccount", self._has_default_account)
            self._complete = True
        except BaseException:
            self.stop()
            raise

    @classmethod
    def start(cls, minor: str | None = None) -> "ControlPlane":
        """Start a control plane. Missing programs are downloaded or built.

        Args:
            minor: a Kubernetes minor such as "1.34"; without one, K8S_VERSION or the default.

        Raises:
            ControlPlaneError: it did not become ready.
            BuildError: a program is missing and can't be built.
        """
        binaries = Binaries(minor)
        for tool in (ETCD, APISERVER, MANAGER, "kubectl"):
            binaries.find(tool)
        for attempt in range(START_ATTEMPTS):
            try:
                return cls(binaries, _new_folder(), commands.free_ports())
            except ControlPlaneError as error:
                # Another process may take a port between its selection and its use.
                if "address already in use" not in str(error) or attempt == START_ATTEMPTS - 1:
                    raise
        raise AssertionError

    def stop(self) -> None:
        """Stop all programs and remove the data. It may be called twice."""
        for name in (MANAGER, APISERVER, ETCD):
            process = self._processes.pop(name, None)
            if process:
                process.kill()
        # An interrupted start may have lost track of a program. The folder's watchdog waits for its end.
        if self._complete:
            self._removal.now()

    def wait_until_established(self, *definitions: str) -> None:
        """Wait until the API server serves the definitions, which are given as arguments of `kubectl wait`.

        Raises:
            KubectlError: They were not established in time.
        """
        until = time.monotonic() + ESTABLISHED_SECONDS
        while True:
            try:
                self.kubectl("wait", "--for=condition=Established", f"--timeout={ESTABLISHED_SECONDS}s", *definitions)
            except KubectlError as error:
                # kubectl fails at once for a definition that has no conditions yet.
                if "accessor error" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.2)
            else:
                return

    def wait_until_allowed(self, *question: str) -> None:
        """Wait until the API server allows something, which is given as arguments of `kubectl auth can-i`.

        Raises:
            KubectlError: It was not allowed in time.
        """
        until = time.monotonic() + ESTABLISHED_SECONDS
        while True:
            try:
                self.kubectl("auth", "can-i", *question)
            except KubectlError as error:
                if str(error) != "no" or time.monotonic() > until:
                    raise
                time.sleep(0.05)
            else:
                return

    def kubectl(self, *args: str, input: str | None = None, kubeconfig: Path | None = None) -> str:  # noqa: A002 — as subprocess.run calls it
        """Run kubectl, as the administrator unless another kubeconfig is given, and return its output.

        Raises:
            KubectlError: kubectl failed.
        """
        command = [str(self.binaries.find("kubectl")), f"--kubeconfig={kubeconfig or self.kubeconfig}", *args]
        # kubectl's discovery cache is kept here. One in the home folder would outlive this server.
        command.insert(1, f"--cache-dir={self.folder / 'kubectl-cache'}")
        done = subprocess.run(command, input=input, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise KubectlError(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """Write a kubeconfig with a token of that ServiceAccount, valid for a day, and return its path.

        Raises:
            KubectlError: the ServiceAccount does not exist.
        """
        token = self.kubectl("create", "token", name, f"--namespace={namespace}", "--duration=24h").strip()
        return self._kubeconfig(f"{namespace}.{name}", token)

    def audit(self, position: int = 0) -> Iterator[AuditEvent]:
        """Return the answered requests from a position of audit_position() on."""
        return audit.read(self._files.audit_log, position)

    @property
    def audit_log(self) -> Path:
        """The audit log: one JSON object a line."""
        return self._files.audit_log

    def audit_position(self) -> int:
        """Return the end of the audit log, so that a test counts only later requests."""
        return self._files.audit_log.stat().st_size

    def stop_apiserver(self) -> None:
        """Kill the API server as a lost node would. The data stay in etcd."""
        self._processes.pop(APISERVER).kill()

    def start_apiserver(self) -> None:
        """Start the API server again on the same port, and wait until it is ready."""
        self._start(APISERVER, commands.apiserver(self.binaries, self._files, self._ports))
        self._wait("the API server", self._ready)

    def stop_etcd(self) -> None:
        """Kill etcd. Its data stay in the folder."""
        self._processes.pop(ETCD).kill()

    def start_etcd(self) -> None:
        """Start etcd again on the same port, and wait until the API server works with it."""
        self._start(ETCD, commands.etcd(self.binaries, self._files, self._ports))
        self._wait("the API server", self._ready)

    def save_etcd(self) -> Path:
        """Copy etcd's data, as a backup does. etcd is stopped meanwhile."""
        saved = self.folder / "etcd-backup"
        self.stop_etcd()
        shutil.copytree(self._files.folder / ETCD, saved)
        self.start_etcd()
        return saved

    def restore_etcd(self, saved: Path, *, bumped: bool, down_seconds: float) -> None:
        """Restore a backup in place while the API server is down.

        `bumped` does what `etcdutl snapshot restore --bump-revision --mark-compacted` does: the revision becomes higher
        than before, and the history up to it is compacted. Otherwise it is much lower than before.
        """
        self.stop_apiserver()
        client = EtcdClient(commands.LOOPBACK, self._ports.etcd)
        if not bumped:
            client.advance(REVISIONS)
        before = client.revision()
        self.stop_etcd()
        shutil.rmtree(self._files.folder / ETCD)
        shutil.copytree(saved, self._files.folder / ETCD)
        self._start(ETCD, commands.etcd(self.binaries, self._files, self._ports))
        self._wait("etcd", client.is_ready)
        if bumped:
            client.advance(before - client.revision() + REVISIONS)
            client.compact()
        time.sleep(down_seconds)
        self.start_apiserver()

    def restart_apiserver(self, down_seconds: float = 0.0) -> None:
        """Kill the API server, start it again after the given time, and wait until it is ready."""
        self.stop_apiserver()
        time.sleep(down_seconds)
        self.start_apiserver()

    def pause(self, component: str = APISERVER) -> None:
        """Freeze a component: its connections stay open and get no response."""
        freeze(self.pid(component))

    def resume(self, component: str = APISERVER) -> None:
        """Continue a frozen component."""
        self._processes[component].send(signal.SIGCONT)

    def pid(self, component: str = APISERVER) -> int:
        """Return a component's process id, for example to measure its memory."""
        return self._processes[component].pid

    def _start(self, component: str, command: list[str]) -> None:
        self._processes[component] = KeptProcess(command, self._files.log(component))

    def _kubeconfig(self, name: str, token: str) -> Path:
        path = self.folder / f"{name}.kubeconfig"
        return files.write_kubeconfig(path, self.url, self._files.authority, (name, token))

    def _ready(self) -> bool:
        return self._get("/readyz") == b"ok"

    def _has_default_account(self) -> bool:
        return self._get("/api/v1/namespaces/default/serviceaccounts/default") is not None

    def _get(self, path: str) -> bytes | None:
        """Return the body of a successful response, or None."""
        context = trusting(self._files.authority.read_text())
        request = urllib.request.Request(self.url + path)  # noqa: S310 — our own server
        request.add_header("Authorization", f"Bearer {self._files.admin_token}")
        # Proxies of the environment are not used for a loopback address.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(request, timeout=5) as answer:
                body: bytes = answer.read()
                return body
        except (urllib.error.URLError, OSError):
            return None

    def _wait(self, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not condition():
            for component, process in self._processes.items():
                if not process.alive:
                    message = f"{component} ended:\n{_tail(process.log)}"
                    raise ControlPlaneError(message)
            if time.monotonic() > deadline:
                logs = "\n".join(_tail(process.log) for process in self._processes.values())
                message = f"{what} is not ready after {READY_SECONDS:.0f} s:\n{logs}"
                raise ControlPlaneError(message)
            time.sleep(POLL_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _new_folder() -> Path:
    """Return a unique folder name."""
    return Path(tempfile.gettempdir()) / f"netbird-controlplane-{uuid4().hex[:8]}"


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
