"""`make demo`, as a user runs it: a process with its own control plane, and Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from demo.terminal import ROOT
from tests.harness.controlplane import Binaries

MANIFESTS = ROOT / "demo/manifests"
RUN_SECONDS = 90.0
STORY_SECONDS = 30.0
STOP_SECONDS = 15.0
SETTLE_SECONDS = 15.0

pytestmark = pytest.mark.timeout(240)


class RunningDemo:
    """A demonstration under way: what it printed so far, and its end."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "demo"],
            cwd=ROOT,
            # What it starts has this folder in its environment or arguments: whatever it might leave is found by it.
            env={**os.environ, "TMPDIR": str(folder), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A session of its own, like a terminal's foreground job: Ctrl-C reaches the whole group.
            start_new_session=True,
        )
        self.printed = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.printed += line

    def until(self, condition: Callable[[str], bool], seconds: float = RUN_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition(self.printed):
            assert self._process.poll() is None, f"it ended early:\n{self.printed}"
            assert time.monotonic() < deadline, f"it did not get that far:\n{self.printed}"
            time.sleep(0.02)

    def interrupt(self) -> None:
        os.killpg(self._process.pid, signal.SIGINT)

    def end(self, seconds: float = RUN_SECONDS) -> int:
        code = self._process.wait(seconds)
        self._reader.join(STOP_SECONDS)
        return code

    def destroy(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._reader.join(STOP_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def left(self) -> list[str]:
        """Return what still exists after the last steps of the kernel and the watchdogs."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while self._found() and time.monotonic() < deadline:
            time.sleep(0.1)
        return self._found()

    def _found(self) -> list[str]:
        """Return the command lines of its remaining processes, and the files in its folder."""
        marker = str(self._folder).encode()
        lines = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes()
                if marker in command or marker in (process / "environ").read_bytes():
                    lines.append(command.decode().replace("\0", " "))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return lines + [str(path) for path in self._folder.iterdir()]


@contextmanager
def demo(folder: Path, **environment: str) -> Iterator[RunningDemo]:
    running = RunningDemo(folder, environment)
    try:
        yield running
    finally:
        running.destroy()


def secret_values() -> list[str]:
    documents = [
        document for path in MANIFESTS.glob("*.yaml") for document in yaml.safe_load_all(path.read_text()) if document
    ]
    return [value for each in documents if each["kind"] == "Secret" for value in each["stringData"].values()]


def test_demo_runs_to_the_end_and_prints_each_step(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        running.until(lambda printed: "Connect to NetBird" in printed)
        begun = time.monotonic()
        assert running.end() == 0, running.printed
        seconds = time.monotonic() - begun
        assert running.left() == []
    printed = running.printed
    for resource in ("archive", "datadog", "stream", "webhook"):
        assert re.search(rf"demo +{resource} +\w+ +true +\d+ +True +Synced", printed), printed
        assert f"eventstreamingintegration.integrations.netbird.io/{resource} condition met" in printed
    writes = re.findall(r"NetBird got: +(\w+) +(\S+) +answered (\d+)", printed)
    paths = "/api/integrations/event-streaming"
    ids = dict(re.findall(r"demo +(\w+) +\w+ +true +(\d+)", printed))
    assert [write for write in writes if write[0] == "POST"] == [("POST", paths, "200")] * 4
    assert [write for write in writes if write[0] != "POST"] == [
        ("PUT", f"{paths}/{ids['datadog']}", "200"),
        ("PUT", f"{paths}/{ids['archive']}", "200"),
        ("PUT", f"{paths}/{ids['stream']}", "200"),
        ("DELETE", f"{paths}/{ids['webhook']}", "200"),
    ]
    assert "bucket_name=netbird-events-2" in printed
    assert re.search(r"firehose +false .*us-east-1", printed)
    last = printed.rpartition("What NetBird holds now")[2]
    assert re.search(r"firehose +true .*eu-central-1", last)
    assert "generic_http" not in last
    assert "webhook" not in printed.rpartition("get esi -A")[2].partition("What NetBird holds")[0]
    assert re.search(r"NetBird got 4 POST, 3 PUT, 1 DELETE", printed)
    assert [value for value in secret_values() if value in printed] == []
    assert len(secret_values()) == 6
    # About 5 s. A wait for a resync or for the window of a late commit takes at least a minute.
    assert seconds < STORY_SECONDS


def test_keep_leaves_it_running_until_it_is_stopped(tmp_path: Path) -> None:
    folder, cache = tmp_path / "demo", tmp_path / "cache"
    folder.mkdir()
    with demo(folder, KEEP="1") as running:
        running.until(lambda printed: "Ctrl-C here stops all of it." in printed)
        exports = re.findall(r"^ +(export (?:KUBECONFIG|PATH)=.*)$", running.printed, re.MULTILINE)
        asked = subprocess.run(
            ["bash", "-euc", "\n".join([*exports, "kubectl get esi -A"])],
            env={**os.environ, "KUBECACHEDIR": str(cache)},
            check=True,
            capture_output=True,
            text=True,
        )
        assert re.findall(r"^demo +(\w+)", asked.stdout, re.MULTILINE) == ["archive", "datadog", "stream"]
        running.interrupt()
        assert running.end(STOP_SECONDS) == 0, running.printed
        assert running.left() == []


@pytest.mark.parametrize("moment", ["Start a Kubernetes API server", "Start a NetBird", "condition=Ready esi"])
def test_ctrl_c_stops_everything(tmp_path: Path, moment: str) -> None:
    with demo(tmp_path) as running:
        running.until(lambda printed: moment in printed)
        running.interrupt()
        running.interrupt()  # a second Ctrl-C
        assert running.end(STOP_SECONDS) == 128 + signal.SIGINT, running.printed
        assert running.left() == []
    assert "Traceback" not in running.printed


def test_failed_wait_shows_the_operators_log(tmp_path: Path) -> None:
    assets, temporary = tmp_path / "assets", tmp_path / "temporary"
    assets.mkdir()
    temporary.mkdir()
    binaries = Binaries()
    for tool in ("etcd", "kube-apiserver", "kube-controller-manager", "helm"):
        (assets / tool).symlink_to(binaries.find(tool))
    kubectl = assets / "kubectl"
    kubectl.write_text(
        f'#!/bin/sh\ncase "$*" in *"condition=Ready esi"*) exit 1;; esac\nexec {binaries.find("kubectl")} "$@"\n'
    )
    kubectl.chmod(0o755)
    with demo(temporary, KUBEBUILDER_ASSETS=str(assets)) as running:
        assert running.end() == 1, running.printed
        assert running.left() == []
    assert "The demonstration failed: kubectl wait failed" in running.printed
    log = running.printed.partition("The end of the operator's log:")[2]
    assert "starting" in log
