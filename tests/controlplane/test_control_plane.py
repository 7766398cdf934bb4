"""The control plane itself: the properties on which the other tests rely."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.harness.controlplane import ControlPlane, KeptProcess, KubectlError

ANSWERED_SECONDS = 5.0


def test_unbound_service_account_may_do_nothing_until_a_role_allows_it(
    control_plane: ControlPlane, namespace: str
) -> None:
    kubectl = control_plane.kubectl
    kubectl("create", "serviceaccount", "reader", f"--namespace={namespace}")
    reader = control_plane.service_account_kubeconfig(namespace, "reader")

    with pytest.raises(KubectlError, match=f'"system:serviceaccount:{namespace}:reader" cannot list resource'):
        kubectl("get", "configmaps", f"--namespace={namespace}", kubeconfig=reader)

    kubectl("create", "role", "read", "--verb=list", "--resource=configmaps", f"--namespace={namespace}")
    binding = f"--serviceaccount={namespace}:reader"
    kubectl("create", "rolebinding", "read", "--role=read", binding, f"--namespace={namespace}")
    kubectl("get", "configmaps", f"--namespace={namespace}", kubeconfig=reader)


def test_deleted_namespace_and_owned_objects_are_removed(control_plane: ControlPlane, namespace: str) -> None:
    kubectl = control_plane.kubectl
    kubectl("create", "configmap", "owner", f"--namespace={namespace}")
    uid = kubectl("get", "configmap", "owner", f"--namespace={namespace}", "--output=jsonpath={.metadata.uid}")
    child = (
        f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: child, namespace: {namespace}, ownerReferences: "
        f"[{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}}}]}}}}"
    )
    kubectl("create", "--filename=-", input=child)

    kubectl("delete", "configmap", "owner", f"--namespace={namespace}")
    kubectl("wait", "configmap/child", "--for=delete", "--timeout=30s", f"--namespace={namespace}")

    kubectl("delete", "namespace", namespace, "--timeout=60s")
    with pytest.raises(KubectlError, match="NotFound"):
        kubectl("get", "namespace", namespace)


def test_audit_log_counts_requests_by_user_and_verb(control_plane: ControlPlane, namespace: str) -> None:
    begin = control_plane.audit_position()
    control_plane.kubectl("create", "secret", "generic", "hidden", "--from-literal=key=payload", f"-n{namespace}")
    for _ in range(3):
        control_plane.kubectl("get", "secret", "hidden", f"--namespace={namespace}")

    deadline = time.monotonic() + ANSWERED_SECONDS
    verbs: list[str] = []
    while len(verbs) < 4 and time.monotonic() < deadline:
        events = [
            event for event in control_plane.audit(begin) if event.resource == "secrets" and event.name == "hidden"
        ]
        verbs = [event.verb for event in events if event.user == "admin" and event.namespace == namespace]
    assert sorted(verbs) == ["create", "get", "get", "get"]
    log = (control_plane.folder / "audit.log").read_bytes()
    assert b"payload" not in log
    assert b"cGF5bG9hZA" not in log


def test_restarted_api_server_keeps_its_data_and_its_address(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("create", "configmap", "kept", "--from-literal=a=b", f"--namespace={namespace}")
    before = control_plane.pid()

    control_plane.restart_apiserver()

    assert control_plane.pid() != before
    output = "--output=jsonpath={.data.a}"
    assert control_plane.kubectl("get", "configmap", "kept", f"--namespace={namespace}", output) == "b"


def test_paused_api_server_responds_only_after_it_continues(control_plane: ControlPlane) -> None:
    control_plane.pause()
    try:
        with pytest.raises(KubectlError, match=r"(?i)timeout|deadline"):
            control_plane.kubectl("get", "--raw=/readyz", "--request-timeout=1s")
    finally:
        control_plane.resume()
    assert control_plane.kubectl("get", "--raw=/readyz") == "ok"


def test_kept_program_dies_with_a_killed_starter(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.harness.controlplane import KeptProcess\n"
        "process = KeptProcess(['sleep', '600'], Path(sys.argv[1]))\n"
        "print(process.pid, flush=True); sys.stdin.read()\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "log")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert _runs(pid)
        starter.kill()

    deadline = time.monotonic() + ANSWERED_SECONDS
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(pid)


def test_kept_program_receives_signals_and_returns_its_exit_code(tmp_path: Path) -> None:
    script = "trap 'echo asked; exit 7' TERM; echo ready; while :; do sleep 0.02; done"
    process = KeptProcess(["sh", "-c", script], tmp_path / "log")
    try:
        deadline = time.monotonic() + ANSWERED_SECONDS
        while not process.log.read_text() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send(signal.SIGTERM)
        assert process.wait(ANSWERED_SECONDS) == 7
        assert process.log.read_text() == "ready\nasked\n"
    finally:
        process.kill()


def _runs(pid: int) -> bool:
    """Return whether it exists and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
