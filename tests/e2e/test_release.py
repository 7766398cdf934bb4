"""A release by the workflow's own steps: image and chart in a registry, and an installation by their addresses."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.e2e.conftest import Figure
from tests.e2e.release import RELEASE, Site
from tests.harness import manifests
from tests.harness.controlplane import Binaries, KeptProcess
from tests.harness.operator import LEASE
from tools.chart import CHART, ROOT

WORKFLOW: Final = ROOT / ".github" / "workflows" / "release.yaml"
REGISTRY: Final = "127.0.0.1:5000"
"""In the network of the node, which nothing else uses. containerd speaks plain HTTP with a loopback address."""
OWNER: Final = "Example-Company"
REPOSITORIES: Final = f"{REGISTRY}/{OWNER.lower()}"
VERSION: Final = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
IMAGE: Final = f"{REPOSITORIES}/{RELEASE}"
PUBLISHED: Final = f"{REPOSITORIES}/charts/{RELEASE}"
# The registry has no certificate, and there is no identity to sign with.
PROGRAMS: Final = {
    "helm": '#!/bin/sh\n[ "$1" != push ] || set -- "$@" --plain-http\nexec {helm} "$@"\n',
    "cosign": '#!/bin/sh\necho "$@" >> signed.txt\n',
}
_START_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.1


def crane(*arguments: str) -> str:
    """Run a command of the registry's client. A failure fails the test."""
    done = subprocess.run([Binaries().find("crane"), *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def registry(site: Site) -> Iterator[None]:
    """Start a registry on the node's loopback address."""
    if shutil.which("kind"):
        pytest.skip("the node of kind does not reach a loopback address of this machine")
    program = [str(Binaries().find("crane")), "registry", "serve", f"--address={REGISTRY}"]
    process = KeptProcess(program, site.cluster.folder / "registry.log")
    try:
        deadline = time.monotonic() + _START_SECONDS
        while subprocess.run([program[0], "catalog", REGISTRY], check=False, capture_output=True).returncode != 0:
            assert time.monotonic() < deadline, "the registry does not answer"
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        process.kill()


def run_step(job: str, name: str, folder: Path) -> None:
    """Run the script of a step of the release's workflow in a copy of what it needs."""
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"][job]["steps"]
    (script,) = (each["run"] for each in steps if each.get("name") == name)
    shutil.copytree(CHART, folder / CHART.relative_to(ROOT))
    programs = folder / "bin"
    programs.mkdir()
    for program, script_text in PROGRAMS.items():
        (programs / program).write_text(script_text.format(helm=Binaries().find("helm")))
        (programs / program).chmod(0o755)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(folder),
        "REGISTRY": REGISTRY,
        "GITHUB_REPOSITORY_OWNER": OWNER,
        "VERSION": VERSION,
    }
    command = ["bash", "-eo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("registry")
def test_released_chart_installs_the_released_image(
    site: Site, archives: list[Path], tmp_path: Path, figure: Figure
) -> None:
    began = time.monotonic()
    crane("push", str(archives[0]), f"{IMAGE}:{VERSION}")
    run_step("chart", "Push it, and sign it", tmp_path)
    digest = crane("digest", f"{PUBLISHED}:{VERSION}")
    assert (tmp_path / "signed.txt").read_text().split() == ["sign", "--yes", f"{PUBLISHED}@{digest}"]

    values = site.values()
    values["image"] = {"repository": IMAGE, "pullPolicy": "Always"}
    command = ("install", RELEASE, f"oci://{PUBLISHED}", f"--version={VERSION}", "--wait", "--timeout=120s")
    site.helm(*command, "--plain-http", "--values=-", values=values)
    try:
        site.settled()
        images = {each["status"]["containerStatuses"][0]["imageID"] for each in site.pods()}
        assert images == {f"{IMAGE}@{crane('digest', f'{IMAGE}:{VERSION}')}"}
        with site.cleared():
            site.apply(manifests.integration())
            site.ready("events")
        notes = site.helm("get", "notes", RELEASE)
        assert re.search(r"kubectl ", notes)
    finally:
        site.uninstall()
        site.kubectl("delete", "lease", LEASE, "--ignore-not-found")
    figure(f"pushed, installed from oci://{PUBLISHED}, and removed in {time.monotonic() - began:.0f} s")
